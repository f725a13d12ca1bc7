"""A thread's message is a run whose input is all that was said before, by whomever it was said then."""

from __future__ import annotations

from perdure.contracts.run import PageEntry, ResponseView


def as_given(entries: list[PageEntry], count: int) -> list[PageEntry]:
    """The entries, of which the first are input, as many as `count`."""
    if not count:
        return entries
    given = [entry.model_copy(update={"kind": "input", "turn": 0, "target": ""}) for entry in entries[:count]]
    return [*given, *entries[count:]]


def answers_after(responses: list[ResponseView], entries: list[PageEntry], count: int) -> list[ResponseView]:
    """The answers without those that came before the first entries, as many as `count`, were input."""
    begun = max((entry.turn for entry in entries[:count]), default=0)
    return [response for response in responses if response.turn > begun]
