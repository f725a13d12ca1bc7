"""Server-sent events: what both OpenAI APIs stream their answers as."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, cast

from .failures import UnusableAnswer

DONE = "[DONE]"  # what OpenAI's APIs end a stream with


async def event_data(chunks: AsyncIterator[bytes]) -> AsyncGenerator[str]:
    """The data of each event; one that the stream breaks off in is none."""
    data: list[bytes] = []
    async with aclosing(_lines(chunks)) as lines:
        async for line in lines:
            if line.startswith(b"data:"):
                data.append(line[5:].removeprefix(b" "))
            elif not line and data:
                yield b"\n".join(data).decode(errors="replace")
                data = []


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line.removesuffix(b"\r")


def event_object(data: str) -> dict[str, Any]:
    """The JSON object that an event brings.

    Raises:
        UnusableAnswer: It brings none.
    """
    try:
        value: Any = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UnusableAnswer(f"The model's stream holds what is not JSON ({error}): {data[:200]!r}.") from error
    if not isinstance(value, dict):
        raise UnusableAnswer(f"The model's stream holds what is no JSON object: {data[:200]!r}.")
    return cast("dict[str, Any]", value)
