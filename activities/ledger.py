"""The ledger of effects, as activities ask it: a workflow for each effect, which grants it to one attempt at a time."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta
from typing import Any

from temporalio.client import Client, WithStartWorkflowOperation, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.service import RPCError, RPCStatusCode

from perdure.contracts.effects import EFFECT, EFFECTS_QUEUE, Attempt, EffectView, Told, effect_id
from perdure.contracts.messages import ResolutionMessage
from perdure.failpoints import reach
from perdure.limits import TASK_TIMEOUT_SECONDS
from perdure.redaction import redacted

_PAUSE_SECONDS = 1.0


class Ledger:
    """Claims effects and tells what came of them."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def claim(self, key: str, attempt: Attempt) -> EffectView:
        """Asks to go ahead; the answer names the attempt that may, which is another one if the effect is taken.

        One whose worker is gone is found out: its outcome is unknown then.
        """
        reach("claim begins")
        view = await self._update(key, "claim", attempt, attempt.call)
        reach("claim ended")
        has = view.attempt
        if view.status != "claimed" or has is None or has.token == attempt.token or await self._is_alive(has):
            return view
        note = f"The worker was lost while {has.call} of run {has.run_id} ran, so it may or may not have happened."
        return await self.tell(key, Told(verdict="unknown", attempt=has, note=note))

    async def tell(self, key: str, told: Told) -> EffectView:
        """Tells what became of an effect; the answer is what holds now."""
        reach("tell begins")
        view = await self._update(key, "tell", told, told.attempt.call)
        reach("tell ended")
        return view

    async def answer(self, attempt: Attempt, by: str) -> None:
        """Answers a run that may be asking what became of a call: the ledger has its result by now."""
        handle = self._client.get_workflow_handle(attempt.run_id)
        message = ResolutionMessage(call_id=attempt.call_id, outcome="happened", by=by)
        with contextlib.suppress(RPCError):  # it has ended, and whoever looks finds the effect in the ledger
            await handle.signal("resolve", message)

    async def _update(self, key: str, name: str, message: Attempt | Told, summary: str) -> EffectView:
        """Tries until somebody answers: a question that may have been heard must not be dropped halfway."""
        while True:
            try:
                return await self._client.execute_update_with_start_workflow(  # pyright: ignore[reportUnknownMemberType]
                    name,
                    message,
                    start_workflow_operation=self._start(key, summary),
                    result_type=EffectView,
                    id=f"{name}-{message.token}" if isinstance(message, Attempt) else None,
                    rpc_timeout=timedelta(seconds=2 * TASK_TIMEOUT_SECONDS),
                )
            except (RPCError, WorkflowUpdateRPCTimeoutOrCancelledError) as error:
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    raise asyncio.CancelledError from error
                await asyncio.sleep(_PAUSE_SECONDS)

    def _start(self, key: str, summary: str) -> WithStartWorkflowOperation[Any, EffectView]:
        return WithStartWorkflowOperation(
            EFFECT,
            EffectView(key=key),
            id=effect_id(key),
            task_queue=EFFECTS_QUEUE,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            task_timeout=timedelta(seconds=TASK_TIMEOUT_SECONDS),
            static_summary=redacted(summary),
        )

    async def _is_alive(self, attempt: Attempt) -> bool:
        """Whether the attempt is still at it, as far as the server knows."""
        handle = self._client.get_workflow_handle(attempt.run_id, run_id=attempt.execution)
        try:
            described = await handle.describe()
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return False
            raise
        return any(
            (pending.activity_id, pending.attempt) == (attempt.activity_id, attempt.attempt)
            for pending in described.raw_description.pending_activities
        )
