"""Closes a turn: its outputs enter the transcript in call order, when all are there, and its changes the context."""

from __future__ import annotations

from perdure.canonical import encode
from perdure.loop.state import LoopState

_WARNINGS_KEPT = 20


def close_turn_if_done(state: LoopState) -> None:
    """Closes the open turn if all its calls are answered, by tools or by decisions."""
    if not state.calls or any(call.phase != "done" for call in state.calls):
        return
    changed_by: dict[str, str] = {}
    for call in state.calls:
        kind = "value" if call.output_is_value else "output"
        state.transcript.append(encode(call.output), kind, state.agent, state.turn)
        for name, value in call.context_changes.items():
            if name in changed_by:
                warn(state, f"Calls {changed_by[name]} and {call.id} both changed context.{name}; the later one holds.")
            changed_by[name] = call.id
            state.context = {**(state.context or {}), name: value}
    state.calls = []


def warn(state: LoopState, text: str) -> None:
    """Notes what a person should know; the same text again moves to the end instead of pushing others out."""
    state.warnings = [*(earlier for earlier in state.warnings if earlier != text), text][-_WARNINGS_KEPT:]
