"""The job that every side does: one agent, one trivial tool, a fixed number of turns."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

INSTRUCTIONS = "Take the samples that you are asked for, one after the other, then say that you are done."
QUESTION = "Take all samples."
MODEL_STEP = "call_model"  # the activity type that begins a turn, on every side
SMALL_BYTES = 20  # a trivial tool's result
LARGE_BYTES = 2048  # a page of JSON, as a search or a record gives
TOOL_DESCRIPTION = "Take one sample."
TOOL_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "number": {"type": "integer", "title": "Number"},
        "size": {"type": "integer", "title": "Size"},
    },
    "required": ["number", "size"],
    "title": "sample_args",
    "additionalProperties": False,
}


class Job(NamedTuple):
    """What one run does: `turns` model calls with a tool call between each, whose results have `size` bytes."""

    turns: int
    size: int

    @property
    def model(self) -> str:
        """The model's name, which tells the loopback model what to play."""
        return f"bench-{self.turns}-{self.size}"

    @classmethod
    def of(cls, model: str) -> Job:
        """The job that a model's name stands for.

        Raises:
            ValueError: The name is not one that `model` gives.
        """
        match = re.fullmatch(r"bench-(\d+)-(\d+)", model)
        if match is None:
            raise ValueError(f"The loopback model plays bench-TURNS-SIZE, not {model!r}.")
        return cls(int(match[1]), int(match[2]))


def take_sample(number: int, size: int) -> str:
    """A tool result of `size` bytes, different for each number."""
    return f"sample {number}".ljust(size, "#")[:size]
