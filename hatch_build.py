"""Puts worker.py into the wheel as `perdure.worker`.

Hatch's `sources` renames directories only, and its `force-include` would also copy the file into an editable install,
where the copy goes stale. So it is included here, in standard builds alone.
"""

from __future__ import annotations

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class RoomsHook(BuildHookInterface[Any]):
    """Adds the rooms that are single modules."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Include worker.py, unless the install is editable and reads the checkout itself."""
        if version == "standard":
            build_data["force_include"]["worker.py"] = "perdure/worker.py"
