"""With encryption on, what none of the keys has encrypted for this run counts for nothing, and stops nothing."""

from __future__ import annotations

import asyncio
import dataclasses
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.client import (
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowUpdateFailedError,
)
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from perdure import Agent
from perdure.client.listing import list_runs
from perdure.contracts.run import RunInput
from perdure.encryption import ENCRYPTED, Place, encrypted
from perdure.errors import PayloadUnreadable
from perdure.keyring import Keyring, new_key
from tests.agents import refund_call, scripted
from tests.workflows.encrypted import Vault, failed_tasks, new_vault, status_of, until

OLD, NEW = new_key("old"), new_key("new")
BEFORE, MIDDLE, AFTER = Keyring((OLD,)), Keyring((OLD, NEW)), Keyring((NEW, OLD))
STRANGER = Keyring((new_key("old"),))
APPROVED = {"call_id": "1.0", "by": "ana"}


@pytest.fixture
async def vault(tmp_path: Path) -> Vault:
    return await new_vault(tmp_path / "blobs")


def refunding() -> Agent[Any]:
    return scripted([refund_call()], "done", name="Refunds")


async def started(vault: Vault, ring: Keyring | None) -> WorkflowHandle[Any, Any]:
    run_id = f"run-{uuid.uuid4().hex[:8]}"
    value = RunInput(agent="Refunds", input=[{"role": "user", "content": "a refund, please"}], max_turns=None)
    return await (await vault.client(ring)).start_workflow(
        "AgentRun", value, id=run_id, task_queue=run_id, task_timeout=timedelta(seconds=2)
    )


async def seen_by(vault: Vault, ring: Keyring | None, handle: WorkflowHandle[Any, Any]) -> WorkflowHandle[Any, Any]:
    """The same run, by a client with other keys."""
    return (await vault.client(ring)).get_workflow_handle(handle.id)


def json_payload(data: bytes) -> Payload:
    return Payload(metadata={"encoding": b"json/plain"}, data=data)


async def last_signal(handle: WorkflowHandle[Any, Any]) -> Payload:
    signals = [
        event.workflow_execution_signaled_event_attributes.input.payloads[0]
        async for event in handle.fetch_history_events()
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED
    ]
    return signals[-1]


async def test_no_message_without_a_key_counts_or_stops_the_run(vault: Vault) -> None:
    handle, agent = await started(vault, BEFORE), refunding()
    forger, stranger = await seen_by(vault, None, handle), await seen_by(vault, STRANGER, handle)
    async with vault.serving(BEFORE, handle.id, agent):
        await until(handle, lambda status: bool(status.approvals))
        label = Place(vault.place.client.namespace, handle.id).label
        unknown = encrypted(json_payload(b'{"call_id": "1.0"}'), Keyring((new_key("unknown"),)), label)
        elsewhere = encrypted(json_payload(b'{"call_id": "1.0"}'), BEFORE, Place("elsewhere", handle.id).label)
        cut = Payload(metadata={"encoding": ENCRYPTED}, data=b"?")
        for forged in (unknown, elsewhere, cut):
            await forger.signal("approve", RawValue(forged))
        await forger.signal("approve", APPROVED)
        await stranger.signal("approve", APPROVED)
        for sender in (forger, stranger):
            with pytest.raises(WorkflowUpdateFailedError):
                await sender.execute_update("decide", {"decision": "approve", **APPROVED})
            with pytest.raises(WorkflowQueryFailedError):
                await sender.query("transcript", {"start": 0})
        status = await until(handle, lambda status: len(status.ignored) == 5)
        assert [approval.call_id for approval in status.approvals] == ["1.0"]
        said = " ".join(status.ignored)
        for why in ("it is not encrypted", "key 'unknown'", "encrypted for workflow", "key 'old' does not open it"):
            assert why in said
        await handle.signal("approve", APPROVED)
        assert (await handle.result()) is not None
    assert await failed_tasks(handle) == []


async def test_a_decision_copied_from_another_run_changes_nothing(vault: Vault) -> None:
    first, second, agent = await started(vault, BEFORE), await started(vault, BEFORE), refunding()
    async with vault.serving(BEFORE, first.id, agent), vault.serving(BEFORE, second.id, agent):
        for handle in (first, second):
            await until(handle, lambda status: bool(status.approvals))
        await first.signal("approve", APPROVED)
        await (await seen_by(vault, None, second)).signal("approve", RawValue(await last_signal(first)))
        status = await until(second, lambda status: bool(status.ignored))
        assert f"encrypted for workflow {first.id!r}" in status.ignored[0]
        assert [approval.call_id for approval in status.approvals] == ["1.0"]
        await second.cancel()


async def test_what_the_codec_server_encrypts_for_a_run_is_taken_by_that_run_alone(vault: Vault) -> None:
    from perdure.cli.codec_server import encode

    handle, agent = await started(vault, BEFORE), refunding()
    browser = await seen_by(vault, None, handle)
    async with vault.serving(BEFORE, handle.id, agent):
        await until(handle, lambda status: bool(status.approvals))
        namespace = vault.place.client.namespace
        for run in ("another", handle.id):
            message = json_payload(f'{{"call_id": "1.0", "by": "ana", "run": "{run}"}}'.encode())
            await browser.signal("approve", RawValue(encode([message], namespace, BEFORE)[0]))
        outcome = await handle.result()
    assert outcome is not None
    assert await failed_tasks(handle) == []


async def test_a_message_that_names_no_run_must_name_it_in_no_other_way_either(vault: Vault) -> None:
    from perdure.cli.codec_server import encode

    handle, agent = await started(vault, BEFORE), refunding()
    browser = await seen_by(vault, None, handle)
    async with vault.serving(BEFORE, handle.id, agent):
        await until(handle, lambda status: bool(status.approvals))
        unbound = encode([json_payload(b'{"call_id": "1.0", "run": 7}')], vault.place.client.namespace, BEFORE)[0]
        await browser.signal("approve", RawValue(unbound))
        await until(handle, lambda status: bool(status.ignored))
        assert (await status_of(handle)).approvals
        plain = encode([json_payload(b'{"call_id": "1.0"}')], vault.place.client.namespace, BEFORE)[0]
        await browser.signal("approve", RawValue(plain))
        assert (await handle.result()) is not None


async def test_a_run_that_is_started_without_a_key_fails_with_the_reason(vault: Vault) -> None:
    handle = await started(vault, None)
    async with vault.serving(BEFORE, handle.id, refunding()):
        with pytest.raises(WorkflowFailureError) as raised:
            await (await seen_by(vault, BEFORE, handle)).result()
    assert isinstance(raised.value.cause, ApplicationError)
    assert "it is not encrypted" in raised.value.cause.message
    assert await failed_tasks(handle) == []


@pytest.mark.parametrize("ring", [None, BEFORE], ids=["no keys", "an older key"])
async def test_a_run_waits_for_a_worker_with_its_key_and_says_so(vault: Vault, ring: Keyring | None) -> None:
    handle, agent = await started(vault, AFTER), refunding()
    async with vault.serving(ring, handle.id, agent), asyncio.timeout(60):
        while not (failed := await failed_tasks(handle)):  # noqa: ASYNC110  a failed task is no event here
            await asyncio.sleep(0.1)
    assert failed[0][0] == "EncryptionKeyMissing"
    assert "key 'new', which this process does not have" in failed[0][1]
    async with vault.serving(AFTER, handle.id, agent):
        await until(handle, lambda status: bool(status.approvals))
        await handle.signal("approve", APPROVED)
        assert (await handle.result()) is not None


async def test_a_decision_with_a_newer_key_waits_for_a_worker_that_has_it(vault: Vault) -> None:
    handle, agent = await started(vault, BEFORE), refunding()
    newer = await seen_by(vault, AFTER, handle)
    async with vault.serving(BEFORE, handle.id, agent):
        await until(handle, lambda status: bool(status.approvals))
        await newer.signal("approve", APPROVED)
        async with asyncio.timeout(60):
            while not (failed := await failed_tasks(handle)):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
    assert failed[0][0] == "EncryptionKeyMissing"
    async with vault.serving(MIDDLE, handle.id, agent):
        assert (await newer.result()) is not None


async def test_a_client_without_the_key_is_told_which_it_lacks(vault: Vault) -> None:
    handle, agent = await started(vault, AFTER), refunding()
    async with vault.serving(AFTER, handle.id, agent):
        await until(handle, lambda status: bool(status.approvals))
        with pytest.raises(PayloadUnreadable, match="key 'new', which this process does not have"):
            await status_of(await seen_by(vault, BEFORE, handle))
        await handle.cancel()


async def test_a_list_shows_runs_that_it_cannot_read(vault: Vault) -> None:
    place = vault.place.connection
    for ring in (None, AFTER, BEFORE):
        client = await vault.client(ring)
        value = RunInput(agent="Refunds", input=[], max_turns=None)
        memo = {"perdure": {"agent": "Refunds"}}
        run_id = f"run-{uuid.uuid4().hex[:8]}"
        handle = await client.start_workflow("AgentRun", value, id=run_id, task_queue=run_id, memo=memo)
        await handle.terminate()
    connection = dataclasses.replace(place, client=await vault.client(BEFORE))
    async with asyncio.timeout(60):
        while len(found := await list_runs(connection, None, 10)) < 3:  # noqa: ASYNC110  visibility comes late
            await asyncio.sleep(0.1)
    assert sorted(run.agent for run in found) == ["", "", "Refunds"]


async def test_a_step_completed_by_hand_without_a_key_counts_for_nothing(vault: Vault) -> None:
    handle, agent = await started(vault, BEFORE), scripted("done", name="Refunds")
    forger = await vault.client(None)
    async with vault.serving(BEFORE, handle.id, agent, takes_steps=False), asyncio.timeout(60):
        while not (pending := (await handle.describe()).raw_description.pending_activities):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        step = forger.get_async_activity_handle(
            workflow_id=handle.id, run_id=(await handle.describe()).run_id, activity_id=pending[0].activity_id
        )
        await step.complete({"items": [], "usage": {}})
    async with vault.serving(BEFORE, handle.id, agent):
        assert (await handle.result()) is not None
    assert await failed_tasks(handle) == []


async def test_while_encryption_is_turned_on_runs_under_way_are_read(vault: Vault) -> None:
    handle, agent = await started(vault, None), refunding()
    async with vault.serving(None, handle.id, agent):
        await until(handle, lambda status: bool(status.approvals))
    both = dataclasses.replace(BEFORE, accepts_plain=True)
    async with vault.serving(both, handle.id, agent):
        await (await seen_by(vault, BEFORE, handle)).signal("approve", APPROVED)
        assert (await (await seen_by(vault, both, handle)).result()) is not None
    assert await failed_tasks(handle) == []
