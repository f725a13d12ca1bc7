"""Items that stand in a conversation twice, as where a program puts two conversations together: the latest one counts.

Providers refuse an item whose id they have seen. Messages may come twice, whatever their ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from perdure.item_json import is_reference

OUTPUT_OF = {
    "function_call": "function_call_output",
    "custom_tool_call": "custom_tool_call_output",
    "shell_call": "shell_call_output",
    "local_shell_call": "local_shell_call_output",
    "apply_patch_call": "apply_patch_call_output",
    "computer_call": "computer_call_output",
    "tool_search_call": "tool_search_output",
    "program": "program_output",
}
_BEFORE_OTHERS = frozenset({*OUTPUT_OF, "reasoning", "mcp_approval_request"})  # what follows them must stay behind
_NO_ID = "__fake_id__"  # stands where a provider gives no ids

_Name: TypeAlias = tuple[str, ...]


def places_of_distinct(items: Sequence[dict[str, Any]]) -> list[int]:
    """The places of the items that are left if of each one that comes again only the latest stays.

    It stands where it came last; calls, questions and reasoning stand where they came first, before what follows them.
    """
    names = _names(items)
    latest: dict[_Name, int] = {}
    stands: dict[_Name, int] = {}
    for place, name in enumerate(names):
        if name is None:
            continue
        latest[name] = place
        if name not in stands or str(items[place].get("type")) not in _BEFORE_OTHERS:
            stands[name] = place
    return [
        place if name is None else latest[name]
        for place, name in enumerate(names)
        if name is None or stands[name] == place
    ]


def _names(items: Sequence[dict[str, Any]]) -> list[_Name | None]:
    """What each item is known by. Models repeat call ids: a call with other arguments is another, and so its output."""
    names: list[_Name | None] = []
    calls: dict[str, _Name] = {}  # the latest of each call id
    for item in items:
        name = _name(item)
        match name:
            case ("call_id", "function_call", call_id):
                name = calls[call_id] = (*name, str(item.get("name")), str(item.get("arguments")), _blob(item))
            case ("call_id", "function_call_output", call_id):
                name = (*name, *calls.get(call_id, ()))
            case _:
                pass
        names.append(name)
    return names


def _name(item: dict[str, Any]) -> _Name | None:
    kind, call_id, item_id = str(item.get("type")), item.get("call_id"), item.get("id")
    if item.get("role") is not None or kind == "message":
        return None
    if isinstance(call_id, str) and (kind in OUTPUT_OF or kind in OUTPUT_OF.values()):
        return ("call_id", kind, call_id)
    if isinstance(item_id, str) and item_id != _NO_ID:
        return ("id", kind, item_id)
    for field in ("call_id", "approval_request_id"):
        value = item.get(field)
        if isinstance(value, str):
            return (field, kind, value)
    return None


def _blob(item: dict[str, Any]) -> str:
    """Where the arguments lie in the blob store: what names them."""
    return item["perdure_blob"]["sha256"] if is_reference(item) else ""
