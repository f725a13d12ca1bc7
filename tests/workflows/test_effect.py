"""The ledger's entry for one effect: one attempt at a time has it, and what came of it is told once."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest
from temporalio.client import Client, WorkflowHandle, WorkflowUpdateFailedError

from activities.ledger import Ledger
from perdure.client.host import Host
from perdure.contracts.effects import EFFECT, EFFECTS_QUEUE, Attempt, EffectView, Told, effect_id
from perdure.contracts.steps import CallToolOutput
from perdure.limits import EFFECT_UPDATES

AT_ONCE = 8  # the server takes 10 updates of a workflow at once
OUTPUT = CallToolOutput(item={"type": "function_call_output", "call_id": "c", "output": "paid"})


def attempt(call_id: str = "1.0", run_id: str = "gone") -> Attempt:
    return Attempt(
        token=uuid.uuid4().hex, run_id=f"{run_id}-{uuid.uuid4().hex}", execution=str(uuid.uuid4()), call_id=call_id,
        activity_id="tool.1.0", attempt=1, tool="pay", call="pay()", digest="ab", at="2026-01-01T00:00:00+00:00",
    )  # fmt: skip


def told(verdict: Any, by: Attempt, **more: Any) -> Told:
    return Told(verdict=verdict, attempt=by, **more)


class Entry:
    """An effect that this test alone knows."""

    def __init__(self) -> None:
        self.key = uuid.uuid4().hex

    async def claim(self, by: Attempt) -> EffectView:
        return await self._ask(lambda client: Ledger(client).claim(self.key, by))

    async def tell(self, what: Told) -> EffectView:
        return await self._ask(lambda client: Ledger(client).tell(self.key, what))

    async def send(self, name: str, *values: Any) -> Any:
        return await self._ask(lambda client: self._handle(client).execute_update(name, args=list(values)))

    async def signal(self, name: str, *values: Any) -> None:
        await self._ask(lambda client: self._handle(client).signal(name, args=list(values)))

    async def start(self, *values: Any) -> None:
        await self._ask(
            lambda client: client.start_workflow(
                EFFECT, args=list(values), id=effect_id(self.key), task_queue=EFFECTS_QUEUE
            )
        )

    async def execution(self) -> str | None:
        """The id of the execution that has the entry now."""
        return (await self._ask(lambda client: self._handle(client).describe())).run_id

    def _handle(self, client: Client) -> WorkflowHandle[Any, Any]:
        return client.get_workflow_handle(effect_id(self.key))

    async def _ask(self, ask: Any) -> Any:
        host = Host.current()
        await host.call(host.serve_effects())
        return await host.call(ask((await host.call(host.connection())).client))


async def test_the_first_attempt_that_asks_has_it() -> None:
    entry, first, second = Entry(), attempt(), attempt()
    assert (await entry.claim(first)).attempt == first
    assert (await entry.claim(first)).status == "claimed"
    assert (await entry.tell(told("done", first, output=OUTPUT))).status == "done"
    found = await entry.claim(second)
    assert (found.status, found.attempt, found.output) == ("done", first, OUTPUT)


async def test_an_attempt_whose_worker_is_gone_leaves_it_unknown() -> None:
    entry, first, second = Entry(), attempt(), attempt()
    await entry.claim(first)
    found = await entry.claim(second)
    assert (found.status, found.attempt) == ("unknown", first)
    assert "lost" in found.note


async def test_what_did_not_happen_is_free_again() -> None:
    entry, first, second = Entry(), attempt(), attempt()
    await entry.claim(first)
    await entry.tell(told("free", first))
    assert (await entry.claim(second)).attempt == second


async def test_an_attempt_that_was_taken_for_lost_may_still_tell_its_result() -> None:
    entry, first, second = Entry(), attempt(), attempt()
    await entry.claim(first)
    await entry.claim(second)
    assert (await entry.tell(told("done", first, output=OUTPUT))).status == "done"


async def test_what_is_told_after_a_verdict_is_kept_as_late() -> None:
    entry, first, second = Entry(), attempt(), attempt()
    await entry.claim(first)
    await entry.claim(second)
    await entry.tell(told("free", second, note="ana says: retry.", judged=True))
    assert (await entry.claim(second)).status == "free", "the same question has the same answer"
    third = attempt()
    await entry.claim(third)
    late = await entry.tell(told("done", first, output=OUTPUT))
    assert (late.status, late.attempt) == ("claimed", third)
    assert "pay()" in late.late[0]


async def test_nobody_but_the_attempt_that_has_it_can_tell_its_result() -> None:
    entry, first, second = Entry(), attempt(), attempt()
    await entry.claim(first)
    assert (await entry.tell(told("done", second, output=OUTPUT))).status == "claimed"


async def test_a_verdict_does_not_undo_what_another_call_has_done() -> None:
    entry, first, second = Entry(), attempt(), attempt(run_id="other")
    await entry.claim(first)
    await entry.tell(told("done", first, output=OUTPUT))
    assert (await entry.tell(told("free", second, judged=True))).status == "done"


NONSENSE = [(), (None,), ("x",), ({"token": "t"},), ({"token": 7}, 8), ([1, 2],), (attempt().model_dump(), 1)]


@pytest.mark.parametrize("name", ["claim", "tell"])
@pytest.mark.parametrize("values", NONSENSE, ids=range(len(NONSENSE)))
async def test_what_is_no_message_is_refused_and_changes_nothing(name: str, values: tuple[Any, ...]) -> None:
    entry, first = Entry(), attempt()
    await entry.claim(first)
    with pytest.raises(WorkflowUpdateFailedError):
        await entry.send(name, *values)
    await entry.signal("noise", *values)
    assert (await entry.tell(told("done", first, output=OUTPUT))).status == "done"


@pytest.mark.parametrize("values", NONSENSE, ids=range(len(NONSENSE)))
async def test_an_entry_that_was_started_with_nonsense_knows_nothing_yet(values: tuple[Any, ...]) -> None:
    entry, first = Entry(), attempt()
    await entry.start(*values)
    assert (await entry.claim(first)).attempt == first


async def test_an_entry_that_is_asked_often_goes_on_in_a_new_history() -> None:
    entry, first = Entry(), attempt()
    await entry.claim(first)
    await entry.tell(told("done", first, output=OUTPUT))
    begun = await entry.execution()

    async def ask() -> None:
        for _ in range(EFFECT_UPDATES // AT_ONCE + 1):
            found = await entry.claim(attempt())
            assert (found.status, found.output) == ("done", OUTPUT)

    await asyncio.gather(*(ask() for _ in range(AT_ONCE)))
    assert await entry.execution() != begun
