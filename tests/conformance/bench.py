"""What a scenario is given: scripted models, a log that everything writes to, and definitions that log what they do."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from perdure.limits import HISTORY_EVENTS
from tests.conformance.definitions import Definitions
from tests.conformance.model_server import ModelServer, Script
from tests.conformance.projection import streamed_event
from tests.conformance.sides import AGENTS, PERDURE, Side

MAIN = "main"


# Fewer than usual: every scenario goes on in new histories, as often as it can.
_HISTORY_EVENTS = int(os.environ.get("PERDURE_HISTORY_EVENTS", str(HISTORY_EVENTS)))


class Log:
    """What happened, in order; in a file where a killed process must not lose it."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._lines: list[str] = []

    def __call__(self, *words: Any) -> None:
        line = " ".join(str(word) for word in words)
        self._lines.append(line)
        if self._file is not None:
            descriptor = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            try:
                os.write(descriptor, (line + "\n").encode())
            finally:
                os.close(descriptor)

    @property
    def lines(self) -> list[str]:
        if self._file is not None:
            return self._file.read_text().splitlines() if self._file.exists() else []
        return list(self._lines)

    def count(self, line: str) -> int:
        return self.lines.count(line)


class Bench(Definitions):
    """One scenario on one side."""

    def __init__(self, slug: str, side: Side, server: ModelServer | None, *, log: Log | None = None) -> None:
        self.sdk = side
        self.log = log or Log()
        self.slug = slug
        self.run_id: str | None = None
        self.approvals = 0
        self.decided_one_by_one = False
        self._server = server
        self._runs = 0
        self.scripts: dict[str, Script] = {}
        self.model = self.lane(MAIN)

    # Models

    def lane(self, name: str, *answers: Any, model: str | None = None) -> str:
        """The name of a model with a script of its own."""
        model = model or (self.slug if name == MAIN else f"{self.slug}.{name}")
        if self._server is not None:
            script = self._server.script(self.sdk.name, model, name)
            script.answers += answers
            self.scripts[name] = script
        return model

    def script(self, *answers: Any) -> None:
        """What the main model answers, request by request: a text, an item, a list of items, `said`, a `Failure`."""
        self.lane(MAIN, *answers, model=self.model)

    def log_requests(self) -> None:
        """Has requests to the models in the log."""
        for lane, script in self.scripts.items():
            script.on_request = lambda turn, lane=lane: self.log("model" if lane == MAIN else f"model {lane}", turn)

    @property
    def url(self) -> str:
        """Where this side's models are."""
        return os.environ["OPENAI_BASE_URL"] if self._server is None else self._server.url(self.sdk.name)

    def bodies(self, lane: str = MAIN) -> list[dict[str, Any]]:
        """What the model got; nothing in a process that is not the server's."""
        return [request.body for request in self.scripts[lane].received] if lane in self.scripts else []

    # Runs

    def config(self, **fields: Any) -> Any:
        """The settings of a run with what both sides need to be comparable."""
        if self.sdk.name == PERDURE:
            fields = {"tool_output_format": "str", "history_events": _HISTORY_EVENTS, **fields}
        return self.sdk.RunConfig(**fields)

    async def run(self, agent: Any, input: Any = "hi", *, config: dict[str, Any] | None = None, **options: Any) -> Any:
        """`Runner.run`, with a `run_id` where the scenario has one; a thread's messages have their own names."""
        if self.run_id is not None and "thread" not in options and not isinstance(input, self.sdk.RunState):
            self._runs += 1
            options["run_id"] = f"{self.run_id}-{self._runs}"
        return await self.sdk.Runner.run(agent, input, run_config=self.config(**(config or {})), **options)

    def run_streamed(
        self, agent: Any, input: Any = "hi", *, config: dict[str, Any] | None = None, **options: Any
    ) -> Any:
        """`Runner.run_streamed`."""
        return self.sdk.Runner.run_streamed(agent, input, run_config=self.config(**(config or {})), **options)

    async def stream(self, agent: Any, input: Any = "hi", **options: Any) -> list[Any]:
        """All that a streamed run tells, and the result or the exception after it."""
        return await self.told(self.run_streamed(agent, input, **options))

    async def told(self, result: Any, each: Callable[[Any], None] = lambda event: None) -> list[Any]:
        """All that a streamed result tells, and the result itself or the exception after it."""
        found: list[Any] = []
        try:
            async for event in result.stream_events():
                found.append(streamed_event(event))
                each(event)
        except Exception as error:  # noqa: BLE001  whatever it is, it is what is compared
            return [*found, error]
        return [*found, result]

    async def resume(self, agent: Any, result: Any, decide: Callable[[Any], None], **options: Any) -> Any:
        """Decides what waits and goes on."""
        self.decided_one_by_one = True
        state = result.to_state()
        decide(state)
        return await self.run(agent, state, **options)

    async def approve_all(self, agent: Any, result: Any, **options: Any) -> Any:
        """Approves what waits and goes on; what a killed process had approved already needs neither."""
        self.approvals += 1
        if not result.interruptions:
            return result
        state = result.to_state()
        for item in result.interruptions:
            state.approve(item)
        return await self.run(agent, state, **options)

    async def raised(self, run: Any) -> BaseException:
        """The exception that this ends in."""
        try:
            await run
        except Exception as error:  # noqa: BLE001  whatever it is, it is what is compared
            return error
        raise AssertionError("nothing was raised")

    async def ended(self, run: Any) -> Any:
        """The result of this, or the exception that it ends in."""
        try:
            return await run
        except Exception as error:  # noqa: BLE001  whatever it is, it is what is compared
            return error

    async def all_ended(self, runs: list[Any]) -> list[Any]:
        """The result of each of these, or the exception that it ends in; they run at once, so the log has no order."""
        return list(await asyncio.gather(*(self.ended(run) for run in runs)))

    # Expectations

    def expect(self, holds: Callable[[], bool], what: str = "the behaviour that the scenario is named for") -> None:
        """Must hold on the side of the Agents SDK; the other side is compared with it."""
        if self.sdk.name == AGENTS and not holds():
            raise AssertionError(f"openai-agents does not show {what}")
