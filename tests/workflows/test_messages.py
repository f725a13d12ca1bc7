"""What is said to a run: the first decision about a waiting call holds, everything else changes nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError
from temporalio.common import RawValue

from perdure import DecisionConflictError, Run, Runner, UserError
from perdure.client.host import Host
from tests.agents import refund_call, scripted


async def waiting_run(*calls: Any) -> tuple[Run, WorkflowHandle[Any, Any]]:
    """A run whose calls wait for approval, and Temporal's own handle on it."""
    run = await Runner.start(scripted(list(calls or [refund_call()]), "done"), "please")
    assert (await run.result_or_interruptions()).interruptions
    client = (await Host.current().call(Host.current().connection())).client
    return run, client.get_workflow_handle(run.id)


async def signal(handle: WorkflowHandle[Any, Any], name: str, *values: Any) -> None:
    await Host.current().call(handle.signal(name, args=list(values)))


async def output(run: Run) -> str:
    entries = await run.transcript()
    return next(entry.item["output"] for entry in entries if entry.kind in ("output", "value"))


async def test_a_signal_with_the_json_of_the_approval_lets_the_call_run() -> None:
    run, handle = await waiting_run()
    await signal(handle, "approve", {"call_id": "1.0", "by": "ana"})
    assert (await run.result()).final_output == "done"
    assert await output(run) == "refunded 40 for 7"
    assert (await run.status()).decided["1.0"].startswith("approved by ana at ")


async def test_a_rejected_call_is_answered_not_run() -> None:
    run, handle = await waiting_run()
    await signal(handle, "reject", {"call_id": "1.0", "reason": "too much"})
    await run.result()
    assert await output(run) == "too much"


async def test_a_rejection_without_reason_says_so_in_the_field_s_words() -> None:
    run, handle = await waiting_run()
    await signal(handle, "reject", {"call_id": "1.0"})
    await run.result()
    assert await output(run) == "Tool execution was not approved."


async def test_the_first_decision_holds_against_contradiction_and_repetition() -> None:
    run, handle = await waiting_run(refund_call("7"), refund_call("8"))
    await signal(handle, "reject", {"call_id": "1.0", "reason": "no"})
    await signal(handle, "approve", {"call_id": "1.0"})
    await signal(handle, "reject", {"call_id": "1.0", "reason": "again"})
    status = await run.status()
    assert status.decided["1.0"].endswith(": no")
    assert any("first decision holds" in said for said in status.ignored)
    assert any("already rejected" in said for said in status.ignored)
    await signal(handle, "approve", {"call_id": "1.1"})
    assert (await run.result()).final_output == "done"


async def test_the_model_s_own_call_id_is_an_alias() -> None:
    run, handle = await waiting_run(refund_call(call_id="call_abc"))
    await signal(handle, "approve", {"call_id": "call_abc"})
    assert (await run.result()).final_output == "done"


async def test_a_decision_with_another_digest_changes_nothing() -> None:
    run, handle = await waiting_run()
    await signal(handle, "approve", {"call_id": "1.0", "digest": "000000000000"})
    assert any("look again" in said for said in (await run.status()).ignored)
    approval = (await run.approvals())[0]
    await signal(handle, "approve", {"call_id": "1.0", "digest": approval.digest})
    assert (await run.result()).final_output == "done"


def raw(data: bytes, encoding: bytes = b"json/plain") -> RawValue:
    return RawValue(Payload(metadata={"encoding": encoding}, data=data))


MALFORMED: dict[str, tuple[str, list[Any]]] = {
    "no value": ("approve", []),
    "two values": ("approve", [{"call_id": "1.0"}, {"call_id": "1.0"}]),
    "a number": ("approve", [7]),
    "null": ("approve", [None]),
    "a list": ("reject", [[{"call_id": "1.0"}]]),
    "a number as call id": ("approve", [{"call_id": 1.0}]),
    "no call id": ("approve", [{"by": "ana"}]),
    "an unknown field": ("approve", [{"call_id": "1.0", "diggest": "x"}]),
    "a yes instead of true": ("approve", [{"call_id": "1.0", "always": "yes"}]),
    "an unknown call": ("approve", [{"call_id": "9.9"}]),
    "an unknown signal": ("aprove", [{"call_id": "1.0"}]),
    "an unknown signal of no value": ("whatever", []),
    "bytes that are not JSON": ("approve", [raw(b"{")]),
    "an unknown encoding": ("approve", [raw(b"x", b"binary/unheard-of")]),
    "half a surrogate": ("approve", [raw(b'{"call_id": "\\ud83d"}')]),
    "a 5,000-digit number": ("approve", [raw(b'{"call_id": ' + b"9" * 5000 + b"}")]),
    "deep nesting": ("approve", [raw(b"[" * 2000 + b"]" * 2000)]),
    "a megabyte": ("approve", [{"call_id": "1.0", "reason": "x" * 1_000_000}]),
    "a megabyte for nobody": ("other", ["x" * 1_000_000]),
}


async def test_malformed_messages_change_nothing_and_never_wedge_the_run() -> None:
    run, handle = await waiting_run()
    for name, values in MALFORMED.values():
        await signal(handle, name, *values)
    status = await run.status()
    assert status.phase == "waiting for approval"
    assert status.decided == {}
    assert len(status.ignored) == len(MALFORMED)
    await signal(handle, "approve", {"call_id": "1.0"})
    assert (await run.result()).final_output == "done"


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({"decision": "approve", "call_id": "9.9"}, "No call 9.9 is known; waiting now: 1.0"),
        ({"decision": "maybe", "call_id": "1.0"}, "decision"),
        ({"call_id": "1.0"}, "decision: Field required"),
        ("approve", "should be a valid dictionary"),
        ({"decision": "approve", "call_id": "1.0", "digest": "other"}, "look again"),
    ],
)
async def test_a_refused_update_is_an_error_to_its_sender_and_not_in_the_history(message: Any, said: str) -> None:
    run, handle = await waiting_run()
    host = Host.current()
    before = (await host.call(handle.describe())).history_length
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await host.call(handle.execute_update("decide", message))
    assert said in str(refused.value.cause)
    assert (await host.call(handle.describe())).history_length == before
    await run.approve("1.0")
    await run.result()


async def test_the_update_gives_a_receipt_and_welcomes_the_same_decision_again() -> None:
    run, _ = await waiting_run(refund_call("7"), refund_call("8"))
    first = await run.approve("1.0", by="ana")
    again = await run.approve("1.0", by="bob")
    assert (first.verdict, again.verdict) == ("accepted", "repeated")
    with pytest.raises(DecisionConflictError, match="already approved by ana"):
        await run.reject("1.0")
    await run.approve("1.1")
    await run.result()


async def test_a_decision_about_an_ended_run_is_refused() -> None:
    run, _ = await waiting_run()
    await run.approve("1.0")
    await run.result()
    with pytest.raises(DecisionConflictError, match="has ended"):
        await run.approve("1.0")


async def test_always_covers_waiting_and_later_calls_of_the_tool() -> None:
    agent = scripted([refund_call("7"), refund_call("8")], refund_call("9"), "done")
    run = await Runner.start(agent, "please")
    await run.result_or_interruptions()
    await run.approve("1.0", always=True)
    result = await run.result()
    outputs = [item.data["output"] for item in result.new_items if item.type == "tool_call_output_item"]
    assert outputs == ["refunded 40 for 7", "refunded 40 for 8", "refunded 40 for 9"]


async def test_the_page_in_the_ui_shows_the_json_that_approves() -> None:
    run, handle = await waiting_run()
    metadata = await Host.current().call(handle.query("__temporal_workflow_metadata"))
    shown = metadata.current_details.split("```json\n")[2].split("\n```")[0]
    await signal(handle, "approve", json.loads(shown))
    assert (await run.result()).final_output == "done"
    signals = {each.name: each.description for each in metadata.definition.signal_definitions}
    assert '{"call_id": "2.0", "by": "you"}' in signals["approve"]


@pytest.mark.parametrize("values", [(), ("now",), ({"when": "now"},), ({"withdraw": 1},), ({}, {})], ids=range(5))
async def test_a_stop_that_cannot_be_read_is_refused_and_stops_nothing(values: tuple[Any, ...]) -> None:
    run, handle = await waiting_run()
    with pytest.raises(WorkflowUpdateFailedError):
        await Host.current().call(handle.execute_update("stop", args=list(values)))
    await run.approve("1.0")
    assert (await run.result()).final_output == "done"


async def test_a_run_that_has_ended_cannot_be_stopped() -> None:
    run = await Runner.start(scripted("done"), "go")
    await run.result()
    with pytest.raises(UserError, match="has ended"):
        await run.stop()


@pytest.mark.parametrize(
    "values",
    [(), ("1.0",), ({"call_id": "1.0"},), ({"call_id": "1.0", "outcome": "maybe"},), ({"call_id": "1.0"}, 2),
     ({"call_id": "1.0", "outcome": "retry", "result": "x"},), ({"call_id": "1.0", "outcome": "happened"},)],
    ids=range(7),
)  # fmt: skip
async def test_an_outcome_that_nobody_asked_for_changes_nothing_and_is_told(values: tuple[Any, ...]) -> None:
    run, handle = await waiting_run()
    await signal(handle, "resolve", *values)
    with pytest.raises(WorkflowUpdateFailedError):
        await Host.current().call(handle.execute_update("resolve", args=list(values)))
    assert (await run.status()).ignored[0].startswith("resolve")
    await run.approve("1.0")
    assert (await run.result()).final_output == "done"
