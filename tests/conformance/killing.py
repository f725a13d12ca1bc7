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
from tests.conformance.child import PATIENCE_SECONDS
from tests.conformance.comparison import ended_in, requests_of
from tests.conformance.model_server import ModelServer, Script
from tests.conformance.registry import Scenario
from tests.conformance.sides import AGENTS, Side

ROOT = Path(__file__).resolve().parents[2]
LONGEST_DELAY_SECONDS = 0.15  # after the request: from before the answer to after what follows from it
CHILD_TIMEOUT_SECONDS = PATIENCE_SECONDS + 120.0  # so that a scenario that does not end says so itself


@dataclass(frozen=True)
class Killed:
    """A scenario and what it should end in, however often its process is killed."""

    scenario: Scenario
    ended: Any
    log: list[str]
    scripts: dict[str, Script]

    @property
    def suitable(self) -> bool:
        """Whether a new process can know all that the killed one knew, and the requests tell themselves apart.

        Where a guardrail trips beside the model, a new process may trip before it asks the model (again).
        """
        bodies = [json.dumps(request.body, sort_keys=True) for one in self.scripts.values() for request in one.received]
        ended = self.ended if isinstance(self.ended, dict) else {"raised": "", "run_data": None}
        foreign = "raised" in ended and ended["run_data"] is None
        raced = ended.get("raised") == "InputGuardrailTripwireTriggered"
        apart = bool(bodies) and len(bodies) == len(set(bodies))
        return self.scenario.killable and apart and not foreign and not raced


@dataclass(frozen=True)
class Ended:
    """What a scenario ended in though its process was killed."""

    ended: Any
    log: list[str]
    requests: dict[str, Any]
    when: str
    adopted: bool


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


async def outcomes(group: list[Killed], server: ModelServer, folder: Path, chance: random.Random) -> list[Ended]:
    """What scenarios end in on the side of Perdure, in one process that is killed once."""
    side = f"killed-{group[0].scenario.slug}"
    scripts = {one.scenario.name: _scripts(one, server, side) for one in group}
    every = [script for those in scripts.values() for script in those.values()]
    at = chance.randint(1, sum(len(script.received) for one in group for script in one.scripts.values()))
    delay = chance.choice([0.0, chance.uniform(0.0, LONGEST_DELAY_SECONDS)])
    child = _Child([one.scenario for one in group], server.url(side), folder)
    await child.start()
    arm(every, at, delay, child)
    if await child.ended() != 0:
        for script in every:
            script.expect_repeats()
        await child.start()
        await child.ended()
    when = f"at request {at} of its process, {delay:.3f} s after it"
    return [_ended(one, scripts[one.scenario.name], child, when, listed=side in server.listed) for one in group]


def _scripts(killed: Killed, server: ModelServer, side: str) -> dict[str, Script]:
    """The same answers again, under the same names of models."""
    made = {name: server.script(side, _model_of(one), name) for name, one in killed.scripts.items()}
    for name, script in made.items():
        script.answers = list(killed.scripts[name].answers)
    return made


def _ended(killed: Killed, scripts: dict[str, Script], child: _Child, when: str, *, listed: bool) -> Ended:
    said = child.outcome(killed.scenario)
    requests = {name: requests_of(script) for name, script in sorted(scripts.items())}
    keeps = any("conversation" in one.body for script in scripts.values() for one in script.received)
    return Ended(said["ended"], unique(said["log"]), requests, when, adopted=listed and keeps)


def as_adopted(value: Any) -> Any:
    """An outcome without what a conversation kept by the provider does not tell of an answer: its id and its usage."""
    if isinstance(value, dict):
        known = {name: as_adopted(entry) for name, entry in value.items() if name not in ("usage", "last_response_id")}
        return {**known, "responses": [count for _, count in known["responses"]]} if "responses" in known else known
    return [as_adopted(entry) for entry in value] if isinstance(value, list) else value


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
    """The process that runs scenarios, all at once; each start does the same."""

    def __init__(self, scenarios: list[Scenario], url: str, folder: Path) -> None:
        self._errors = folder / f"{scenarios[0].slug}.errors"
        self._outs = {scenario.name: folder / f"{scenario.slug}.json" for scenario in scenarios}
        names = [scenario.name for scenario in scenarios]
        self._command = [sys.executable, "-m", "tests.conformance.child", str(folder), *names]
        self._environment = {**os.environ, "OPENAI_BASE_URL": url, "OPENAI_API_KEY": "none is needed"}

    async def start(self) -> None:
        for out in self._outs.values():
            out.unlink(missing_ok=True)
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

    def outcome(self, scenario: Scenario) -> dict[str, Any]:
        out = self._outs[scenario.name]
        if not out.exists():
            errors = self._errors.read_text()[-2000:]
            return {"ended": f"the process left no outcome; it said: {errors}", "log": []}
        return json.loads(out.read_text())
