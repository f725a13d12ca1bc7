"""What is sent to a run under way is said once, or refused at the door; nothing of it is lost silently."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError

from perdure import (
    Agent,
    GuardrailFunctionOutput,
    InputGuardrail,
    InputGuardrailTripwireTriggered,
    Run,
    RunConfig,
    RunContextWrapper,
    Runner,
    UserError,
    function_tool,
)
from perdure.client.host import Host
from perdure.limits import MAX_INLINE_ITEM_BYTES, MAX_MESSAGE_BYTES
from perdure.testing import ScriptedModel, tool_call
from tests.agents import refund_call, scripted
from tests.workflows.test_long_runs import executions_of
from tests.workflows.test_messages import raw


async def waiting_run(agent: Agent[Any] | None = None, **options: Any) -> tuple[Run, WorkflowHandle[Any, Any]]:
    """A run whose call waits for approval, and Temporal's own handle on it."""
    run = await Runner.start(agent or scripted(refund_call(), "done"), "please", **options)
    assert (await run.result_or_interruptions()).interruptions
    client = (await Host.current().call(Host.current().connection())).client
    return run, client.get_workflow_handle(run.id)


async def update(handle: WorkflowHandle[Any, Any], *values: Any) -> Any:
    return await Host.current().call(handle.execute_update("send", args=list(values)))


async def added(run: Run) -> list[Any]:
    return [entry.item.get("content") for entry in await run.transcript() if entry.kind == "added"]


async def test_the_json_of_the_description_says_something_to_the_run() -> None:
    run, handle = await waiting_run()
    assert (await update(handle, {"message_id": "m1", "input": "and a bag", "by": "ana"}))["verdict"] == "accepted"
    await run.approve("1.0")
    result = await run.result()
    assert [item.type for item in result.new_items][-3:] == [
        "tool_call_output_item",
        "input_item",
        "message_output_item",
    ]
    assert await added(run) == ["and a bag"]


async def test_a_message_is_said_once_however_often_it_is_sent() -> None:
    run, _ = await waiting_run()
    receipts = [await run.send("more", message_id="m1") for _ in range(3)]
    assert [receipt.verdict for receipt in receipts] == ["accepted", "repeated", "repeated"]
    at_once = await asyncio.gather(*(run.send("again", message_id="m2") for _ in range(3)))
    assert sorted(receipt.verdict for receipt in at_once) == ["accepted", "repeated", "repeated"]
    await run.approve("1.0")
    await run.result()
    assert await added(run) == ["more", "again"]


async def test_messages_without_a_name_are_different_ones() -> None:
    run, _ = await waiting_run()
    await run.send("more")
    await run.send("more")
    await run.approve("1.0")
    await run.result()
    assert await added(run) == ["more", "more"]


async def test_what_waits_is_shown_with_who_said_it() -> None:
    run, handle = await waiting_run()
    await run.send("and *a* bag", message_id="m1", by="ana")
    await run.send([{"role": "user", "content": "two"}, {"role": "user", "content": "three"}], message_id="m2")
    status = await run.status()
    assert [(each.message_id, len(each.items), each.by) for each in status.inputs] == [
        ("m1", 1, "ana"),
        ("m2", 2, None),
    ]
    metadata = await Host.current().call(handle.query("__temporal_workflow_metadata"))
    assert "Sent to the run, 2 in all, for its next model request:" in metadata.current_details
    assert r"- ana: and \*a\* bag" in metadata.current_details
    await run.approve("1.0")
    await run.result()
    assert (await run.status()).inputs == []


MALFORMED: dict[str, tuple[list[Any], str]] = {
    "no value": ([], "expected one JSON object"),
    "two values": ([{"message_id": "m", "input": "x"}] * 2, "expected one JSON object, got 2"),
    "a text": (["more"], "should be a valid dictionary"),
    "no message id": ([{"input": "x"}], "message_id: Field required"),
    "an empty message id": ([{"message_id": "", "input": "x"}], "message_id"),
    "a long message id": ([{"message_id": "m" * 129, "input": "x"}], "message_id"),
    "a number as message id": ([{"message_id": 1, "input": "x"}], "message_id"),
    "nothing said": ([{"message_id": "m"}], "there is nothing in it"),
    "an empty text": ([{"message_id": "m", "input": ""}], "there is nothing in it"),
    "an empty list": ([{"message_id": "m", "input": []}], "there is nothing in it"),
    "a list of texts": ([{"message_id": "m", "input": ["x"]}], "input"),
    "an item of no kind": ([{"message_id": "m", "input": [{"content": "x"}]}], "neither a type nor a role"),
    "an unknown field": ([{"message_id": "m", "input": "x", "to": "all"}], "to: Extra inputs"),
    "half a surrogate": ([raw(b'{"message_id": "\\ud83d"}')], "cannot be read as JSON"),
    "deep nesting": (
        [raw(b'{"message_id": "m", "input": [{"role": ' + b"[" * 70 + b"]" * 70 + b"}]}")],
        "nested more than 64 deep",
    ),
    "a large item": ([{"message_id": "m", "input": "x" * MAX_INLINE_ITEM_BYTES}], "an item takes"),
    "a large message": ([{"message_id": "m", "input": "x" * MAX_MESSAGE_BYTES}], "more than input may take"),
    "a megabyte": ([{"message_id": "m", "input": "x" * 1_000_000}], "more than input may take"),
}


async def test_a_malformed_message_is_an_error_to_its_sender_and_not_in_the_history() -> None:
    run, handle = await waiting_run()
    host = Host.current()
    before = (await host.call(handle.describe())).history_length
    said: dict[str, str] = {}
    for name, (values, _) in MALFORMED.items():
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await update(handle, *values)
        said[name] = str(refused.value.cause)
    assert {name: text for name, text in said.items() if MALFORMED[name][1] not in text} == {}
    assert (await host.call(handle.describe())).history_length == before
    await run.approve("1.0")
    assert (await run.result()).final_output == "done"
    assert await added(run) == []


async def test_a_large_item_lies_in_the_blob_store_and_the_model_gets_it_whole() -> None:
    agent = scripted(refund_call(), "done")
    run, _ = await waiting_run(agent)
    text = "x" * 500_000
    await run.send(text)
    paused = await run.result_or_interruptions()
    assert paused.to_state().pending_input == [{"content": text, "role": "user"}]
    await run.approve("1.0")
    result = await run.result()
    assert isinstance(agent.model, ScriptedModel)
    assert agent.model.requests[-1].input[-1] == {"content": text, "role": "user"}
    assert result.new_items[-2].to_input_item() == {"content": text, "role": "user"}


async def test_more_than_can_wait_is_refused_by_its_size() -> None:
    run, _ = await waiting_run()
    for number in range(2):
        await run.send([{"role": "user", "content": "x" * 60_000}], message_id=f"m{number}")
    await run.send("x" * 60_000, message_id="m2")
    with pytest.raises(UserError, match=r"bytes of input would wait for the next model request; at most \d+ can"):
        await run.send("x" * 60_000, message_id="m3")
    await run.approve("1.0")
    await run.result()
    assert len(await added(run)) == 3


async def test_what_is_sent_to_a_run_that_has_ended_is_refused() -> None:
    run = await Runner.start(scripted("done"), "please")
    await run.result()
    with pytest.raises(UserError, match="has ended; nothing can be said to it any more"):
        await run.send("more")


async def test_what_is_sent_while_the_last_answer_is_on_its_way_is_not_lost_silently() -> None:
    asked = asyncio.Event()
    go_on = asyncio.Event()

    class Slow(ScriptedModel):
        async def get_response(self, *arguments: Any, **options: Any) -> Any:
            asked.set()
            await go_on.wait()
            return await super().get_response(*arguments, **options)

    model = Slow(["done", "told"])
    agent = Agent[Any](name="A", model=model)
    run = await Runner.start(agent, "please")
    await asked.wait()
    assert (await run.send("wait", message_id="m1")).verdict == "accepted"
    go_on.set()
    result = await run.result()
    assert result.final_output == "done"
    assert await added(run) == []
    assert "what was sent to it last (1: m1)" in (await run.status()).warnings[-1]
    state = result.to_state()
    assert state.pending_input == [{"content": "wait", "role": "user"}]
    again = await Runner.run(agent, state)
    assert again.final_output == "told"
    assert model.requests[-1].input[-1] == {"content": "wait", "role": "user"}


def checking(trip: str) -> InputGuardrail[Any]:
    async def check(context: RunContextWrapper[Any], agent: Any, value: Any) -> GuardrailFunctionOutput:
        return GuardrailFunctionOutput(None, tripwire_triggered=any(trip in str(item) for item in value))

    return InputGuardrail(check, "check")


async def test_a_guardrail_stops_what_was_sent_and_it_is_not_part_of_the_run() -> None:
    run, _ = await waiting_run(scripted(refund_call(), "done", input_guardrails=[checking("bad")]))
    await run.send("bad words")
    await run.approve("1.0")
    with pytest.raises(InputGuardrailTripwireTriggered):
        await run.result()
    assert await added(run) == []
    assert [each.items[0]["content"] for each in (await run.status()).inputs] == ["bad words"]


async def test_what_waits_is_taken_back_by_its_name() -> None:
    run, handle = await waiting_run()
    await run.send("wrong", message_id="m1")
    await update(handle, {"message_id": "m2", "withdraw": ["m1"], "input": "right"})
    await run.approve("1.0")
    await run.result()
    assert await added(run) == ["right"]


async def test_what_waits_and_what_was_said_goes_on_into_new_histories() -> None:
    calls = [tool_call("look", {}) for _ in range(4)]
    agent = scripted(*calls, refund_call(), *calls, "done")
    agent.tools = [*agent.tools, look]
    run, _ = await waiting_run(agent, max_turns=None, run_config=RunConfig(history_events=20))
    await run.send("one", message_id="m1")
    for number in range(15):  # long enough for another history
        await run.send("wait", message_id=f"wait-{number}")
    assert len(await executions_of(run.id)) > 1
    first = (await run.status()).inputs[0]
    assert (first.message_id, first.items[0]["content"]) == ("m1", "one")
    assert (await run.send("one", message_id="m1")).verdict == "repeated"
    await run.approve("5.0")
    result = await run.result()
    said = [item.to_input_item()["content"] for item in result.new_items if item.type == "input_item"]
    assert said == ["one", *["wait"] * 15]
    assert await added(run) == said


@function_tool
def look() -> str:
    """Look."""
    return "seen"


async def test_a_fork_has_what_was_said_until_its_turn() -> None:
    agent = scripted(refund_call(), tool_call("look", {}), "done")
    agent.tools = [*agent.tools, look]
    run, _ = await waiting_run(agent)
    await run.send("more")
    await run.approve("1.0")
    await run.result()
    before, after = await run.fork(0, repeat_effects=True), await run.fork(1)
    assert [item.type for item in (await after.result()).new_items] == [
        *("tool_call_item", "tool_call_output_item", "input_item"),
        *("tool_call_item", "tool_call_output_item", "message_output_item"),
    ]
    assert (await before.result_or_interruptions()).interruptions
    assert await added(before) == []
    await before.reject("1.0")
    await before.result()
