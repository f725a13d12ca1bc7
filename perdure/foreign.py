"""Objects of other packages, as those of the Agents SDK, where an object of this one is wanted."""

from __future__ import annotations

from typing import Any, cast

_AGENTS_SDK = "agents"


def kind_of(value: Any) -> str:
    """The name of a value's type; where it is the Agents SDK's, with the import that gives ours."""
    kind = cast("type[Any]", type(value))
    if kind.__module__.partition(".")[0] == _AGENTS_SDK:
        return f"{kind.__name__} of the Agents SDK (write `from perdure import {kind.__name__}` instead)"
    return kind.__name__
