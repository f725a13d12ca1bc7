"""Runs scenarios on both sides and says where they differ."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.conformance.bench import Bench
from tests.conformance.known import without_known
from tests.conformance.model_server import ModelServer, Script
from tests.conformance.projection import SAID, plain
from tests.conformance.registry import UNSET, Scenario
from tests.conformance.sides import AGENTS, Side, connect_agents, connect_perdure

TIMEOUT_SECONDS = 90.0
AT_ONCE = 8
TIMES = 3  # that a scenario is played whose sides did the same in another order; one that is left to chance agrees once


@dataclass
class Outcome:
    """What a scenario did on one side."""

    ended: Any
    log: list[str]
    requests: dict[str, list[dict[str, Any]]]

    def compared(self, *, ordered: bool) -> dict[str, Any]:
        return {"ended": self.ended, "log": self.log if ordered else sorted(self.log), "requests": self.requests}

    def without_order(self) -> dict[str, Any]:
        """The same without the order of what was logged, or told to who watched."""
        told = sorted(self.ended, key=json.dumps) if isinstance(self.ended, list) else self.ended
        return {**self.compared(ordered=False), "ended": told}


@dataclass
class Comparison:
    """A scenario's outcomes side by side."""

    scenario: Scenario
    agents: Outcome
    perdure: Outcome | None = None
    wrong: list[str] = field(default_factory=list[str])

    @property
    def differences(self) -> list[str]:
        """Each place where the sides differ, readably."""
        if self.perdure is None:
            return []
        return self._differences(self.perdure, ordered=self.scenario.ordered)

    @property
    def only_in_order(self) -> bool:
        """Whether the sides did the same in another order, as chance may have it where several things run at once."""
        if self.perdure is None or not self.scenario.ordered:
            return False
        unlike = self._differences(self.perdure, ordered=True)
        return bool(unlike) and not differences_of(self.agents.without_order(), self.perdure.without_order())

    def _differences(self, perdure: Outcome, *, ordered: bool) -> list[str]:
        return differences_of(self.agents.compared(ordered=ordered), perdure.compared(ordered=ordered))


async def run_on(scenario: Scenario, side: Side, server: ModelServer, *, time: int = 0) -> Outcome:
    """Runs a scenario on one side, for the first time or again."""
    bench = Bench(f"{scenario.slug}-{time}" if time else scenario.slug, side, server)
    ended = await ended_in(scenario, bench)
    requests = {lane: requests_of(script) for lane, script in sorted(bench.scripts.items())}
    return Outcome(ended, bench.log.lines, requests)


async def ended_in(scenario: Scenario, bench: Bench, patience: float = TIMEOUT_SECONDS) -> Any:
    """What a scenario gives or raises, as plain data; or that it does not end within so many seconds."""
    try:
        async with asyncio.timeout(patience):
            return plain(await scenario.program(bench.sdk, bench))
    except Exception as error:  # noqa: BLE001  the exception is the outcome
        return plain(error)


def requests_of(script: Script) -> list[dict[str, Any]]:
    """The requests that a model got, without what is left to chance."""
    found: list[dict[str, Any]] = []
    for request in script.received:
        body = json.loads(_without_chance(json.dumps(request.body)))
        found.append({"path": request.path, **({"headers": request.headers} if request.headers else {}), "body": body})
    return found


def _without_chance(text: str) -> str:
    return re.sub(r'("prompt_cache_key": ")agents-sdk[^"]*"', r'\1(generated)"', text)


def differences_of(agents: dict[str, Any], perdure: dict[str, Any]) -> list[str]:
    """Each place where two outcomes differ, readably; where they end in different ways, that alone."""
    agents, perdure = without_known(agents, perdure)
    if _way(agents["ended"]) != _way(perdure["ended"]):
        return [_difference("ended", agents["ended"], perdure["ended"])]
    return list(_differ(agents, perdure, ""))


def _way(ended: Any) -> tuple[str, Any]:
    return type(ended).__name__, ended.get("raised") if isinstance(ended, dict) else None


def _differ(left: Any, right: Any, path: str) -> Iterator[str]:
    if isinstance(left, dict) and isinstance(right, dict):
        for key in [*left, *(key for key in right if key not in left)]:
            if key != SAID:
                yield from _differ(left.get(key, "(absent)"), right.get(key, "(absent)"), f"{path}.{key}")
    elif isinstance(left, list) and isinstance(right, list):
        yield from _differ_in_lists(left, right, path)
    elif left != right:
        yield _difference(path.lstrip("."), left, right)


def _differ_in_lists(left: list[Any], right: list[Any], path: str) -> Iterator[str]:
    for place, (one, other) in enumerate(zip(left, right, strict=False)):
        found = list(_differ(one, other, f"{path}[{place}]"))
        yield from found
        if found and len(left) != len(right):
            break  # one item too many makes all after it differ
    if len(left) != len(right):
        yield _difference(f"{path.lstrip('.')}, {len(left)} and {len(right)} entries", left, right)


def _difference(path: str, left: Any, right: Any) -> str:
    return f"{path}\n      agents:  {_shown(left)}\n      perdure: {_shown(right)}"


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 700 else text[:700] + " …"


def check_expectations(scenario: Scenario, outcome: Outcome) -> list[str]:
    """Where the Agents SDK does not do what the scenario is named for."""
    ended, wrong = outcome.ended, list[str]()
    raised = ended.get("raised") if isinstance(ended, dict) else None
    if raised != scenario.raises:
        wrong.append(f"raised {raised} ({_shown(ended)}), expected {scenario.raises}")
    results = [one for one in (ended if isinstance(ended, list) else [ended]) if isinstance(one, dict)]
    finals = [one["final_output"] for one in results if "final_output" in one]
    if scenario.final is not UNSET and finals[-1:] != [scenario.final]:
        wrong.append(f"ended in {_shown(ended)}, expected the final output {scenario.final!r}")
    log = outcome.log if scenario.ordered else sorted(outcome.log)
    if scenario.log is not None and log != (scenario.log if scenario.ordered else sorted(scenario.log)):
        wrong.append("the log is\n        " + "\n        ".join(log))
    count = sum(len(requests) for requests in outcome.requests.values())
    if scenario.requests is not None and count != scenario.requests:
        wrong.append(f"{count} requests, expected {scenario.requests}")
    return wrong


async def compare_all(scenarios: list[Scenario], *, sides: tuple[str, ...] = ("agents", "perdure")) -> list[Comparison]:
    """Runs scenarios on both sides, several at once."""
    async with ModelServer() as server:
        connect_agents(server.url("agents"))
        connect_perdure(server.url("perdure"))
        at_once = asyncio.Semaphore(AT_ONCE)

        async def compare(scenario: Scenario) -> Comparison:
            async with at_once:
                found = await compare_once(scenario, 0)
                for time in range(1, TIMES):
                    if found.only_in_order:
                        found = await compare_once(scenario, time)
                return found

        async def compare_once(scenario: Scenario, time: int) -> Comparison:
            agents = await run_on(scenario, Side(AGENTS), server, time=time)
            perdure = await run_on(scenario, Side("perdure"), server, time=time) if "perdure" in sides else None
            return Comparison(scenario, agents, perdure, check_expectations(scenario, agents))

        alone = [scenario for scenario in scenarios if scenario.alone]
        together = [scenario for scenario in scenarios if not scenario.alone]
        found = list(await asyncio.gather(*(compare(scenario) for scenario in together)))
        found += [await compare(scenario) for scenario in alone]
        order = {scenario.name: place for place, scenario in enumerate(scenarios)}
        return sorted(found, key=lambda one: order[one.scenario.name])
