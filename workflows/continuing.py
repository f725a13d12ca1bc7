"""A long run goes on in a new history: older items are sealed first, then the state is handed on."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RawValue, RetryPolicy
from temporalio.exceptions import ActivityError, is_cancelled_exception

from perdure.contracts.frozen import freeze
from perdure.contracts.run import RunInput, RunSettings
from perdure.contracts.sealing import SEAL_TRANSCRIPT, SealInput, SealOutput
from perdure.limits import (
    HEARTBEAT_TIMEOUT_SECONDS,
    HISTORY_BYTES,
    HISTORY_MESSAGES,
    MAX_COMMAND_BYTES,
    MAX_HISTORY_BYTES,
    MAX_HISTORY_EVENTS,
)
from perdure.loop.long_runs import forget, is_between_messages, seal, seal_history, sealable
from perdure.loop.records import Chunk, Failure, Transcript
from perdure.loop.state import Frame, LoopState
from perdure.loop.threads import fail_thread
from perdure.loop.turn import warn

from .unopened import check_opened

_SEAL_TIMEOUT = timedelta(seconds=60)
_ATTEMPTS = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_attempts=5)
_HEARS_OF_ITS_END = "a run hears of its end before it goes on"  # histories that went on before 2026-11-27 did not
_A_MOMENT = timedelta(milliseconds=1)
_PATIENCE_EVENTS = 1000  # after a run could not go on in a new history it tries again this much later


class Continuing:
    """When a run goes on in a new history, and with what."""

    def __init__(self, settings: RunSettings) -> None:
        self._settings = settings
        self._not_before = 0  # events

    def due(self, state: LoopState, messages: int) -> bool:
        """Whether the run should go on in a new history, once nothing is in flight.

        It does as its history gets long. A thread that is pinned to a build also does between two messages once another
        build is current: it may live for years, and would need the first build's workers for as long. It does so once
        for what it was told in this history, wherever the server lets the new one begin.
        """
        info = workflow.info()
        length = info.get_current_history_length()
        return length >= self._not_before and (
            length >= self._settings.history_events
            or messages >= HISTORY_MESSAGES
            or info.get_current_history_size() >= HISTORY_BYTES
            or info.is_continue_as_new_suggested()
            or (messages > 0 and is_between_messages(state) and info.is_target_worker_deployment_version_changed())
        )

    async def seal(self, state: LoopState) -> None:
        """Has what is old written to the blob store, where that can be done."""
        for number, (frame, transcript, upto) in enumerate(list(sealable(state, self._settings.carried_bytes))):
            await _seal(state, frame, transcript, upto, number)

    def input(self, state: LoopState, ignored: list[str], goal: str) -> RawValue | None:
        """The new execution's input; `None` if it is too large to travel."""
        forget(state)
        given = RunInput(
            agent=state.agent_name, state=freeze(state), settings=self._settings, ignored=ignored, goal=goal
        )
        payload = workflow.payload_converter().to_payload(given)
        return RawValue(payload) if payload.ByteSize() <= MAX_COMMAND_BYTES else None

    def postpone(self, state: LoopState) -> None:
        """Lets the run go on in its history for a while, or ends it before the server would."""
        info = workflow.info()
        length, size = info.get_current_history_length(), info.get_current_history_size()
        self._not_before = length + _PATIENCE_EVENTS
        text = (
            f"The run's history has {length} events and {size} bytes, and its state is too large to go on in a new one "
            "while its older items are not in a blob store. Set PERDURE_BLOBS for its clients and workers."
        )
        if length > MAX_HISTORY_EVENTS or size > MAX_HISTORY_BYTES:
            fail_thread(state, Failure("UserError", text))
        else:
            warn(state, text)


async def heard_of_its_end() -> None:
    """Lets a cancellation that has come be heard, which the new history would know nothing of.

    temporalio gives a workflow its messages before a cancellation that came with them: one that goes on for a message
    leaves it behind. A timer ends together with a cancellation, and that counts.
    """
    if workflow.patched(_HEARS_OF_ITS_END):
        await workflow.sleep(_A_MOMENT, summary="before the run goes on in a new history")


async def _seal(state: LoopState, frame: Frame, transcript: Transcript, upto: int, number: int) -> None:
    start = transcript.first
    asked = SealInput(
        path=frame.path, epoch=transcript.epoch, start=start, upto=upto, before=transcript.digest_at(start)
    )
    try:
        sealed = await workflow.execute_activity(
            SEAL_TRANSCRIPT,
            asked,
            activity_id=f"seal.{number}.{start}-{upto}",
            result_type=SealOutput,
            start_to_close_timeout=_SEAL_TIMEOUT,
            heartbeat_timeout=timedelta(seconds=HEARTBEAT_TIMEOUT_SECONDS),
            retry_policy=_ATTEMPTS,
            summary=f"items {start} to {upto} go to the blob store",
        )
        check_opened(sealed)
        seal(frame, transcript, [Chunk(**chunk.model_dump()) for chunk in sealed.chunks])
        seal_history(state.thread, transcript)
    except (ActivityError, ValueError) as error:
        if is_cancelled_exception(error):  # the run itself is to stop
            raise
        warn(state, f"Items {start} to {upto} could not be sealed: {getattr(error, 'cause', None) or error}"[:400])
