"""A thread takes each message once, in order, and outlives its runs, its clients and its histories."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from temporalio.client import WorkflowUpdateFailedError

from perdure import (
    Agent,
    HandoffInputData,
    MaxTurnsExceeded,
    RunCancelled,
    RunConfig,
    RunContextWrapper,
    RunItemStreamEvent,
    Runner,
    RunNotFound,
    SQLiteSession,
    ThreadClosed,
    UserError,
    function_tool,
    handoff,
)
from perdure.client.host import Host
from perdure.limits import MAX_KNOWN_OUTCOMES, MAX_LISTENERS, MAX_QUEUED_BYTES
from perdure.testing import ScriptedModel, message, tool_call
from tests.agents import refund_call, scripted
from tests.workflows.test_long_runs import executions_of
from tests.workflows.test_messages import raw
from tests.workflows.threads import echo, handle_of, new_name, texts, update


async def test_messages_are_said_one_after_the_other_in_the_order_of_their_numbers() -> None:
    name, agent = new_name(), echo()
    runs = [await Runner.start(agent, str(number), thread=name) for number in range(5)]
    assert [run.sequence for run in runs] == [1, 2, 3, 4, 5]
    results = await asyncio.gather(*(run.result() for run in reversed(runs)))
    assert [each.final_output for each in results] == [f"you said {number}" for number in (4, 3, 2, 1, 0)]
    said = [word for number in range(5) for word in (str(number), f"you said {number}")]
    assert await texts(await Runner.thread(name)) == said


async def test_a_result_is_that_of_its_message_alone() -> None:
    name, agent = new_name(), echo()
    await Runner.run(agent, "one", thread=name)
    result = await Runner.run(agent, "two", thread=name)
    assert [item.type for item in result.new_items] == ["message_output_item"]
    assert [item.get("content") for item in result.input if item.get("role") == "user"] == ["one", "two"]
    assert (result.context_wrapper.usage.requests, len(result.raw_responses)) == (1, 1)
    assert (await (await Runner.thread(name)).status()).thread.usage.requests == 2  # pyright: ignore[reportOptionalMemberAccess]


async def test_a_message_is_said_once_however_often_it_is_sent() -> None:
    name, agent = new_name(), echo()
    at_once = await asyncio.gather(*(Runner.run(agent, "hi", thread=name, message_id="m1") for _ in range(3)))
    later = await Runner.run(agent, "more", thread=name)
    again = await Runner.run(agent, "hi", thread=name, message_id="m1")
    assert {each.final_output for each in (*at_once, again)} == {"you said hi"}
    assert later.final_output == "you said more"
    assert again.to_input_list() == at_once[0].to_input_list()
    assert await texts(await Runner.thread(name)) == ["hi", "you said hi", "more", "you said more"]


async def test_a_message_id_that_named_another_message_is_refused() -> None:
    name, agent = new_name(), echo()
    await Runner.run(agent, "hi", thread=name, message_id="m1")
    with pytest.raises(UserError, match="Message m1 was taken before, and said something else"):
        await Runner.run(agent, "ho", thread=name, message_id="m1")


async def test_a_client_that_leaves_while_it_waits_finds_the_outcome_when_it_comes_back() -> None:
    name, begun, gate = new_name(), asyncio.Event(), asyncio.Event()

    @function_tool
    async def wait() -> str:
        begun.set()
        await gate.wait()
        return "waited"

    agent = scripted(tool_call("wait", {}), "done", tools=[wait])
    run = await Runner.start(agent, "hi", thread=name, message_id="m1")
    waiting = asyncio.create_task(run.result())
    await begun.wait()
    waiting.cancel()
    gate.set()
    result = await Runner.run(agent, "hi", thread=name, message_id="m1")
    assert (result.final_output, len(result.new_items)) == ("done", 3)


async def test_a_message_that_fails_is_an_outcome_and_the_thread_lives_on() -> None:
    name = new_name()
    agent = scripted(tool_call("add", {"a": 1, "b": 2}), "never", "fine")
    with pytest.raises(MaxTurnsExceeded) as failed:
        await Runner.run(agent, "much", thread=name, max_turns=1, message_id="m1")
    assert failed.value.run_data is not None
    assert [item.type for item in failed.value.run_data.new_items] == ["tool_call_item", "tool_call_output_item"]
    assert (await Runner.run(agent, "more", thread=name)).final_output == "never"
    with pytest.raises(MaxTurnsExceeded):
        await Runner.run(agent, "much", thread=name, max_turns=1, message_id="m1")
    kinds = [item.get("role") or item["type"] for item in await (await Runner.thread(name)).history()]
    assert kinds == ["user", "function_call", "function_call_output", "user", "assistant"]


async def test_what_user_code_raises_is_the_same_object_where_it_was_raised() -> None:
    name, error = new_name(), ValueError("no")

    @function_tool(failure_error_function=None)
    async def fail() -> str:
        raise error

    agent = scripted(tool_call("fail", {}), "fine", tools=[fail])
    with pytest.raises(UserError) as failed:
        await Runner.run(agent, "hi", thread=name)
    assert failed.value.__cause__ is error


async def test_messages_wait_behind_one_that_waits_for_a_person() -> None:
    name, agent = new_name(), scripted(refund_call(), "refunded", "later")
    paused = await Runner.run(agent, "refund", thread=name)
    assert [item.tool_name for item in paused.interruptions] == ["refund"]
    behind = await Runner.start(agent, "and then?", thread=name)
    status = await behind.status()
    assert (status.phase, status.thread.queued) == ("waiting for approval", 1)  # pyright: ignore[reportOptionalMemberAccess]
    state = paused.to_state()
    state.approve(paused.interruptions[0])
    assert (await Runner.run(agent, state)).final_output == "refunded"
    assert (await behind.result()).final_output == "later"


async def test_a_thread_is_decided_about_like_any_run() -> None:
    name, agent = new_name(), scripted(refund_call(), "done")
    run = await Runner.start(agent, "refund", thread=name)
    thread = await Runner.thread(name)
    async for approval in thread.watch_approvals():
        await thread.approve(approval, by="ana")
        break
    assert (await run.result()).final_output == "done"
    assert (await thread.status()).decided["1.0"].startswith("approved by ana")


async def test_a_state_of_an_ended_message_is_refused_with_what_to_do() -> None:
    name, agent = new_name(), echo()
    result = await Runner.run(agent, "hi", thread=name)
    with pytest.raises(UserError, match=f"Send the next message with thread='{name}'"):
        await Runner.run(agent, result.to_state())


async def test_a_thread_between_two_messages_has_nothing_under_way() -> None:
    name, agent = new_name(), echo()
    await Runner.run(agent, "hi", thread=name)
    handle = await handle_of(name)

    async def pending() -> tuple[int, list[str]]:
        described = await handle.describe()
        events = [event async for event in handle.fetch_history_events()]
        timers = [str(event.event_id) for event in events if event.HasField("timer_started_event_attributes")]
        ended = [
            str(
                event.timer_canceled_event_attributes.started_event_id
                or event.timer_fired_event_attributes.started_event_id
            )
            for event in events
        ]
        return len(described.raw_description.pending_activities), [each for each in timers if each not in ended]

    assert await Host.current().call(pending()) == (0, [])
    status = await (await Runner.thread(name)).status()
    assert status.phase == "waiting for a message"
    assert "Nothing is stuck" in status.why


async def test_close_ends_after_the_messages_that_wait_and_may_be_asked_twice() -> None:
    name, agent = new_name(), echo()
    runs = [await Runner.start(agent, word, thread=name) for word in ("one", "two")]
    thread = await Runner.thread(name)
    await thread.close()
    assert [(await run.result()).final_output for run in runs] == ["you said one", "you said two"]
    await thread.result()
    assert (await thread.close()).ahead == 0
    with pytest.raises(ThreadClosed, match=f"Thread '{name}' was closed.*rerun=True"):
        await Runner.run(agent, "three", thread=name)
    with pytest.raises(ThreadClosed, match=f"Thread '{name}' was closed"):
        await thread.send("three")
    assert await texts(await Runner.thread(name)) == ["one", "you said one", "two", "you said two"]
    assert (await Runner.run(agent, "anew", thread=name, rerun=True)).input == [{"content": "anew", "role": "user"}]


async def test_a_message_of_a_closed_thread_is_still_told() -> None:
    name, agent = new_name(), echo()
    run = await Runner.start(agent, "one", thread=name)
    await run.result()
    thread = await Runner.thread(name)
    await thread.close()
    await thread.result()
    assert (await (await (await Runner.thread(name)).message(1)).result()).final_output == "you said one"


async def test_a_thread_that_is_cancelled_says_so_to_who_waits() -> None:
    name, agent = new_name(), scripted(refund_call(), "done")
    await Runner.run(agent, "refund", thread=name)
    behind = await Runner.start(agent, "more", thread=name)
    waiting = asyncio.create_task(behind.result())
    await (await Runner.thread(name)).cancel()
    with pytest.raises(RunCancelled):
        await waiting


async def test_a_closed_thread_that_has_messages_left_takes_no_more() -> None:
    name, agent = new_name(), scripted(refund_call(), "done")
    await Runner.run(agent, "refund", thread=name)
    thread = await Runner.thread(name)
    assert (await thread.close()).ahead == 1
    for send in (thread.send("more"), Runner.run(agent, "more", thread=name)):
        with pytest.raises(ThreadClosed):
            await send
    await thread.approve("1.0")
    assert (await thread.result()).last_agent.name == "Scripted"


async def test_input_for_a_message_under_way_enters_that_message_and_none_that_comes_later() -> None:
    name, agent = new_name(), scripted(refund_call(), "done")
    run = await Runner.start(agent, "refund", thread=name)
    await run.result_or_interruptions()
    await run.send("and a bag", message_id="bag")
    await run.approve("1.0")
    result = await run.result()
    assert [item.type for item in result.new_items][-2:] == ["input_item", "message_output_item"]
    with pytest.raises(UserError, match="No message of the thread is under way"):
        await run.send("too late")


async def test_a_thread_is_not_forked_and_its_id_is_no_run_s() -> None:
    name, agent = new_name(), echo()
    run = await Runner.start(agent, "hi", thread=name)
    await run.result()
    with pytest.raises(UserError, match="is a thread, which cannot be forked"):
        await run.fork(at=1)
    with pytest.raises(UserError, match="give thread="):
        await Runner.run(agent, "hi", run_id=f"thread/{name}")


async def test_a_thread_that_never_was_says_how_one_begins() -> None:
    with pytest.raises(RunNotFound, match="begins it"):
        await Runner.thread(new_name("nobody"))


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"run_id": "r"}, "run_id"),
        ({"session": SQLiteSession("s")}, "session"),
        ({"conversation_id": "c"}, "conversation_id"),
        ({"previous_response_id": "p"}, "previous_response_id"),
        ({"auto_previous_response_id": True}, "auto_previous_response_id"),
        ({"run_config": RunConfig(session_input_callback=lambda old, new: [*old, *new])}, "session_input_callback"),
    ],
)
async def test_what_does_not_go_with_a_thread_is_refused(options: dict[str, Any], named: str) -> None:
    with pytest.raises(UserError, match=f"cannot be combined with .*{named}"):
        await Runner.run(echo(), "hi", thread="t", **options)


@pytest.mark.parametrize("thread", ["", "  ", 7, "x" * 901, "half of a pair: \ud83d"])
async def test_what_cannot_name_a_thread_is_refused(thread: Any) -> None:
    with pytest.raises(UserError, match="give the conversation a name"):
        await Runner.run(echo(), "hi", thread=thread)


@pytest.mark.parametrize("message_id", ["", "x" * 129, 7, ["m"], "half of a pair: \ud83d"])
async def test_what_cannot_name_a_message_is_refused(message_id: Any) -> None:
    with pytest.raises(UserError, match="message_id"):
        await Runner.run(echo(), "hi", thread=new_name(), message_id=message_id)


@pytest.mark.parametrize("sequence", [0, -1, 2**63, True, 1.0, "1", "", None])
async def test_what_is_no_number_of_a_message_is_refused_at_once(sequence: Any) -> None:
    name = new_name()
    await Runner.run(echo(), "hi", thread=name)
    thread = await Runner.thread(name)
    with pytest.raises(UserError, match=r"is the number of no message|there is no number|sequence"):
        await (await thread.message(sequence)).result()


async def test_words_that_cannot_travel_are_refused_in_our_own_words() -> None:
    name = new_name()
    await Runner.run(echo(), "hi", thread=name)
    thread = await Runner.thread(name)
    for say in (thread.send("more", by="\ud83d"), thread.close(by="\ud83d"), thread.send(7)):  # pyright: ignore[reportArgumentType]
        with pytest.raises(UserError):
            await say
    await thread.close()


async def test_a_message_id_without_a_thread_is_refused() -> None:
    with pytest.raises(UserError, match="give thread="):
        await Runner.run(echo(), "hi", message_id="m")


@function_tool
async def put(context: RunContextWrapper[dict[str, Any]], item: str) -> str:
    """Puts something into the basket."""
    context.context["items"] = [*context.context["items"], item]
    return str(len(context.context["items"]))


async def test_the_context_stays_with_the_thread_until_another_one_is_given() -> None:
    name, basket = new_name(), {"items": list[str]()}
    answers = [answer for item in "abc" for answer in (tool_call("put", {"item": item}), f"done {item}")]
    agent = scripted(*answers, tools=[put])
    await Runner.run(agent, "a", thread=name, context=basket)
    assert basket == {"items": ["a"]}
    result = await Runner.run(agent, "b", thread=name)
    assert result.context_wrapper.context == {"items": ["a", "b"]}
    other = {"items": list[str]()}
    await Runner.run(agent, "c", thread=name, context=other)
    assert other == {"items": ["c"]}


async def test_each_message_has_the_agents_as_they_are_when_it_is_sent() -> None:
    name, first, second = new_name(), ScriptedModel(["1"]), ScriptedModel(["2", "3"])
    await Runner.run(Agent(name="A", instructions="one", model=first), "hi", thread=name)
    await Runner.run(Agent(name="A", instructions="two", model=second), "hi", thread=name)
    thread = await Runner.thread(name)
    receipt = await thread.send("as before")
    await (await thread.message(receipt.sequence)).result()
    assert [request.instructions for request in first.requests] == ["one"]
    assert [request.instructions for request in second.requests] == ["two", "two"]


async def test_a_message_is_answered_by_the_objects_that_it_was_sent_with() -> None:
    name = new_name()
    slow = scripted(refund_call(), "one")
    other = scripted("two")
    paused = await Runner.run(slow, "refund", thread=name)
    behind = await Runner.start(other, "more", thread=name)
    state = paused.to_state()
    state.approve(paused.interruptions[0])
    assert (await Runner.run(slow, state)).final_output == "one"
    assert (await behind.result()).final_output == "two"


async def test_a_thread_over_many_histories_keeps_everything() -> None:
    name, agent = new_name(), echo()
    config = RunConfig(history_events=20)
    for number in range(6):
        result = await Runner.run(agent, str(number), thread=name, run_config=config, message_id=f"m{number}")
        assert result.final_output == f"you said {number}"
        assert len(result.input) == 2 * number + 1
    assert len(await executions_of(f"thread/{name}")) >= 4
    thread = await Runner.thread(name)
    assert await texts(thread) == [word for number in range(6) for word in (str(number), f"you said {number}")]
    again = await Runner.run(agent, "2", thread=name, run_config=config, message_id="m2")
    assert (again.final_output, len(again.input), len(again.raw_responses)) == ("you said 2", 5, 1)
    assert (await thread.status()).thread.usage.requests == 6  # pyright: ignore[reportOptionalMemberAccess]


async def test_outcomes_are_told_whole_after_their_items_have_gone_to_the_blob_store() -> None:
    name, agent, config = new_name(), echo(), RunConfig(history_events=100)
    words = [f"{number} " + "word " * 200 for number in range(14)]
    runs = [await Runner.start(agent, each, thread=name, run_config=config) for each in words]
    await runs[-1].result()
    results = [await run.result() for run in runs]
    assert [each.final_output for each in results] == [f"you said {each}" for each in words]
    assert [(len(each.input), len(each.new_items)) for each in results] == [(2 * number + 1, 1) for number in range(14)]


async def test_what_a_handoff_s_filter_took_out_is_kept_over_histories() -> None:
    def shorten(data: HandoffInputData) -> HandoffInputData:
        return data.clone(input_history=data.input_history[-1:], pre_handoff_items=(), new_items=data.new_items[1:])

    other = Agent(name="B", model=ScriptedModel(["one", "two"]))
    leaving = [message("wait"), tool_call("transfer_to_b", {})]
    model, name = ScriptedModel(["zero", leaving]), new_name()
    agent = Agent(name="A", model=model, handoffs=[handoff(other, input_filter=shorten)])
    config = RunConfig(history_events=20)
    results = [await Runner.run(agent, text, thread=name, run_config=config) for text in ("hi", "go", "more")]
    assert [each.final_output for each in results] == ["zero", "one", "two"]
    assert [len(each.input) for each in results] == [1, 1, 7]
    assert results[1].input == [{"content": "go", "role": "user"}]
    assert len(await executions_of(f"thread/{name}")) >= 2


@pytest.mark.thorough
async def test_a_streamed_message_is_told_whole_also_over_histories() -> None:
    name = new_name()
    agent = scripted(*[tool_call("add", {"a": number, "b": number}) for number in range(5)], "done")
    result = Runner.run_streamed(agent, "go", thread=name, run_config=RunConfig(history_events=20))
    told = [event.item.type async for event in result.stream_events() if isinstance(event, RunItemStreamEvent)]
    assert told == [*["tool_call_item", "tool_call_output_item"] * 5, "message_output_item"]
    assert result.final_output == "done"


async def test_who_waits_while_the_thread_goes_on_in_new_histories_gets_the_outcome() -> None:
    name = new_name()
    calls = [tool_call("add", {"a": number, "b": number}) for number in range(8)]
    agent = scripted(*calls, "done", "and more")
    run = await Runner.start(agent, "go", thread=name, run_config=RunConfig(history_events=20), max_turns=None)
    behind = await Runner.start(agent, "then", thread=name, run_config=RunConfig(history_events=20))
    results = await asyncio.gather(run.result(), behind.result())
    assert [each.final_output for each in results] == ["done", "and more"]
    assert len(results[0].new_items) == 17
    assert len(await executions_of(f"thread/{name}")) >= 3


async def test_a_thread_whose_call_waits_over_histories_is_decided_about() -> None:
    name = new_name()
    agent = scripted(tool_call("add", {"a": 1, "b": 1}), refund_call(), "done")
    paused = await Runner.run(agent, "go", thread=name, run_config=RunConfig(history_events=20))
    state = paused.to_state()
    state.approve(paused.interruptions[0])
    result = await Runner.run(agent, state)
    assert (result.final_output, len(result.new_items)) == ("done", 5)


async def test_the_outcome_of_a_message_long_ago_is_not_kept_but_what_was_said_is() -> None:
    name, agent = new_name(), echo()
    last = [await Runner.start(agent, str(number), thread=name) for number in range(MAX_KNOWN_OUTCOMES + 2)][-1]
    await last.result()
    thread = await Runner.thread(name)
    with pytest.raises(UserError, match="how is not kept any more"):
        await (await thread.message(1)).result()
    assert (await texts(thread))[:2] == ["0", "you said 0"]


async def test_who_asks_too_many_times_at_once_is_answered_that_it_is_not_ready() -> None:
    name, agent = new_name(), scripted(refund_call(), "done", "later")
    await Runner.run(agent, "refund", thread=name)
    behind = await Runner.start(agent, "more", thread=name)
    handle = await handle_of(name)
    asked = [asyncio.ensure_future(update(handle, "outcome", {"sequence": 2})) for _ in range(MAX_LISTENERS + 2)]
    answered, _ = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
    assert {each.result()["phase"] for each in answered} == {"queued"}
    thread = await Runner.thread(name)
    await thread.approve("1.0")
    assert (await behind.result()).final_output == "later"
    assert {(await each)["phase"] for each in asked} == {"queued", "ended"}


async def test_a_message_of_a_megabyte_reaches_the_model_by_way_of_the_blob_store() -> None:
    name, long = new_name(), "word " * 200_000
    agent = echo()
    result = await Runner.run(agent, long, thread=name)
    assert result.final_output == f"you said {long}"
    assert (await Runner.run(agent, "short", thread=name)).input[0]["content"] == long


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("message", {}, "message_id: Field required"),
        ("message", {"message_id": "", "input": "hi"}, "message_id"),
        ("message", {"message_id": "x" * 129, "input": "hi"}, "message_id"),
        ("message", {"message_id": "m", "input": 7}, "input"),
        ("message", {"message_id": "m", "input": [7]}, "input"),
        ("message", {"message_id": "m", "input": "hi", "typo": 1}, "typo"),
        ("message", {"message_id": "m", "input": "hi", "max_turns": -1}, "max_turns"),
        ("message", {"message_id": "m", "input": "x" * (MAX_QUEUED_BYTES + 1)}, "bytes"),
        ("message", {"message_id": "m", "input": "hi", "snapshot": {"start": "A", "agents": {}}}, "lacks agents"),
        ("message", {"message_id": "m", "input": "hi", "agents": "others"}, "other agents"),
        ("message", {"message_id": "m", "input": "hi", "settings": {"approval_timeout_seconds": -1}}, "settings"),
        ("message", "hi", "ThreadMessage"),
        ("outcome", {}, "sequence: Field required"),
        ("outcome", {"sequence": 0}, "sequence"),
        ("outcome", {"sequence": 2}, "there is no number 2"),
        ("outcome", {"sequence": "1"}, "sequence"),
        ("close", {"when": "now"}, "when"),
        ("close", 7, "CloseMessage"),
    ],
)
async def test_a_malformed_update_is_refused_and_leaves_nothing(name: str, value: Any, said: str) -> None:
    thread, agent = new_name(), echo()
    await Runner.run(agent, "hi", thread=thread)
    handle = await handle_of(thread)
    before = (await Host.current().call(handle.describe())).history_length
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await update(handle, name, value)
    assert said in str(refused.value.cause)
    assert (await Host.current().call(handle.describe())).history_length == before
    assert (await Runner.run(agent, "more", thread=thread)).final_output == "you said more"


@pytest.mark.parametrize("name", ["message", "outcome", "close"])
async def test_an_update_without_a_value_with_two_or_of_bytes_is_refused(name: str) -> None:
    thread, agent = new_name(), echo()
    await Runner.run(agent, "hi", thread=thread)
    handle = await handle_of(thread)
    for values in ([], [{}, {}], [raw(b"\xff", b"binary/plain")], [raw(b"{")]):
        with pytest.raises(WorkflowUpdateFailedError):
            await update(handle, name, *values)
    assert (await Runner.run(agent, "more", thread=thread)).final_output == "you said more"


async def test_a_run_that_is_no_thread_takes_no_messages() -> None:
    run = await Runner.start(scripted(refund_call(), "done"), "please")
    await run.result_or_interruptions()
    client = (await Host.current().call(Host.current().connection())).client
    handle = client.get_workflow_handle(run.id)
    for name, value in (("message", {"message_id": "m", "input": "hi"}), ("outcome", {"sequence": 1}), ("close", {})):
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await update(handle, name, value)
        assert "This run is no thread" in str(refused.value.cause)


async def test_too_much_at_once_is_refused_and_what_was_taken_is_done() -> None:
    name, agent = new_name(), scripted(refund_call(), "done", "b", "c", "d")
    await Runner.run(agent, "refund", thread=name)
    handle = await handle_of(name)
    half = "x" * (MAX_QUEUED_BYTES // 2)
    assert (await update(handle, "message", {"message_id": "b", "input": half}))["sequence"] == 2
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await update(handle, "message", {"message_id": "c", "input": half})
    assert "would wait" in str(refused.value.cause)
    thread = await Runner.thread(name)
    await thread.approve("1.0")
    assert (await (await thread.message(2)).result()).final_output == "b"
