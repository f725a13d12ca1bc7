"""What watchers in other processes ask the process that serves a run, and what it answers."""

from __future__ import annotations

import hashlib
from typing import Any

from pydantic import Field, ValidationError

from perdure.contracts.run import problems_of
from perdure.definition import Frozen

WATCH = "Watch"  # the workflow's type
TAKE = "take"  # the query
_QUEUE = "perdure-watch."
_LONGEST_ID = 1000  # as Temporal has it
_LONGEST_NAME = 200  # a worker's identity is mostly `pid@host`, but may be anything


def watch_id(identity: str) -> str:
    """The id of the workflow at which a process can be asked, by the process's identity as a worker."""
    return f"watch/{_name(identity)}"


def watch_queue(identity: str) -> str:
    """The task queue that this process alone serves."""
    return f"{_QUEUE}{_name(identity)}"


def is_watch_queue(queue: str) -> bool:
    """Whether it is such a queue."""
    return queue.startswith(_QUEUE)


def _name(identity: str) -> str:
    if len(identity) <= _LONGEST_NAME and identity.isprintable():
        return identity
    return hashlib.sha256(identity.encode(errors="replace")).hexdigest()


class TakeRequest(Frozen):
    """A watcher's question: what has the run's model said since?

    Attributes:
        stream: The attempt that the watcher knows, if any; `number`: how many of its events it has.
    """

    run_id: str = Field(max_length=_LONGEST_ID)
    stream: str = Field(default="", max_length=_LONGEST_ID)
    number: int = Field(default=0, ge=0)


class TakeAnswer(Frozen):
    """The answer; without a `stream` there is nothing.

    Attributes:
        stream: Names the attempt.
        execution: The run id of the workflow execution that asked the model.
        call: Which model call of the turn.
        number: The place of the first of the events in the attempt.
        events: As JSON.
    """

    stream: str = ""
    execution: str = ""
    turn: int = 0
    call: int = 0
    attempt: int = 1
    number: int = 1
    events: list[str] = []


def read_request(value: Any) -> TakeRequest:
    """The question in whatever was sent.

    Raises:
        ValueError: It is none; the text says what is wrong with it.
    """
    try:
        return TakeRequest.model_validate(value)
    except ValidationError as error:
        raise ValueError(f"This is no {TakeRequest.__name__}: {problems_of(error)}") from None
