"""Runner: starting, attaching, conflicts, and the places that a program can call it from."""

from __future__ import annotations

import asyncio
import concurrent.futures
import uuid
from typing import Any

import pytest

from perdure import (
    Agent,
    DecisionConflictError,
    GuardrailFunctionOutput,
    ModelSettings,
    OutputGuardrailTripwireTriggered,
    RunCancelled,
    RunConfig,
    RunConflictError,
    RunHooks,
    Runner,
    RunNotFound,
    RunState,
    UserError,
    function_tool,
    output_guardrail,
)
from perdure.client.host import Host
from perdure.testing import tool_call
from tests.agents import refund_call, scripted


def fresh_id() -> str:
    return f"test-{uuid.uuid4().hex[:12]}"


async def test_the_same_id_attaches_to_the_run_under_way() -> None:
    run_id, agent = fresh_id(), scripted(refund_call(), "done")
    first = await Runner.start(agent, "go", run_id=run_id)
    await first.result_or_interruptions()
    second = await Runner.start(scripted(refund_call(), "done"), "go", run_id=run_id)
    await second.approve((await second.approvals())[0])
    assert (await second.result()).final_output == (await first.result()).final_output == "done"


async def test_the_same_id_gives_the_result_of_a_run_that_has_ended() -> None:
    run_id = fresh_id()
    first = await Runner.run(scripted("once"), "go", run_id=run_id)
    again = await Runner.run(scripted("never said"), "go", run_id=run_id)
    assert again.final_output == first.final_output == "once"
    assert again.to_input_list() == first.to_input_list()


async def test_the_same_id_gives_the_error_of_a_run_that_has_failed() -> None:
    run_id = fresh_id()
    for _ in range(2):
        with pytest.raises(Exception, match="Max turns"):
            await Runner.run(scripted(refund_call()), "go", run_id=run_id, max_turns=0)


async def test_rerun_starts_anew_once_the_run_has_ended() -> None:
    run_id = fresh_id()
    await Runner.run(scripted("once"), "go", run_id=run_id)
    assert (await Runner.run(scripted("twice"), "go", run_id=run_id, rerun=True)).final_output == "twice"


async def test_another_agent_or_input_under_the_same_id_is_a_conflict() -> None:
    run_id = fresh_id()
    await Runner.run(scripted("x"), "go", run_id=run_id)
    with pytest.raises(RunConflictError, match="another input"):
        await Runner.run(scripted("x"), "stay", run_id=run_id)
    with pytest.raises(RunConflictError, match="run of agent 'Scripted', not of 'Other'"):
        await Runner.run(scripted("x", name="Other"), "go", run_id=run_id)


async def test_many_at_once_with_the_same_id_are_one_run() -> None:
    run_id, calls = fresh_id(), []

    @function_tool
    async def count() -> str:
        """Count."""
        calls.append(1)
        return "counted"

    agent = scripted(tool_call("count", {}), "done", tools=[count])
    results = await asyncio.gather(*(Runner.run(agent, "go", run_id=run_id) for _ in range(5)))
    assert {result.final_output for result in results} == {"done"}
    assert len(calls) == 1


async def test_several_runs_at_once_in_one_loop() -> None:
    results = await asyncio.gather(*(Runner.run(scripted(f"answer {n}"), "go") for n in range(10)))
    assert [result.final_output for result in results] == [f"answer {n}" for n in range(10)]


def test_run_sync_and_threads_at_once() -> None:
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        results = pool.map(lambda n: Runner.run_sync(scripted(f"answer {n}"), "go").final_output, range(4))
    assert list(results) == [f"answer {n}" for n in range(4)]
    assert Runner.run_sync(scripted("main"), "go").final_output == "main"
    assert Runner.run_sync(scripted("again"), "go").final_output == "again"


def test_a_run_started_on_a_loop_that_has_ended_goes_on_on_the_next() -> None:
    run_id, agent = fresh_id(), scripted(refund_call(), "done")
    assert asyncio.run(Runner.run(agent, "go", run_id=run_id)).interruptions

    async def go_on() -> Any:
        run = await Runner.start(agent, "go", run_id=run_id)
        await run.approve("1.0")
        return await run.result()

    assert asyncio.run(go_on()).final_output == "done"


async def test_a_refused_start_leaves_the_run_that_has_the_id_as_it_was() -> None:
    run_id, agent = fresh_id(), scripted(refund_call(), "done")
    await Runner.run(agent, "go", run_id=run_id)
    with pytest.raises(RunConflictError):
        await Runner.start(scripted("x", name="Other"), "go", run_id=run_id, rerun=True)
    run = await Runner.get(run_id)
    await run.approve("1.0")
    assert (await run.result()).final_output == "done"


async def test_run_sync_inside_a_loop_says_what_to_do() -> None:
    with pytest.raises(RuntimeError, match=r"await Runner\.run there"):
        Runner.run_sync(scripted("x"), "go")


async def test_a_run_is_found_again_by_its_id() -> None:
    run_id = fresh_id()
    await Runner.run(scripted(refund_call(), "done"), "go", run_id=run_id)
    found = await Runner.get(run_id)
    assert found.agent.name == "Scripted"
    assert (await found.status()).phase == "waiting for approval"
    await found.approve("1.0", by="ana")
    assert (await found.result()).final_output == "done"
    assert [entry.kind for entry in await found.transcript()] == ["input", "answer", "output", "answer"]


async def test_an_id_that_nobody_has_is_said_to_be_unknown() -> None:
    with pytest.raises(RunNotFound, match="No run 'nobody' is known in namespace 'default'"):
        await Runner.get("nobody")


async def test_runs_are_listed_newest_first() -> None:
    run_id = fresh_id()
    await Runner.run(scripted("x"), "go", run_id=run_id)
    async with asyncio.timeout(10):
        # The list is not up to date at once, and tells nobody when it is.
        while not (listed := await Runner.list(f'WorkflowId = "{run_id}"')):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    assert (listed[0].agent, listed[0].id) == ("Scripted", run_id)


async def test_a_cancelled_run_says_so_wherever_its_result_is_asked() -> None:
    run = await Runner.start(scripted(refund_call()), "go")
    await run.result_or_interruptions()
    await run.cancel()
    with pytest.raises(RunCancelled, match="was cancelled"):
        await run.result()


async def test_approvals_are_watched_as_they_come() -> None:
    agent = scripted([refund_call("7"), refund_call("8")], refund_call("9"), "done")
    run = await Runner.start(agent, "go")
    seen: list[str] = []
    async for approval in run.watch_approvals():
        seen.append(approval.call_id)
        await run.approve(approval, by="ana")
    assert seen == ["1.0", "1.1", "2.0"]
    assert (await run.result()).final_output == "done"


async def test_a_state_survives_json_and_commits_its_last_draft() -> None:
    agent = scripted(refund_call(), "done")
    paused = await Runner.run(agent, "go")
    state = await RunState.from_string(agent, paused.to_state().to_string())
    (item,) = state.get_interruptions()
    state.reject(item, rejection_message="no")
    state.approve(item)
    result = await Runner.run(agent, await RunState.from_json(agent, state.to_json()))
    assert result.final_output == "done"
    assert result.to_input_list()[2]["output"] == "refunded 40 for 7"


async def test_a_state_whose_call_was_decided_otherwise_meanwhile_is_a_conflict() -> None:
    agent = scripted([refund_call("7"), refund_call("8")], "done")
    paused = await Runner.run(agent, "go")
    await (await Runner.get(paused.run_id)).reject("1.0", by="ana")
    state = paused.to_state()
    state.approve(paused.interruptions[0])
    with pytest.raises(DecisionConflictError, match="already rejected by ana"):
        await Runner.run(agent, state)


@output_guardrail
async def judge(context: Any, agent: Any, output: Any) -> GuardrailFunctionOutput:
    return GuardrailFunctionOutput("no", tripwire_triggered=True)


class StartHooks(RunHooks):
    async def on_agent_start(self, context: Any, agent: Any) -> None:
        pass


OTHERS: list[tuple[str, dict[str, Any]]] = [
    ("run_config.output_guardrails", {"run_config": RunConfig(output_guardrails=[judge])}),
    ("run_config.tool_error_formatter", {"run_config": {"tool_error_formatter": lambda given: "no"}}),
    ("run_config.model_settings", {"run_config": {"model_settings": {"temperature": 0.5}}}),
    ("run_config.model", {"run_config": {"model": "another"}}),
    ("run_config.tool_output_format", {"run_config": {"tool_output_format": "str"}}),
    ("hooks", {"hooks": StartHooks()}),
    ("error_handlers", {"error_handlers": {"max_turns": lambda given: None}}),
]


@pytest.mark.parametrize("elsewhere", [False, True])
@pytest.mark.parametrize(("name", "options"), OTHERS, ids=[name for name, _ in OTHERS])
async def test_an_option_that_a_run_was_not_started_with_is_refused_beside_its_state(
    name: str, options: dict[str, Any], elsewhere: bool
) -> None:
    agent = scripted(refund_call(), "done")
    paused = await Runner.run(agent, "go")
    if elsewhere:  # as in another process, which has not what the run was started with
        Host.current().served.take_back(paused.run_id)
    state = await RunState.from_json(agent, paused.to_state().to_json())
    state.approve(state.get_interruptions()[0])
    with pytest.raises(UserError, match=f"other than its own: {name}. Leave that out"):
        await Runner.run(agent, state, **options)
    assert (await Runner.run(agent, state)).final_output == "done"
    with pytest.raises(UserError, match=f"other than its own: {name}."):
        await Runner.run(agent, state, **options)


async def test_the_options_that_a_run_was_started_with_are_fine_beside_its_state() -> None:
    options: dict[str, Any] = {
        "hooks": StartHooks(),
        "error_handlers": {"max_turns": lambda given: None},
        "run_config": RunConfig(
            model_settings=ModelSettings(temperature=0.5, extra_args={"a": 1}),
            tool_output_format="str",
            tool_error_formatter=lambda given: "no",
        ),
    }
    agent = scripted(refund_call(), "done")
    paused = await Runner.run(agent, "go", **options)
    state = paused.to_state()
    state.approve(paused.interruptions[0])
    assert (await Runner.run(agent, state, **options)).final_output == "done"


async def approved_state_of_a_cancelled_run(agent: Any) -> RunState[Any]:
    """The state of a run that was cancelled while its call waited, with the call approved in it."""
    paused = await Runner.run(agent, "go", run_id=fresh_id())
    run = await Runner.get(paused.run_id)
    await run.cancel()
    with pytest.raises(RunCancelled):
        await run.result()
    state = paused.to_state()
    state.approve(paused.interruptions[0])
    return state


async def test_a_new_run_from_a_state_takes_the_options_that_come_with_it() -> None:
    agent = scripted(refund_call(), "done")
    state = await approved_state_of_a_cancelled_run(agent)
    with pytest.raises(OutputGuardrailTripwireTriggered):
        await Runner.run(agent, state, run_config=RunConfig(output_guardrails=[judge]))


async def test_the_limit_is_the_runs_own_after_a_wait_and_wherever_it_is_found() -> None:
    agent = scripted(refund_call(), "done")
    paused = await Runner.run(agent, "go", max_turns=4)
    state = paused.to_state()
    state.approve(paused.interruptions[0])
    resumed = await Runner.run(agent, state)
    found = await (await Runner.get(paused.run_id)).result()
    assert [each.max_turns for each in (paused, resumed, found)] == [4, 4, 4]


async def test_an_item_of_another_run_decides_nothing_though_its_call_is_alike() -> None:
    agent = scripted(refund_call(call_id="c"), refund_call(call_id="c"))
    paused, other = [await Runner.run(scripted(refund_call(call_id="c")), "go") for _ in range(2)]
    assert paused.interruptions[0].digest == other.interruptions[0].digest
    with pytest.raises(UserError, match=f"waits in run {other.run_id!r}"):
        paused.to_state().approve(other.interruptions[0])
    state = await RunState.from_json(agent, paused.to_state().to_json())
    with pytest.raises(UserError, match=f"waits in run {other.run_id!r}"):
        state.reject(other.interruptions[0])
    with pytest.raises(UserError, match=f"waits in run {other.run_id!r}"):
        await (await Runner.get(paused.run_id)).approve(other.interruptions[0])
    state.approve(paused.interruptions[0])


async def test_a_state_that_was_resumed_already_has_the_outcome_and_runs_nothing_again() -> None:
    calls: list[int] = []

    @function_tool(needs_approval=True)
    async def pay() -> str:
        """Pay."""
        calls.append(1)
        return "paid"

    agent = scripted(tool_call("pay", {}), "done", tools=[pay])
    state = (await Runner.run(agent, "go", run_id=fresh_id())).to_state()
    state.approve(state.get_interruptions()[0])
    results = [await Runner.run(agent, state) for _ in range(2)]
    assert [(result.final_output, result.run_id) for result in results] == [("done", state.run_id)] * 2
    assert calls == [1]


async def test_a_state_whose_run_has_ended_by_another_decision_is_a_conflict() -> None:
    agent = scripted(refund_call(), "done")
    paused = await Runner.run(agent, "go")
    approving, rejecting = paused.to_state(), paused.to_state()
    approving.approve(paused.interruptions[0])
    rejecting.reject(paused.interruptions[0])
    await Runner.run(agent, approving)
    with pytest.raises(DecisionConflictError, match=r"has ended: Call 1\.0 was approved"):
        await Runner.run(agent, rejecting)


async def test_a_state_of_a_finished_run_asks_the_model_once_more_in_a_new_run() -> None:
    run_id, agent = fresh_id(), scripted("done", "again")
    first = await Runner.run(agent, "go", run_id=run_id)
    second = await Runner.run(agent, await RunState.from_string(agent, first.to_state().to_string()))
    assert (second.final_output, second.run_id) == ("again", f"{run_id}-2")
    assert [item.type for item in second.new_items] == ["message_output_item"] * 2
    assert second.context_wrapper.usage.requests == 2
    assert first.final_output == "done"


async def test_a_state_goes_on_in_a_new_run_where_its_own_was_cancelled_while_it_waited() -> None:
    agent = scripted(refund_call(), "done")
    state = await approved_state_of_a_cancelled_run(agent)
    for _ in range(2):  # the second time it is attached to
        result = await Runner.run(agent, state)
        assert (result.final_output, result.run_id) == ("done", f"{state.run_id}-2")
        assert result.to_input_list()[2]["output"] == "refunded 40 for 7"


async def test_a_fork_goes_on_from_the_end_of_a_turn() -> None:
    agent = scripted(tool_call("add", {"a": 1, "b": 2}), "done")
    run = await Runner.start(agent, "go", run_id=fresh_id())
    whole = await run.result()
    fork = await run.fork(1)
    assert fork.id == f"{run.id}-2"
    assert (await fork.result()).to_input_list() == whole.to_input_list()
    assert (await (await run.fork(0)).result()).to_input_list() == whole.to_input_list()


async def test_a_turn_that_is_open_or_did_not_happen_cannot_be_forked() -> None:
    run = await Runner.start(scripted(refund_call(), "done"), "go")
    await run.result_or_interruptions()
    with pytest.raises(UserError, match=r"Turn 1 of run .* is not completed"):
        await run.fork(1)
    with pytest.raises(UserError, match="has no turn 2; it has come to turn 1"):
        await run.fork(2)


async def test_what_the_loop_cannot_do_yet_is_refused_by_name() -> None:
    with pytest.raises(UserError, match="Agent 'Early' sets mcp_servers"):
        await Runner.run(Agent(name="Early", mcp_servers=[object()]), "go")


@pytest.mark.parametrize("turns", [-1, True])
async def test_max_turns_must_be_a_number_of_turns(turns: Any) -> None:
    with pytest.raises(UserError, match="max_turns"):
        await Runner.start(scripted("x"), "go", max_turns=turns)


async def test_the_run_s_settings_lie_over_the_agent_s() -> None:
    agent = scripted("x", model_settings=ModelSettings(temperature=0.1, top_p=0.5))
    override = scripted("overridden")
    config = RunConfig(model=override.model, model_settings=ModelSettings(temperature=0.9))
    assert (await Runner.run(agent, "go", run_config=config)).final_output == "overridden"
    (request,) = override.model.requests  # pyright: ignore[reportAttributeAccessIssue, reportOptionalMemberAccess]
    assert (request.settings.temperature, request.settings.top_p) == (0.9, 0.5)
