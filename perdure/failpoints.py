"""Places at which a test kills this process, so that every window in which a crash hurts can be reached by name.

Off unless the environment has `PERDURE_FAILPOINT=NAME=FILE`: the first process that comes to NAME makes FILE and dies
by SIGKILL; where FILE is there already, nothing happens.
"""

from __future__ import annotations

import os
import signal

_PLACES = (
    "model", "tool", "effect", "claim", "tell", "resolve", "guardrail", "hook", "call", "decision", "seal", "continue",
    "pull", "session", "session write",
)  # fmt: skip
FAILPOINTS = tuple(f"{place} {moment}" for place in _PLACES for moment in ("begins", "ended"))

_VARIABLE = "PERDURE_FAILPOINT"
_armed, _, _file = os.environ.get(_VARIABLE, "").partition("=")


def reach(name: str) -> None:
    """Says that this process has come to the place; it may be the end of it."""
    if name != _armed:
        return
    try:
        os.close(os.open(_file, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)
