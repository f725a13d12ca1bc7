"""A run is asked until it answers from where it is: too early, or while it goes on in a new history, is not the end."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast

import pytest
from temporalio.client import WorkflowQueryFailedError

from perdure.client.execution import Execution
from perdure.contracts.messages import AHEAD_TEXT, CONTINUED_TEXT

EARLY, GOING_ON = WorkflowQueryFailedError(AHEAD_TEXT), WorkflowQueryFailedError(CONTINUED_TEXT)


class Moving(Execution):
    """A run whose first answers are these errors, and which has gone on when it is followed for the nth time."""

    def __init__(self, *errors: Exception, gone_on_at: int = 1) -> None:
        self.errors, self.gone_on_at, self.followed = list(errors), gone_on_at, 0

    async def handle(self) -> Any:
        return self

    async def _follow(self) -> bool:
        self.followed += 1
        return self.followed >= self.gone_on_at

    async def asked(self, within: timedelta = timedelta(seconds=5)) -> Any:
        return await self._ask("status", dict, (), within)

    async def query(self, name: str, *_: Any, **__: Any) -> Any:
        if self.errors:
            raise self.errors.pop(0)
        return name


@pytest.mark.parametrize("errors", [[EARLY], [GOING_ON], [EARLY, GOING_ON], [GOING_ON, EARLY]])
async def test_a_run_is_asked_again_where_it_is(errors: list[Exception]) -> None:
    assert await Moving(*errors).asked() == "status"


async def test_a_run_that_could_not_go_on_because_more_came_in_is_asked_until_it_has() -> None:
    run = Moving(GOING_ON, GOING_ON, GOING_ON, gone_on_at=3)
    assert await run.asked() == "status"
    assert run.followed == 3


async def test_what_is_never_answered_is_told_in_the_end() -> None:
    with pytest.raises(WorkflowQueryFailedError, match="new history"):
        await Moving(*[GOING_ON] * 9, gone_on_at=99).asked(timedelta(seconds=0.2))
    with pytest.raises(WorkflowQueryFailedError, match="no such page"):
        await Moving(cast("Any", WorkflowQueryFailedError("no such page"))).asked()
