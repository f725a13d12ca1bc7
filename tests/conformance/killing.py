"""Kills the process that runs a scenario, at a random request of its models, and starts it again."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conformance.bench import Bench
from tests.conformance.comparison import ended_in, requests_of
from tests.conformance.model_server import ModelServer, Script
from tests.conformance.registry import Scenario
from tests.conformance.sides import AGENTS, Side

ROOT = Path(__file__).resolve().parents[2]
LONGEST_DELAY_SECONDS = 0.15  # after the request: from before the answer to after what follows from it
CHILD_TIMEOUT_SECONDS = 90.0


@dataclass(frozen=True)
class Killed:
    """A scenario and what it should end in, however often its process is killed."""

    scenario: Scenario
    ended: Any
    log: list[str]
    scripts: dict[str, Script]

    @property
    def suitable(self) -> bool:
        """Whether a new process can know all that the killed one knew, and the requests tell themselves apart."""
        bodies = [json.dumps(request.body, sort_keys=True) for one in self.scripts.values() for request in one.received]
        foreign = "raised" in self.ended and self.ended["run_data"] is None if isinstance(self.ended, dict) else True
        return self.scenario.killable and bool(bodies) and len(bodies) == len(set(bodies)) and not foreign


async def expected(scenario: Scenario, server: ModelServer) -> Killed | None:
    """The scenario on the side of the Agents SDK; nothing where it does not suit."""
    bench = Bench(scenario.slug, Side(AGENTS), server)
    ended = await ended_in(scenario, bench)
    found = Killed(scenario, ended, unique(bench.log.lines), bench.scripts)
    waits = isinstance(ended, dict) and bool(ended.get("interruptions")) and bench.approvals > 0
    return found if found.suitable and not bench.decided_one_by_one and bench.approvals <= 1 and not waits else None


def unique(lines: list[str]) -> list[str]:
    """The lines without those that a repeated step has written again."""
    return list(dict.fromkeys(lines))


async def outcome(killed: Killed, server: ModelServer, folder: Path, chance: random.Random) -> dict[str, Any]:
    """What the scenario ends in on the side of Perdure, with its process killed once."""
    side = f"killed-{killed.scenario.slug}"
    scripts = {name: server.script(side, _model_of(one), name) for name, one in killed.scripts.items()}
    for name, script in scripts.items():
        script.answers = list(killed.scripts[name].answers)
    at = chance.randint(1, sum(len(script.received) for script in killed.scripts.values()))
    delay = chance.choice([0.0, chance.uniform(0.0, LONGEST_DELAY_SECONDS)])
    child = _Child(killed.scenario, server.url(side), folder)
    await child.start()
    arm(list(scripts.values()), at, delay, child)
    if await child.ended() != 0:
        for script in scripts.values():
            script.expect_repeats()
        await child.start()
        await child.ended()
    said = child.outcome()
    return {
        "ended": said["ended"],
        "log": unique(said["log"]),
        "killed": f"at request {at}, {delay:.3f} s after it",
        "requests": {name: requests_of(script) for name, script in sorted(scripts.items())},
        "listed": side in server.listed,
    }


def without_usage(value: Any) -> Any:
    """An outcome without what was used: a conversation that the provider keeps does not tell it of an answer."""
    if isinstance(value, dict):
        return {name: without_usage(entry) for name, entry in value.items() if name != "usage"}
    return [without_usage(entry) for entry in value] if isinstance(value, list) else value


def arm(scripts: list[Script], at: int, delay: float, child: _Child) -> None:
    """Has the first process killed some time after a request."""
    count = 0

    def arrived(turn: int) -> None:
        nonlocal count
        count += 1
        if count == at:
            asyncio.get_running_loop().call_later(delay, child.kill) if delay else child.kill()

    for script in scripts:
        script.on_request = arrived


def _model_of(script: Script) -> str:
    return str(script.received[0].body["model"]) if script.received else script.lane


class _Child:
    """The process that runs a scenario; each start does the same."""

    def __init__(self, scenario: Scenario, url: str, folder: Path) -> None:
        self._log, self._out = folder / f"{scenario.slug}.log", folder / f"{scenario.slug}.json"
        self._errors = folder / f"{scenario.slug}.errors"
        run_id = f"killed-{scenario.slug}"[:80]
        self._command = [sys.executable, "-m", "tests.conformance.child", scenario.name, run_id]
        self._command += [str(self._log), str(self._out)]
        self._environment = {**os.environ, "OPENAI_BASE_URL": url, "OPENAI_API_KEY": "none is needed"}

    async def start(self) -> None:
        with self._errors.open("ab") as errors:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, cwd=ROOT, env=self._environment, stdout=errors, stderr=errors
            )

    async def ended(self) -> int:
        try:
            return await asyncio.wait_for(self._process.wait(), CHILD_TIMEOUT_SECONDS)
        except TimeoutError:
            self.kill()
            return await self._process.wait()

    def kill(self) -> None:
        if self._process.returncode is None:
            self._process.kill()

    def outcome(self) -> dict[str, Any]:
        if not self._out.exists():
            errors = self._errors.read_text()[-2000:]
            return {"ended": f"the process left no outcome; it said: {errors}", "log": []}
        return json.loads(self._out.read_text())
