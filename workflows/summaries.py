"""The lines of a run's steps and waits in the Temporal UI: they read like calls."""

from __future__ import annotations

import json

from perdure.canonical import clean_text
from perdure.loop.state import Call, LoopState
from perdure.redaction import redacted
from perdure.visible import in_line

_CHARACTERS = 180


def line(text: str) -> str:
    """A line of bounded length, in which nothing is hidden."""
    shown = in_line(redacted(clean_text(text)))
    return shown if len(shown) <= _CHARACTERS else shown[: _CHARACTERS - 1] + "…"


def call_text(call: Call) -> str:
    """A call as it would stand in code: `refund(order_id='7', amount=40.0)`."""
    try:
        arguments = json.loads(call.arguments or "{}")
        inner = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
    except (ValueError, AttributeError, RecursionError):
        inner = call.arguments
    text = in_line(redacted(clean_text(f"{call.name}({inner})".replace("`", "'"))))  # JSON escapes half surrogates
    return text if len(text) <= _CHARACTERS else text[: _CHARACTERS - 2] + "…)"


def timer_summary(state: LoopState, call_id: str) -> str:
    """The line of a wait's timer: what waits, for how long the bar goes on."""
    call = state.call(call_id)
    if call is None:
        return f"approval {call_id}"
    return line(f"{'outcome' if call.phase == 'unknown' else 'approval'} {call_id}: {call_text(call)}")
