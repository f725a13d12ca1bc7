"""Closes a turn: its outputs enter the transcript in call order, when all are there, and its changes the context."""

from __future__ import annotations

from typing import Any

from perdure.canonical import encode
from perdure.limits import MAX_CONTEXT_BYTES
from perdure.loop.state import Failure, LoopState

_WARNINGS_KEPT = 20


def close_turn_if_done(state: LoopState) -> None:
    """Closes the open turn if all its calls are answered, by tools or by decisions."""
    if not state.calls or any(call.phase != "done" for call in state.calls):
        return
    changed_by: dict[str, str] = {}
    context = dict(state.context or {})
    for call in state.calls:
        kind = "value" if call.output_is_value else "output"
        state.transcript.append(encode(call.output), kind, state.agent, state.turn)
        for name, value in call.context_changes.items():
            if name in changed_by:
                warn(state, f"Calls {changed_by[name]} and {call.id} both changed context.{name}; the later one holds.")
            changed_by[name] = call.id
            context[name] = value
    if changed_by:
        _change_context(state, context)
    state.calls = []


def _change_context(state: LoopState, context: dict[str, Any]) -> None:
    size = len(encode(context))
    if size <= MAX_CONTEXT_BYTES:
        state.context = context
        return
    state.failure = state.failure or Failure(
        "ContextNotPortableError",
        f"With what the calls of turn {state.turn} changed, the context takes {size} bytes as JSON; at most "
        f"{MAX_CONTEXT_BYTES} can travel. Keep large data in a store and only its key in the context.",
    )


def warn(state: LoopState, text: str) -> None:
    """Notes what a person should know; the same text again moves to the end instead of pushing others out."""
    state.warnings = [*(earlier for earlier in state.warnings if earlier != text), text][-_WARNINGS_KEPT:]
