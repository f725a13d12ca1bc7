"""An activity's attempt: it heartbeats while it runs, and its error says whether another one makes sense."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import traceback
from collections.abc import AsyncGenerator, Callable, Generator
from datetime import timedelta
from typing import Any, cast

from temporalio import activity
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from perdure.compression import compressed
from perdure.contracts.steps import ATTEMPT_LOST, BLOB_STORE_DOWN, STEP_DECLINED
from perdure.errors import BlobStoreDown, BlobUnavailable, ToolTimeoutError, UserError, describe_exception
from perdure.limits import HEARTBEAT_SECONDS, KIB, MAX_LOCAL_RESULT_BYTES, MAX_RESULT_BYTES
from perdure.redaction import redacted
from perdure.served import AgentNotServed, ServedAgents, UserLoopEnded

_log = logging.getLogger("perdure")

_TRACEBACK_CHARACTERS = 8000
_BLOB_ATTEMPTS = 5  # in about 15 seconds
_MOST_BYTES = 2 * MAX_RESULT_BYTES - 64 * KIB  # the server takes 2 MiB
_QUIET = ApplicationErrorCategory.BENIGN  # the caller gets the error, or our log has it; Temporal's need not repeat it


class Verdict(ApplicationError):
    """What an attempt has come to, in the words that the run is told."""


class Unavailable(Verdict):
    """What a step needs cannot be had now, as an answer of the run; another attempt may get it."""


def without_blob(error: BlobUnavailable) -> ApplicationError:
    """What a step that may be repeated says of an item that it lacks: it may be at another worker, or half restored."""
    if isinstance(error, BlobStoreDown):
        return without_store(error)
    info = activity.info()
    named = error.of_run(info.workflow_id or "")
    _log.warning("attempt %d of %s: %s", info.attempt, info.activity_type, named.message)
    is_last = info.attempt >= _BLOB_ATTEMPTS
    return Unavailable(named.message, type=type(named).__name__, non_retryable=is_last, category=_QUIET)


def without_store(error: BlobStoreDown) -> ApplicationError:
    """What a step says of a blob store that is out of reach.

    What it could not read it has not begun, so it is offered again until it can. What it could not write may be of a
    model or tool, which each attempt asks anew: that has an end.
    """
    return passing_error(error, type=BLOB_STORE_DOWN) if error.is_of_writing else declined(error)


class Progress:
    """What an attempt leaves to the next one of the same step, should there be one."""

    def __init__(self) -> None:
        self._noted: dict[str, Any] = {}
        for detail in activity.info().heartbeat_details[:1]:
            if isinstance(detail, dict):
                self._noted.update(cast("dict[str, Any]", detail))

    def noted(self, name: str) -> Any:
        """What this attempt or an earlier one noted under a name; `None` if none did."""
        return self._noted.get(name)

    def note(self, name: str, value: Any) -> None:
        """Tells the server, with a heartbeat, what the next attempt shall know."""
        self._noted[name] = value
        self.beat()

    def beat(self) -> None:
        """Sends a heartbeat; each carries all that was noted, as the last one counts."""
        activity.heartbeat(*([self._noted] if self._noted else []))


@contextlib.asynccontextmanager
async def heartbeats() -> AsyncGenerator[Progress]:
    """Heartbeats every second from the worker's own loop, which user code cannot block."""
    progress = Progress()

    async def beat() -> None:
        while not activity.info().is_local:  # the workflow task that it is part of says that this worker is alive
            await asyncio.sleep(HEARTBEAT_SECONDS)  # first: a step that takes less than a second sends none
            progress.beat()

    beating = asyncio.create_task(beat())
    try:
        yield progress
    finally:
        beating.cancel()


@contextlib.contextmanager
def told(served: ServedAgents, judge: Callable[[BaseException], ApplicationError] | None = None) -> Generator[None]:
    """Turns whatever the code inside raises into what the run is told.

    Args:
        served: Keeps an exception of the user's for a caller in this process.
        judge: What an error means to the run; that it ends it, by default.
    """
    try:
        yield
    except AgentNotServed as error:
        raise declined(error) from None
    except (UserLoopEnded, KeyboardInterrupt, SystemExit) as error:  # the process ends, and the attempt with it
        raise passing_error(error) from None
    except (asyncio.CancelledError, Verdict):
        raise
    except BlobStoreDown as error:
        raise without_store(error) from None
    except BlobUnavailable as error:
        raise final_error(served, error.of_run(activity.info().workflow_id or "")) from None
    except BaseException as error:  # noqa: BLE001  whatever was raised, the run is told
        raise (final_error(served, error) if judge is None else judge(error)) from None


def as_result(result: Any) -> RawValue:
    """A step's result as it travels; what cannot is this attempt's error, as no other attempt would fare better.

    Raises:
        UserError: It is no JSON, or larger than the server takes.
    """
    name = activity.info().activity_type
    try:
        payload = activity.payload_converter().to_payload(result)
    except ValueError as error:
        raise UserError(f"What {name!r:.100} said cannot travel: {describe_exception(error)['message']}") from error
    if activity.info().is_local and payload.ByteSize() > MAX_LOCAL_RESULT_BYTES:
        raise Verdict(f"What {name!r:.100} said takes {payload.ByteSize()} bytes, too many for a local step.")
    if payload.ByteSize() > _MOST_BYTES and (size := compressed(payload).ByteSize()) > _MOST_BYTES:
        raise UserError(f"What {name!r:.100} said takes {size} bytes; at most {_MOST_BYTES} can travel. Say less.")
    return RawValue(payload)


def is_last_attempt() -> bool:
    """Whether Temporal makes no other attempt of this step, whatever this one says."""
    info = activity.info()
    return info.retry_policy is not None and 0 < info.retry_policy.maximum_attempts <= info.attempt


def final_error(
    served: ServedAgents, error: BaseException, message: str | None = None, type: str | None = None
) -> ApplicationError:
    """An error of the user's code or the model that ends the run; no attempt is made again.

    Args:
        served: Keeps the exception itself for a caller in this process.
        error: What was raised.
        message: Its text as the history may keep it, if that is not the error's own.
        type: The class that callers know it by, if that is not the error's own.
    """
    told = {"message": message, "type": type}
    said = describe_exception(error) | {name: value for name, value in told.items() if value is not None}
    token = served.note_error(activity.info().workflow_id or "", error)
    details: dict[str, Any] = {"traceback": _traceback(error)} | ({} if token is None else {"token": token})
    if isinstance(error, ToolTimeoutError):
        details |= {"tool_name": error.tool_name, "timeout_seconds": error.timeout_seconds}
    return ApplicationError(redacted(said["message"]), details, type=said["type"], non_retryable=True, category=_QUIET)


def declined(error: Exception) -> Verdict:
    """Says that the step was certainly not done here; the run offers it again, later and without counting."""
    info = activity.info()
    _log.warning("run %s: this worker cannot do %s: %s", info.workflow_id, info.activity_type, error)
    return Verdict(str(error), type=STEP_DECLINED, non_retryable=True, category=_QUIET)


def passing_error(
    error: BaseException, *, type: str = ATTEMPT_LOST, message: str | None = None, after_seconds: float | None = None
) -> ApplicationError:
    """An error of circumstances: another attempt may succeed."""
    info = activity.info()
    said = describe_exception(error) | ({} if message is None else {"message": message})
    _log.warning(
        "run %s: attempt %d of %s failed with %s and may be made again: %s",
        info.workflow_id, info.attempt, info.activity_type, said["type"], said["message"],
    )  # fmt: skip
    delay = None if after_seconds is None else timedelta(seconds=after_seconds)
    return ApplicationError(redacted(said["message"]), type=type, next_retry_delay=delay, category=_QUIET)


def _traceback(error: BaseException) -> str:
    """Where it was raised, without its text, which may be long or hold a secret."""
    return "".join(traceback.format_tb(error.__traceback__))[-_TRACEBACK_CHARACTERS:]
