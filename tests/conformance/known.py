"""What differs on purpose wherever it occurs, so that the rest of a scenario is still compared.

Each rule takes away from both sides what it is about; docs/parity.md has a row for each.
"""

from __future__ import annotations

import json
import re
from typing import Any

# The SDK's default text for a tool that failed; ours goes on with the error's own text, for the model to learn from.
_FAILED = re.compile(r"(An error occurred while running the tool\. Please try again\.) Error: .*?('?)$", re.DOTALL)

# A record of nested history: its fields come in openai's order there, in the order of the provider here.
_RECORD = re.compile(r"^(\d+\. )(\{.*\})$", re.MULTILINE)


def without_known(agents: dict[str, Any], perdure: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both outcomes without what is known to differ."""
    return _plain(_comparable(agents, agents, perdure)), _plain(_comparable(perdure, agents, perdure))


def _comparable(side: Any, agents: Any, perdure: Any) -> Any:
    """One of the sides without run data that cannot be compared."""
    if isinstance(side, list) and isinstance(agents, list) and isinstance(perdure, list):
        if len(agents) == len(perdure):
            return [_comparable(*each) for each in zip(side, agents, perdure, strict=True)]
        return side
    if not (isinstance(side, dict) and isinstance(agents, dict) and isinstance(perdure, dict)):
        return side
    found: dict[str, Any] = {}
    for key, value in side.items():
        theirs, ours = agents.get(key), perdure.get(key)
        dropped = key == "run_data" and _is_known_to_lack(theirs, ours)
        found[key] = None if dropped else _comparable(value, theirs, ours)
    return found


def _is_known_to_lack(theirs: Any, ours: Any) -> bool:
    """The SDK leaves run data out where it hides texts; ours has none for a run that is refused before it starts."""
    return theirs is None or (ours is None and not theirs["responses"] and not theirs["new_items"])


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return _RECORD.sub(_in_one_order, _FAILED.sub(r"\1\2", value))
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {key: _field(key, each) for key, each in value.items()}
    return value


def _in_one_order(record: re.Match[str]) -> str:
    try:
        return record[1] + json.dumps(json.loads(record[2]), sort_keys=True)
    except ValueError:
        return record[0]


def _field(key: str, value: Any) -> Any:
    match key:
        case "new_items" if isinstance(value, list):
            # The SDK keeps the placeholders of calls that were decided; ours shows those that wait, as interruptions.
            return [_item(each) for each in value if each.get("type") != "tool_approval_item"]
        case "guardrails" | "tool_guardrails" | "include" if isinstance(value, list):
            return sorted(_plain(value), key=json.dumps)  # as they finished; a set
        case _:
            return _plain(value)


def _item(item: dict[str, Any]) -> dict[str, Any]:
    """An item without the tool's own object, which may have been made in another process; its text is compared."""
    kept = {key: each for key, each in item.items() if key != "output"}
    return _plain(kept)
