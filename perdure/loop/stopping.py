"""A run that is asked to stop: the open turn ends as it would, and no other begins."""

from __future__ import annotations

from perdure.loop.state import LoopState
from perdure.loop.urgency import is_asked

_BETWEEN_TURNS = ("screening", "admitting", "starting")


def stop(state: LoopState, *, withdraw: bool = False) -> None:
    """Has the run stop once its open turn has ended, which is at once where none is open.

    Args:
        state: The run.
        withdraw: Take that back, if it has not stopped yet.
    """
    root = state.root
    root.stopping = not withdraw
    rests = root.stage == "asking" and state.steering.is_held and not is_asked(state, root)
    if root.stopping and root.failure is None and (root.stage in _BETWEEN_TURNS or rests):
        root.stage = "done"
