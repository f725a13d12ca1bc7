"""Scenarios that are played twice: their states stay objects, or go through JSON before and after they are decided."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.conformance.registry import scenario

Decide = Callable[[Any, Any], Any]
"""Decides on a state, given with the calls that wait in it."""


class Resuming:
    """How a program goes on from a result."""

    def __init__(self, sdk: Any, bench: Any, *, through_json: bool) -> None:
        self._sdk = sdk
        self._bench = bench
        self.through_json = through_json

    async def state(self, agent: Any, result: Any) -> Any:
        """The result's state, read from its JSON if that is the way."""
        state = result.to_state()
        return await self._sdk.RunState.from_json(agent, state.to_json()) if self.through_json else state

    async def decided(self, agent: Any, result: Any, decide: Decide) -> Any:
        """The result's state with decisions."""
        state = await self.state(agent, result)
        decide(state, state.get_interruptions())
        return await self._sdk.RunState.from_json(agent, state.to_json()) if self.through_json else state

    async def resume(self, agent: Any, result: Any, decide: Decide, **options: Any) -> Any:
        """Decides, and goes on."""
        return await self._bench.run(agent, await self.decided(agent, result, decide), **options)

    async def approve(self, agent: Any, result: Any, **options: Any) -> Any:
        """Approves all that waits, and goes on."""
        return await self.resume(agent, result, approve_all, **options)


def approve_all(state: Any, items: Any) -> None:
    """Approves all that waits."""
    for item in items:
        state.approve(item)


def approve_first(state: Any, items: Any) -> None:
    """Approves the first call that waits."""
    state.approve(items[0])


Program = Callable[[Any, Any, Resuming], Any]


def both_ways(name: str, *statements: int, **expected: Any) -> Callable[[Program], Program]:
    """Registers a program twice; see `scenario`."""

    def register(program: Program) -> Program:
        for through_json in (False, True):

            async def run(sdk: Any, bench: Any, through_json: bool = through_json) -> Any:
                return await program(sdk, bench, Resuming(sdk, bench, through_json=through_json))

            title = f"{name}, through JSON" if through_json else name
            scenario(title, *statements, **{"killable": False, **expected})(run)
        return program

    return register
