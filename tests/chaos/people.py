"""Those who start runs and decide about calls: too often, against each other, about calls that are not there."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar

from temporalio.api.common.v1 import Payload
from temporalio.client import Client, WorkflowHandle, WorkflowQueryFailedError
from temporalio.common import RawValue
from temporalio.service import RPCError, RPCStatusCode

from perdure import Runner
from perdure.contracts.messages import ApprovalView, StatusView, UnknownView
from perdure.contracts.run import RunOutcome
from perdure.errors import ServerUnavailable
from tests.chaos.ledger import Ledger
from tests.chaos.plans import Plan, PlannedCall

_T = TypeVar("_T")
_THAWED_SECONDS = 8.0  # by then a worker that was frozen is thawed, or killed, and has ended its calls
_LOOK_SECONDS = 0.5  # between two looks at what waits
_QUERY_TIMEOUT = timedelta(seconds=5)


async def started(client: Client, plan: Plan, run_id: str, queue: str) -> WorkflowHandle[Any, RunOutcome]:
    """The run, started; who gets no answer starts it again, which attaches to the one that is there."""
    while True:
        try:
            run = await Runner.start("Clerk", plan.text, run_id=run_id, task_queue=queue)
        except (RPCError, ServerUnavailable):
            await asyncio.sleep(0.2)
        else:
            return client.get_workflow_handle(run.id, result_type=RunOutcome)


async def insist(ask: Callable[[], Awaitable[_T]]) -> _T:
    """Asks until the server answers; that a run has ended or is not known is an answer, and raises."""
    while True:
        try:
            return await ask()
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                raise
            await asyncio.sleep(0.2)


class People:
    """Those who decide about one run. What the plan says is always sent first, once the call is seen to wait."""

    def __init__(self, handle: WorkflowHandle[Any, RunOutcome], plan: Plan, ledger: Ledger) -> None:
        self._handle, self._plan, self._ledger = handle, plan, ledger
        self._asked: dict[str, float] = {}
        self.outcomes_told = 0
        self._chance = random.Random(f"{plan.seed}/people/{plan.number}")
        self._calls = {call.id: call for call in plan.calls if call.approve is not None}
        self.signals = 0
        self.failed_queries = 0

    async def attend(self) -> None:
        """Decides until the run has ended."""
        try:
            await self._be_early()
            seen: set[str] = set()
            while True:
                for approval in await insist(self._waiting):
                    if approval.call_id not in seen:
                        seen.add(approval.call_id)
                        await self._decide_at_rest(approval)
                for unknown in await insist(self._unknown):
                    await self._find_out(unknown)
                await asyncio.sleep(_LOOK_SECONDS)
        except RPCError:  # the run has ended: nothing can be said to it any more
            return

    async def _waiting(self) -> list[ApprovalView]:
        description = await self._handle.describe()
        if description.close_time is not None:
            raise RPCError("the run has ended", RPCStatusCode.NOT_FOUND, b"")
        try:
            return await self._handle.query("approvals", result_type=list[ApprovalView], rpc_timeout=_QUERY_TIMEOUT)
        except WorkflowQueryFailedError:
            # A worker that had taken part of a workflow task which then timed out answers once with what it kept of
            # that, and forgets it. Who is refused for ever decides nothing, so that the run is found to be stuck.
            self.failed_queries += 1
            return []

    async def _unknown(self) -> list[UnknownView]:
        try:
            status = await self._handle.query("status", result_type=StatusView, rpc_timeout=_QUERY_TIMEOUT)
        except WorkflowQueryFailedError:
            self.failed_queries += 1
            return []
        return status.unknown

    async def _find_out(self, unknown: UnknownView) -> None:
        """Says what became of a call: what the ledger has counts, once nobody frozen can be at it any more."""
        call = next(call for call in self._plan.calls if call.id == unknown.call_id)
        said: dict[str, Any] = {"call_id": call.id, "by": "ana", "digest": unknown.digest}
        if await asyncio.to_thread(self._ledger.has, call.tool, await self._key(call)):
            said |= {"outcome": "happened", "result": call.answer}
        elif time.monotonic() - self._asked.setdefault(call.id, time.monotonic()) < _THAWED_SECONDS:
            return
        else:
            tries_again = call.tool == "settle" or self._chance.random() < 0.7
            said |= {"outcome": "retry" if tries_again else "not_happened"}
        self._asked.pop(call.id, None)
        self.outcomes_told += 1
        for _ in range(2):
            await self._say("resolve", said)

    async def _key(self, call: PlannedCall) -> str:
        """The key that the tool has its effect under."""
        if call.tool == "settle":
            return f"settle:{call.arguments['item']}"
        execution = (await insist(self._handle.describe)).raw_description.workflow_execution_info
        return f"{self._handle.id}/{execution.first_run_id}/{call.id}"

    async def _be_early(self) -> None:
        """Decides the wrong way about calls that the model has not made yet."""
        for call in self._calls.values():
            if self._chance.random() < 0.3:
                await self._say(_verb(call, wrongly=True), {"call_id": call.id, "by": "eve"})

    async def _decide_at_rest(self, approval: ApprovalView) -> None:
        """Sometimes pauses the run while it decides."""
        pauses = self._chance.random() < 0.2
        if pauses:
            await self._say("pause", {"by": "eve"})
        await self._decide(approval)
        if pauses:
            await self._say("resume", {"by": "eve"})

    async def _decide(self, approval: ApprovalView) -> None:
        call = self._calls[approval.call_id]
        if self._chance.random() < 0.6:
            await self._babble(call)
        for name in ("ana", "ben", "cyd"):
            message: dict[str, Any] = {"call_id": call.id, "by": name}
            if self._chance.random() < 0.5:
                message["digest"] = approval.digest
            if not call.approve:
                message["reason"] = f"{name} says no to {call.id}"
            await self._say(_verb(call), message)
        if self._chance.random() < 0.6:
            await self._say(_verb(call, wrongly=True), {"call_id": call.id, "by": "eve"})
        if self._chance.random() < 0.3:
            await self._babble(call)

    async def _babble(self, call: PlannedCall) -> None:
        """Says what must change nothing; each would turn the decision around if it were taken."""
        wrong = _verb(call, wrongly=True)
        truncated = Payload(metadata={"encoding": b"json/plain"}, data=b'{"call_id": "' + call.id.encode())
        choices: list[tuple[str, list[Any]]] = [
            (wrong, []),
            (wrong, [call.id]),
            (wrong, [{"call_id": call.id}, {"by": "eve"}]),
            (wrong, [{"call_id": call.id, "digest": "0123456789ab"}]),
            (wrong, [{"call_id": call.id, "always": "yes"}]),
            (wrong, [{"call_id": call.id, "approved": True}]),
            (wrong, [{"call_id": float(call.id)}]),
            (wrong, [{"call_id": "9.9", "always": True}]),
            (wrong, [RawValue(truncated)]),
            (wrong.upper(), [{"call_id": call.id}]),
        ]
        for name, values in self._chance.sample(choices, k=3):
            await self._say(name, *values)

    async def _say(self, name: str, *values: Any) -> None:
        self.signals += 1
        await insist(lambda: self._handle.signal(name, args=values))


def _verb(call: PlannedCall, *, wrongly: bool = False) -> str:
    return "approve" if call.approve != wrongly else "reject"
