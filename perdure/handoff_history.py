"""Nesting: the next agent gets what was done so far as a summary between two markers, in place of the items.

Messages of the handoff's turn stay as they are, and so does what no agent said; tool calls, reasoning and what agents
said before are written down as numbered records. A summary from an earlier handoff is read back first, so that no
summary lies in another. The texts and forms are those of the Agents SDK: a conversation can move between both.
"""

from __future__ import annotations

import copy
import json
import re
from typing import Any, cast

from perdure.handoff import HandoffHistoryMapper, HandoffInputData
from perdure.items import RunItem, ToolApprovalItem, TResponseInputItem, input_items

_DEFAULT_MARKERS = ("<CONVERSATION HISTORY>", "</CONVERSATION HISTORY>")
_PREAMBLE = "For context, here is the conversation so far between the user and the previous agent:"
_NOTHING = "(no previous turns recorded)"

_RECORDED_TYPES = frozenset({"function_call", "function_call_output", "reasoning", "program", "program_output"})
_PROVIDERS_OWN = frozenset({"provider_data", "created_by"})  # tells nothing to a model
_ROLES = frozenset({"user", "assistant", "system", "developer"})
_NUMBER = re.compile(r"\d+\.")

_markers: list[str] = list(_DEFAULT_MARKERS)  # of this process, as the Agents SDK has them


def get_conversation_history_wrappers() -> tuple[str, str]:
    """The markers around a summary, in this process."""
    return _markers[0], _markers[1]


def set_conversation_history_wrappers(*, start: str | None = None, end: str | None = None) -> None:
    """Sets the markers around a summary; what is not given stays.

    They hold for this process. Workers of one run must agree on them, or a second handoff does not know the summary
    of the first.
    """
    _markers[:] = [_markers[0] if start is None else start, _markers[1] if end is None else end]


def reset_conversation_history_wrappers() -> None:
    """Sets the markers around a summary to what they are by default."""
    _markers[:] = _DEFAULT_MARKERS


def default_handoff_history_mapper(transcript: list[TResponseInputItem]) -> list[TResponseInputItem]:
    """All of a transcript as one summary."""
    return [_summary(transcript)]


def nest_handoff_history(
    handoff_input_data: HandoffInputData, *, history_mapper: HandoffHistoryMapper | None = None
) -> HandoffInputData:
    """What the next agent gets where histories are nested.

    Args:
        handoff_input_data: What it would get without.
        history_mapper: Makes the next agent's input of the whole transcript, in place of the summaries described above.

    Returns:
        The data with a new `input_history`, which is all that the next agent's model sees: `pre_handoff_items` and
        `input_items` are empty, and `new_items` stay for the run's result. Items that were not summarised are in the
        history as the very same objects.
    """
    history = handoff_input_data.input_history
    said = _flat(input_items(history) if isinstance(history, str) else list(history))
    before = [(item, _stays_from_before) for item in _written(handoff_input_data.pre_handoff_items)]
    now = [(item, _stays_from_now) for item in _written(handoff_input_data.new_items)]
    if history_mapper is None:
        nested = _ordered(said, [(item, stays(item)) for item, stays in (*before, *now)])
    else:
        nested = history_mapper(copy.deepcopy([*said, *(item for item, _ in (*before, *now))]))
    return handoff_input_data.clone(input_history=tuple(nested), pre_handoff_items=(), input_items=())


def _written(items: tuple[RunItem, ...]) -> list[TResponseInputItem]:
    """The items that a model may see; one that waits for an approval is none."""
    return [item.to_input_item() for item in items if not isinstance(item, ToolApprovalItem)]


def _stays_from_before(item: TResponseInputItem) -> bool:
    return item.get("role") != "assistant" and item.get("type") not in _RECORDED_TYPES


def _stays_from_now(item: TResponseInputItem) -> bool:
    role = item.get("role")
    return (isinstance(role, str) and role != "") or item.get("type") not in _RECORDED_TYPES


def _ordered(said: list[TResponseInputItem], items: list[tuple[TResponseInputItem, bool]]) -> list[TResponseInputItem]:
    """Summaries and items that stay, in the order of what happened; a summary, if of nothing, always comes first."""
    nested: list[TResponseInputItem] = []
    records = said
    for item, stays in items:
        if not stays:
            records = [*records, item]
            continue
        if records or not nested:
            nested.append(_summary(records))
        nested.append(item)
        records = []
    return [*nested, _summary(records)] if records or not nested else nested


def _summary(transcript: list[TResponseInputItem]) -> TResponseInputItem:
    start, end = _markers
    lines = [f"{number}. {_record(item)}" for number, item in enumerate(transcript, 1)] or [_NOTHING]
    return {"role": "assistant", "content": "\n".join([_PREAMBLE, start, *lines, end])}


def _record(item: TResponseInputItem) -> str:
    """One item on one line: `role: text` if it is no more than that, else its JSON."""
    role, name = item.get("role"), item.get("name")
    content = "" if item.get("content") is None else item["content"]
    if isinstance(role, str) and isinstance(content, str) and "\n" not in content and "\r" not in content:
        speaker = f"{role} ({name})" if isinstance(name, str) and name else role
        return f"{speaker}: {content}"
    return json.dumps(_without_providers_own(item), ensure_ascii=False)


def _flat(items: list[TResponseInputItem]) -> list[TResponseInputItem]:
    """The items, with what earlier summaries tell in their place."""
    flat: list[TResponseInputItem] = []
    for item in items:
        told = _told(item)
        flat.extend([item] if told is None else told)
    return flat


def _told(item: TResponseInputItem) -> list[TResponseInputItem] | None:
    """What a summary tells; `None` if the item is none."""
    content = item.get("content")
    head, tail = f"{_PREAMBLE}\n{_markers[0]}\n", f"\n{_markers[1]}"
    if item.get("role") != "assistant" or not isinstance(content, str):
        return None
    if not content.startswith(head) or not content.endswith(tail):
        return None
    items = [_item(record) for record in _records(content[len(head) : -len(tail)])]
    return [each for each in items if each is not None]


def _records(body: str) -> list[str]:
    """The records of a summary: lines; one without a number goes on with a numbered one before it."""
    records: list[str] = []
    numbered = False
    for line in (line.rstrip() for line in body.split("\n") if line.strip()):
        begins = _NUMBER.match(line.strip()) is not None
        if numbered and not begins:
            records[-1] += f"\n{line}"
            continue
        records.append(line)
        numbered = begins
    return records


def _item(record: str) -> TResponseInputItem | None:
    """The item that a record tells of; `None` if it tells of none."""
    text = _NUMBER.sub("", record.strip(), count=1).strip() if _NUMBER.match(record.strip()) else record.strip()
    if text == _NOTHING:
        return None
    item = _json_object(text)
    if item is not None:
        return item
    speaker, colon, content = text.partition(":")
    if not colon and (speaker.partition("(")[0].strip() not in _ROLES or "\n" in speaker):
        return None
    return _message(speaker.strip(), content.strip())


def _message(speaker: str, content: str) -> TResponseInputItem | None:
    role, name = speaker, ""
    if speaker.endswith(")") and "(" in speaker:
        before, _, within = speaker[:-1].rpartition("(")
        if within.strip():
            role, name = before.strip() or "developer", within.strip()
    if not role:
        return None
    item = None if role in _ROLES else _json_object(content)
    if item is not None:  # how summaries told of tool calls before they held JSON
        return {**item, "type": role}
    return {"role": role, **({"name": name} if name else {}), "content": content}


def _json_object(text: str) -> TResponseInputItem | None:
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):  # a line that is no JSON, or nested deeper than any item
        return None
    return _without_providers_own(cast("dict[str, Any]", value)) if isinstance(value, dict) else None


def _without_providers_own(item: TResponseInputItem) -> TResponseInputItem:
    return {key: value for key, value in item.items() if key not in _PROVIDERS_OWN}
