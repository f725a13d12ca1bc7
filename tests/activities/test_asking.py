"""A query that was lost on its way, or came too early, is sent again; what nobody answers is told in the end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, cast

import pytest
from temporalio.client import WorkflowHandle, WorkflowQueryFailedError
from temporalio.service import RPCError, RPCStatusCode

from activities.asking import ANSWER_WITHIN, ask
from perdure.contracts.messages import AHEAD_TEXT

LOST = RPCError("Timeout expired", RPCStatusCode.CANCELLED, b"")
EARLY = WorkflowQueryFailedError(AHEAD_TEXT)


class Forgetful:
    """A run whose queries end in these, one after the other; the last one is answered."""

    def __init__(self, *ends: Exception) -> None:
        self.ends = list(ends)
        self.timeouts: list[timedelta] = []

    async def query(self, name: str, *, args: Sequence[Any], result_type: Any, rpc_timeout: timedelta) -> Any:
        self.timeouts.append(rpc_timeout)
        if self.ends:
            raise self.ends.pop(0)
        return [name, *args]

    async def asked(self) -> Any:
        return await ask(cast("WorkflowHandle[Any, Any]", self), "transcript", list, "page")


@pytest.mark.parametrize("ends", [[], [LOST], [EARLY], [LOST, EARLY]])
async def test_a_query_is_sent_until_it_is_answered(ends: list[Exception]) -> None:
    run = Forgetful(*ends)
    assert await run.asked() == ["transcript", "page"]
    assert len(run.timeouts) == len(ends) + 1


async def test_all_that_is_sent_takes_no_longer_than_one_query_may() -> None:
    run = Forgetful(LOST, LOST, LOST)
    with pytest.raises(RPCError):
        await run.asked()
    assert sum(run.timeouts, timedelta()) == ANSWER_WITHIN


@pytest.mark.parametrize(
    "end", [WorkflowQueryFailedError("no such page"), RPCError("no such run", RPCStatusCode.NOT_FOUND, b"")]
)
async def test_what_the_run_or_the_server_refuses_is_not_asked_again(end: Exception) -> None:
    run = Forgetful(end)
    with pytest.raises(type(end)):
        await run.asked()
    assert len(run.timeouts) == 1
