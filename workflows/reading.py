"""What a message to a run says, and whether its sender is told that it would change nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from perdure.contracts.holding import HoldMessage
from perdure.contracts.messages import ResolutionMessage, read_send
from perdure.loop.decisions import Ruling
from perdure.loop.holds import Hold
from perdure.loop.records import Resolution, SentInput
from perdure.loop.sending import Taken

from .opening import NOTHING


def only(value: Any, rest: Sequence[Any]) -> Any:
    """The one value that a message has.

    Raises:
        ValueError: It has none, or more, or it is meant for another run.
    """
    if value is NOTHING or rest:
        raise ValueError(f"expected one JSON object, got {len(rest) + (value is not NOTHING)} values")
    run, own = _named_run(value), workflow.info().workflow_id
    if run not in (None, own):
        raise ValueError(f"it is meant for run {run!r:.100}, and this is {own!r:.100}")
    return value


def _named_run(value: Any) -> str | None:
    """The run that a message says that it is meant for; what is no name, its own reader refuses."""
    run = cast("dict[str, Any]", value).get("run") if isinstance(value, dict) else None
    return run if isinstance(run, str) else None


def resolution_of(message: ResolutionMessage) -> Resolution:
    """What a message says of a call's outcome."""
    return Resolution(message.outcome, message.result, message.by, workflow.time())


def sent_input_of(message: Any, rest: Sequence[Any]) -> SentInput:
    """What is said to the run.

    Raises:
        ValueError: The message is none.
    """
    read = read_send(only(message, rest))
    return SentInput(read.message_id, read.items, read.by, read.withdraw, read.when)


def hold_of(message: HoldMessage) -> Hold:
    """Who holds the run up, from now on."""
    return Hold(message.by, message.reason, workflow.time())


def check_ruling(ruling: Ruling | Taken) -> None:
    """Refuses a message that would change nothing.

    Raises:
        ApplicationError: Its ruling is another than that it is accepted, or was before.
    """
    if ruling.verdict not in ("accepted", "repeated"):
        raise ApplicationError(ruling.explanation, type="DecisionRefused", non_retryable=True)
