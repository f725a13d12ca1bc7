"""A tool with `effect="once"`: at most once per key, over runs, resets and forks; what nobody knows, a person says."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client

from activities.ledger import Ledger
from perdure import (
    DecisionConflictError,
    DidNotHappen,
    Happened,
    Run,
    RunCancelled,
    Runner,
    ToolContext,
    UserError,
    function_tool,
)
from perdure.client.host import Host
from perdure.contracts.effects import Attempt, EffectView, effect_id
from perdure.testing import tool_call
from tests.agents import scripted


class Shop:
    """A tool whose effects are counted, under a key of this test's own."""

    def __init__(self, *, keyed: bool = True, **options: Any) -> None:
        self.paid: list[str] = []
        self.fails: Exception | None = None
        self.key = f"pay {uuid.uuid4().hex}"
        if keyed:
            options["key"] = f"{self.key}:{{order}}"

        @function_tool(effect="once", **options)
        async def pay(order: str, cents: int = 5) -> str:
            """Pay."""
            self.paid.append(order)
            if self.fails is not None:
                raise self.fails
            return f"paid {order} with {cents}"

        self.pay = pay

    async def start(self, *arguments: dict[str, Any], run_id: str | None = None) -> Run:
        """A run whose model makes these calls, one in a turn."""
        calls = [tool_call("pay", given) for given in arguments]
        return await Runner.start(scripted(*calls, "done", tools=[self.pay]), "please", run_id=run_id)

    async def lose(self, order: str) -> None:
        """Lets an attempt be lost: it has claimed the effect, and its run is gone."""
        await call(lambda client: Ledger(client).claim(f"{self.key}:{order}", lost()))

    async def known(self, order: str) -> EffectView:
        """What the ledger has."""
        return await known(effect_id(f"{self.key}:{order}"))


async def known(effect: str) -> EffectView:
    """What the ledger has of an effect, by its workflow's id."""
    return await call(lambda client: client.get_workflow_handle(effect).query("effect", result_type=EffectView))


def lost() -> Attempt:
    return Attempt(
        token=uuid.uuid4().hex, run_id=f"gone-{uuid.uuid4().hex}", execution=str(uuid.uuid4()), call_id="1.0",
        activity_id="tool.1.0", attempt=1, tool="pay", call="pay(order='7')", digest="ab", at="2026-01-01T00:00:00Z",
    )  # fmt: skip


async def call(ask: Callable[[Client], Any]) -> Any:
    host = Host.current()
    await host.call(host.serve_effects())
    client = (await host.call(host.connection())).client
    return await host.call(ask(client))


async def outputs(run: Run) -> list[str]:
    await run.result()
    return [entry.item["output"] for entry in await run.transcript() if entry.kind in ("output", "value")]


async def asked(run: Run) -> None:
    """Waits until the run asks what became of its call."""
    while not (await run.status()).unknown:  # noqa: ASYNC110  the run is elsewhere and has no event to wait for
        await asyncio.sleep(0.05)


async def test_the_first_result_answers_every_later_call_with_the_key() -> None:
    shop = Shop()
    first, second = await shop.start({"order": "7"}, {"order": "7", "cents": 9}), await shop.start({"order": "7"})
    assert await outputs(first) + await outputs(second) == ["paid 7 with 5"] * 3
    assert shop.paid == ["7"]


async def test_another_key_is_another_effect() -> None:
    shop = Shop()
    assert await outputs(await shop.start({"order": "7"}, {"order": "8"})) == ["paid 7 with 5", "paid 8 with 5"]
    assert shop.paid == ["7", "8"]


async def test_a_call_waits_for_the_one_that_is_at_it() -> None:
    shop = Shop()
    twice = [tool_call("pay", {"order": "7"}), tool_call("pay", {"order": "7", "cents": 9})]
    run = await Runner.start(scripted(twice, "done", tools=[shop.pay]), "please")
    said = await outputs(run)
    assert said[0] == said[1]
    assert shop.paid == ["7"]


async def test_without_a_key_each_call_is_its_own() -> None:
    shop = Shop(keyed=False)
    assert await outputs(await shop.start({"order": "7"}, {"order": "7"})) == ["paid 7 with 5"] * 2
    assert shop.paid == ["7", "7"]


async def test_the_tool_is_given_the_key_to_hand_on() -> None:
    given: list[str] = []
    prefix = uuid.uuid4().hex

    @function_tool(effect="once", key=prefix + ":{order}")
    async def pay(context: ToolContext[Any], order: str) -> str:
        given.append(context.idempotency_key)
        return "ok"

    await (await Runner.start(scripted(tool_call("pay", {"order": "a:b"}), "done", tools=[pay]), "x")).result()
    assert given == [f"{prefix}:a%3Ab"]


@pytest.mark.parametrize(
    ("outcome", "result", "output", "paid"),
    [
        ("happened", "paid by hand", "paid by hand", []),
        ("happened", None, "This call took effect. What it returned is not known.", []),
        ("not_happened", None, "This call did not take effect: its worker was lost before. It was not repeated.", []),
        ("retry", None, "paid 7 with 5", ["7"]),
    ],
)
async def test_what_nobody_knows_is_not_tried_again_before_a_person_says(
    outcome: Any, result: str | None, output: str, paid: list[str]
) -> None:
    shop = Shop()
    await shop.lose("7")
    run = await shop.start({"order": "7"})
    await asked(run)
    status = await run.status()
    assert (status.phase, [each.call_id for each in status.unknown]) == ("waiting for an outcome", ["1.0"])
    assert "lost" in status.unknown[0].why
    assert shop.paid == []
    receipt = await run.resolve("1.0", outcome, result=result, by="ana")
    assert receipt.verdict == "accepted"
    assert await outputs(run) == [output]
    assert shop.paid == paid
    ended = await run.status()
    assert (ended.unknown, ended.unknown_outcomes) == ([], [])
    assert "says ana" in ended.resolved["1.0"]
    assert (await shop.known("7")).status == {"not_happened": "free"}.get(outcome, "done")


async def test_only_what_is_asked_can_be_said() -> None:
    shop = Shop()
    await shop.lose("7")
    run = await shop.start({"order": "7"})
    with pytest.raises(DecisionConflictError, match=r"No call 9\.9"):
        await run.resolve("9.9", "retry")
    await asked(run)
    await run.resolve("1.0", "happened", result="yes")
    await run.result()
    with pytest.raises(DecisionConflictError, match="has ended"):
        await run.resolve("1.0", "retry")


@pytest.mark.parametrize(("found", "output", "paid"), [(Happened("so it is"), "so it is", []), (None, "said", [])])
async def test_verify_finds_out_before_a_person_is_asked(found: Any, output: str, paid: list[str]) -> None:
    shop = Shop(verify=lambda context, arguments: found)
    await shop.lose("7")
    run = await shop.start({"order": "7"})
    if found is None:
        await asked(run)
        await run.resolve("1.0", "happened", result="said")
    assert await outputs(run) == [output]
    assert shop.paid == paid


async def test_what_verify_says_did_not_happen_is_done_now() -> None:
    async def verify(context: Any, arguments: dict[str, Any]) -> None:
        raise DidNotHappen(f"no payment for {arguments['order']}")

    shop = Shop(verify=verify)
    await shop.lose("7")
    assert await outputs(await shop.start({"order": "7"})) == ["paid 7 with 5"]
    assert shop.paid == ["7"]


async def test_what_a_tool_raises_leaves_open_whether_it_happened() -> None:
    shop = Shop()
    shop.fails = RuntimeError("the bank did not answer")
    (said,) = await outputs(await shop.start({"order": "7"}))
    assert "the bank did not answer" in said
    again = await shop.start({"order": "7"})
    await asked(again)
    assert "the bank did not answer" in (await again.status()).unknown[0].why
    shop.fails = None
    await again.resolve("1.0", "retry")
    assert await outputs(again) == ["paid 7 with 5"]


async def test_a_tool_that_says_that_nothing_happened_may_be_called_again() -> None:
    shop = Shop()
    shop.fails = DidNotHappen("no funds")
    (said,) = await outputs(await shop.start({"order": "7"}))
    assert "no funds" in said
    shop.fails = None
    assert await outputs(await shop.start({"order": "7"})) == ["paid 7 with 5"]


async def test_arguments_that_fit_no_call_have_no_effect() -> None:
    shop = Shop()
    (said,) = await outputs(await shop.start({"cents": 3}))
    assert "order" in said
    assert shop.paid == []


async def test_an_effect_after_the_run_was_cancelled_is_told_to_the_ledger() -> None:
    begun, go_on = threading.Event(), threading.Event()
    key = f"pay {uuid.uuid4().hex}"

    @function_tool(effect="once", key=key)
    def pay() -> str:
        begun.set()
        go_on.wait(30)
        return "paid after all"

    run = await Runner.start(scripted(tool_call("pay", {}), "done", tools=[pay]), "please")
    await asyncio.to_thread(begun.wait, 30)
    await run.cancel()
    with pytest.raises(RunCancelled):
        await run.result()
    handle = effect_id(key)
    while (await known(handle)).status != "unknown":  # noqa: ASYNC110  as in `asked`
        await asyncio.sleep(0.05)
    go_on.set()
    while (await known(handle)).status != "done":  # noqa: ASYNC110  as in `asked`
        await asyncio.sleep(0.05)
    told = await known(handle)
    assert told.output is not None
    assert told.output.item["output"] == "paid after all"
    assert "told to stop" in told.note


@pytest.mark.parametrize("keyed", [True, False])
async def test_a_reset_does_not_repeat_an_effect(keyed: bool) -> None:
    shop = Shop(keyed=keyed)
    run = await shop.start({"order": "7"})
    await run.result()
    await call(lambda client: reset(client, run.id))
    again = await shop.start({"order": "7"}, run_id=run.id)
    if not keyed:  # nothing but a person can say whether this is the same effect
        await asked(again)
        assert "An earlier history of this run did it" in (await again.status()).unknown[0].why
        await again.resolve("1.0", "happened")
    assert await outputs(again) == ["paid 7 with 5"]
    assert shop.paid == ["7"]


async def test_a_fork_past_an_effect_without_a_key_asks_first() -> None:
    shop = Shop(keyed=False)
    run = await shop.start({"order": "7"}, {"order": "8"})
    await run.result()
    with pytest.raises(UserError, match=r"After turn 1 .* calls 2\.0 had effects .* repeat_effects=True"):
        await run.fork(at=1)
    await (await run.fork(at=1, repeat_effects=True)).result()
    assert shop.paid == ["7", "8", "8"]


async def test_a_fork_past_an_effect_with_a_key_has_its_first_result() -> None:
    shop = Shop()
    run = await shop.start({"order": "7"}, {"order": "8"})
    await run.result()
    assert await outputs(await run.fork(at=1)) == ["paid 7 with 5", "paid 8 with 5"]
    assert shop.paid == ["7", "8"]


async def reset(client: Client, run_id: str) -> None:
    """Resets a run to the end of its first workflow task, as an operator would."""
    history = await client.get_workflow_handle(run_id).fetch_history()
    finished = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    first = next(event.event_id for event in history.events if event.event_type == finished)
    await client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=run_id, run_id=history.run_id),
            workflow_task_finish_event_id=first,
            request_id=str(uuid.uuid4()),
            reason="a test",
        )
    )
