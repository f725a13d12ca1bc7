"""Finds the rooms, wherever Perdure lies.

In a wheel the rooms are `perdure.workflows`, `perdure.activities`, `perdure.examples` and `perdure.worker`. In a
checkout they are top-level packages beside `perdure`, under names so common that another distribution or the user's
own file may hold them. So a room is accepted by the place of its file, never by its name on `sys.path`. Where somebody
else holds the name, ours is imported as `perdure.rooms.<name>`: this module has a `__path__`, which makes the
checkout's root a package of its own, for the import system and for Temporal's workflow sandbox alike.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

ROOMS = ("activities", "examples", "worker", "workflows")

_PACKAGE = Path(__file__).parent  # not resolved: the workflow sandbox executes this line and allows no I/O
__path__ = [str(_PACKAGE.parent)]


def load_room(name: str) -> ModuleType:
    """Import a room, or a module inside one, from the place where this `perdure` lies.

    Args:
        name: The name in a checkout, such as `worker` or `workflows.agent_run`.

    Raises:
        ValueError: No room has this name.
        ModuleNotFoundError: The room is neither in the package nor beside it, or has no such module.
    """
    room = name.partition(".")[0]
    if room not in ROOMS:
        raise ValueError(f"{name!r} is not in a room; the rooms are {', '.join(ROOMS)}.")
    if _file_in(_PACKAGE, room):
        return importlib.import_module(f"perdure.{name}")
    ours = _file_in(_PACKAGE.parent, room)
    if ours is None:
        raise ModuleNotFoundError(
            f"{room!r} lies neither in {_PACKAGE} nor beside it: install Perdure anew, or run from a whole checkout.",
            name=room,
        )
    private = f"{__name__}.{room}"
    # What was once imported under the private name stays there: two names would be two copies of each class.
    if private in sys.modules or _file_behind(room) != ours.resolve():
        return importlib.import_module(f"{__name__}.{name}")
    return importlib.import_module(name)


def _file_in(folder: Path, room: str) -> Path | None:
    """The file that makes `room` importable from `folder`."""
    for file in (folder / room / "__init__.py", folder / f"{room}.py"):
        if file.is_file():
            return file
    return None


def _file_behind(room: str) -> Path | None:
    """The file that `import <room>` would give, or has given."""
    try:
        spec = importlib.util.find_spec(room)
    except ValueError:  # a module put into sys.modules by hand has no spec, and is not ours
        return None
    return Path(spec.origin).resolve() if spec is not None and spec.origin is not None else None
