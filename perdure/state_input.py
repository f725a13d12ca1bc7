"""Input that is added to the state of a run that waits: whether it may be, and how the state keeps it."""

from __future__ import annotations

import copy
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, cast

from perdure.errors import UserError
from perdure.item_json import TResponseInputItem, input_items


@dataclass(frozen=True)
class DraftInput:
    """Input that nobody has sent yet, under the name that it is sent by: so it is said once, however often it is sent.

    Attributes:
        message_id: The name.
        items: The input as items.
        withdraw: The names of earlier input that is not to be said.
    """

    message_id: str
    items: list[TResponseInputItem]
    withdraw: list[str] = field(default_factory=list[str])

    @classmethod
    def of(cls, input: str | list[TResponseInputItem]) -> DraftInput:
        """Input under a name of its own."""
        return cls(uuid.uuid4().hex, copy.deepcopy(input_items(input)))

    @classmethod
    def withdrawing(cls, sent: list[str]) -> DraftInput:
        """What takes back input that may have been sent."""
        return cls(uuid.uuid4().hex, [], sent)


def check_may_add(document: dict[str, Any], waiting_tools: Iterable[str]) -> None:
    """Refuses input for a run that need not ask its model again, as the Agents SDK does, and in its words.

    Args:
        document: The run as JSON.
        waiting_tools: The tools of the calls that wait, those of agents that run as tools among them.

    Raises:
        UserError: The run has ended, has no turn left, or may end with what its open calls bring.
    """
    names = set(waiting_tools)
    if not names:
        raise UserError("Cannot add input to a terminal RunState")
    limit = document.get("max_turns")
    if limit is not None and document.get("turn", 0) >= limit:
        raise UserError("Cannot add input to a RunState with no remaining model turns")
    if _may_end(_part(document, "frozen"), names):
        raise UserError("Cannot add input to an interrupted RunState whose tool result may end the run")


def _may_end(frozen: dict[str, Any], names: set[str]) -> bool:
    """Whether the open turn's results may be the final output; a handoff of the turn goes before its own tools."""
    root, snapshot = _part(frozen, "root"), _part(frozen, "snapshot")
    definition = _part(_part(snapshot, "agents"), str(root.get("agent")))
    called = set[str]() if root.get("handoffs") else {call["item"]["name"] for call in root.get("calls", [])}
    match definition.get("tool_use"):
        case "stop_on_first_tool" | "rule":
            return True
        case "stop_at":
            return bool((names | called) & set(definition.get("stop_at", ())))
        case _:
            return False


def _part(whole: dict[str, Any], name: str) -> dict[str, Any]:
    return cast("dict[str, Any]", whole.get(name) or {})
