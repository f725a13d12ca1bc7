"""Reads what anybody may have sent: a value of the kind that is wanted and of a bearable size, or the reason."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from temporalio.common import RawValue

from perdure.canonical import encode
from perdure.contracts.run import problems_of
from perdure.definition import Frozen
from perdure.encryption import is_rejected, reason


class Addressed(Frozen):
    """What a person says to a run.

    Attributes:
        run: If given, the run that it is meant for: no other takes it. The codec server encrypts it for that run alone.
    """

    run: str | None = None


_M = TypeVar("_M", bound=BaseModel)


def read_incoming(kind: type[_M], value: Any, limit: int, what: str = "a message") -> _M:
    """The value as one of this kind.

    Args:
        kind: What is wanted.
        value: Whatever was sent.
        limit: Its bytes at most.
        what: What it is called where it takes more.

    Raises:
        ValueError: It is none; the text says what is wrong with it.
    """
    if isinstance(value, RawValue):
        if is_rejected(value.payload):
            raise ValueError(reason(value.payload)[:300])
        encoding = value.payload.metadata.get("encoding", b"")
        raise ValueError(f"cannot be read as JSON ({encoding!r:.80})")  # noqa: TRY004  one error for all malformed
    try:
        message = kind.model_validate(value)
    except ValidationError as error:
        raise ValueError(problems_of(error)) from None
    size = len(encode(message.model_dump(mode="json", exclude_unset=True)))
    if size > limit:
        raise ValueError(f"{size} bytes are more than {what} may take ({limit})")
    return message
