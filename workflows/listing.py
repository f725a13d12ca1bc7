"""What the list of runs is filtered by: how a run stands, who has decided about its calls, and what it cost.

It changes with a wait or the end, not with each turn, since each change is an event. What is set is in the history:
a run that was started without these attributes sets none.
"""

from __future__ import annotations

from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributeUpdate

from perdure.keyring import keyring
from perdure.limits import MAX_LISTED_APPROVERS
from perdure.loop.state import LoopState
from perdure.search_attributes import APPROVERS, COST, STATUS, word


def list_run(state: LoopState) -> None:
    """Lists the run as it stands, where it is listed otherwise."""
    listed = workflow.info().typed_search_attributes
    status = listed_status(state)
    if listed.get(STATUS) in (None, status):
        return
    known: list[str] = list(listed.get(APPROVERS) or ())
    approvers = known if keyring() is not None else approvers_of(state, known)  # people's names would be in plain text
    updates: list[SearchAttributeUpdate[Any]] = [STATUS.value_set(status)]
    updates += [APPROVERS.value_set(approvers)] if approvers != known else []
    paid = state.paid  # as far as it is known: a cost that nobody knows must not look like none
    updates += [COST.value_set(paid.priced_usd)] if paid.priced_requests else []
    workflow.upsert_search_attributes(updates)  # pyright: ignore[reportUnknownMemberType]  its type has a gap


def listed_status(state: LoopState) -> str:
    """How a run stands, in the words of its status; `running` whatever it does, unless a person is waited for."""
    if state.failure is not None:
        return "failed"
    if state.root.stage == "done":
        return "finished"
    waits = {
        "waiting for approval": state.waiting_calls(),
        "waiting for an outcome": state.unknown_calls(),
        "interrupted": state.steering.interrupted,
        "paused": state.steering.paused,
        "waiting for a message": state.root.stage == "listening",
    }
    return next((status for status, holds in waits.items() if holds), "running")


def approvers_of(state: LoopState, known: list[str]) -> list[str]:
    """Who has decided so far, as they claim, in the order in which they came."""
    names = [*known, *(word(decision.by) for decision in state.decided.values() if decision.by)]
    return list(dict.fromkeys(names))[:MAX_LISTED_APPROVERS]
