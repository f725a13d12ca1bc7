"""Keeps the histories that this version makes: `python -m tests.replay.keep [--add] [--only TEXT] [--to FILE]`.

It plays every scenario of `tests/conformance`, and one run of each kind that these have not, on a new server. All
executions of runs and effects go to `tests/replay/VERSION.tar.xz`; with `--add` those of what is not shown there yet,
beside what is there.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import re
import socket
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import AsyncIterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from temporalio.client import Client, WorkflowExecution, WorkflowHistory

from perdure.connection import connect
from perdure.contracts.effects import EFFECT
from tests.conformance.bench import Bench
from tests.conformance.comparison import AT_ONCE, ended_in
from tests.conformance.model_server import ModelServer
from tests.conformance.registry import Scenario, all_scenarios
from tests.conformance.sides import PERDURE, Side, connect_perdure, disconnect_perdure
from tests.end_to_end.redeploying import SIDE
from tests.replay.archive import Kept, archive_of, read, write
from tests.replay.kinds import run_each
from tests.replay.scrubbing import Scrubber, texts
from tests.replaying import failures_of

ROOT = Path(__file__).resolve().parents[2]
MODEL = re.compile(r'"model":"([a-z0-9-]+)')
NUMBERED = re.compile(r"(.+)-\d+")
ANY = "other"


async def play(scenarios: list[Scenario]) -> dict[str, str]:
    """Plays scenarios and one run of each further kind; the kind by the run's id."""
    async with ModelServer() as server:
        connect_perdure(server.url("perdure"))
        at_once = asyncio.Semaphore(AT_ONCE)

        async def one(scenario: Scenario) -> None:
            async with at_once:
                bench = Bench(scenario.slug, Side(PERDURE), server)
                bench.run_id = scenario.slug
                await ended_in(scenario, bench)

        await asyncio.gather(*(one(each) for each in scenarios if not each.alone))
        for each in scenarios:
            if each.alone:
                await one(each)
        connect_perdure(server.url(SIDE))
        return await run_each(server)


async def histories(client: Client) -> list[tuple[WorkflowExecution, WorkflowHistory]]:
    """Every execution of a run or an effect, in the order of their starts."""
    query, known = f'WorkflowType = "AgentRun" OR WorkflowType = "{EFFECT}"', -1
    while (count := (await client.count_workflows(query)).count) != known:  # the server lists what it has done later
        known = count
        await asyncio.sleep(2)
    found = [each async for each in client.list_workflows(query)]
    found.sort(key=lambda each: (each.start_time, each.run_id))
    return [(each, await client.get_workflow_handle(each.id, run_id=each.run_id).fetch_history()) for each in found]


class Names:
    """Names executions by what they show."""

    def __init__(self, kinds: dict[str, str], scenarios: list[Scenario]) -> None:
        self._kinds = {run_id: re.sub(r"[^a-z0-9]+", "-", kind.lower()) for run_id, kind in kinds.items()}
        self._slugs = {each.slug for each in scenarios}
        self._workflows: dict[str, list[str]] = {}
        self._executions: Counter[str] = Counter()

    def name(self, execution: WorkflowExecution, said: str) -> str:
        """The name of an execution; `said` is all that its history says."""
        shows = self._shows(execution, said)
        if execution.workflow_type != EFFECT:
            self._kinds[execution.id] = shows
        workflows = self._workflows.setdefault(shows, [])
        if execution.id not in workflows:
            workflows.append(execution.id)
        self._executions[execution.id] += 1
        place, turn = workflows.index(execution.id) + 1, self._executions[execution.id]
        kind = "effect" if execution.workflow_type == EFFECT else "run"
        return f"{shows}/{place:02}-{kind}{'' if turn == 1 else f'.{turn}'}.json"

    def _shows(self, execution: WorkflowExecution, said: str) -> str:
        if execution.id in self._kinds:
            return self._kinds[execution.id]
        if execution.workflow_type == EFFECT:
            run_ids = re.findall(r'"run_id":"([^"]+)"', said)
            return next((self._kinds[run_id] for run_id in run_ids if run_id in self._kinds), ANY)
        numbered = NUMBERED.fullmatch(execution.id)
        named = [*([numbered[1]] if numbered else []), *MODEL.findall(said)]
        return next((slug for slug in named if slug in self._slugs), ANY)


async def kept_of(kinds: dict[str, str], scenarios: list[Scenario]) -> list[Kept]:
    """All that is to be kept of a server."""
    client = (await connect()).client
    temporary = tempfile.gettempdir()
    places = [os.environ["PERDURE_HOME"], str(ROOT), sys.prefix, sys.base_prefix, str(Path.home()), temporary]
    scrubber, names = Scrubber(socket.gethostname(), places), Names(kinds, scenarios)
    runs_first = sorted(await histories(client), key=lambda each: each[0].workflow_type == EFFECT)
    kept: list[Kept] = []
    for execution, history in runs_first:
        events = scrubber.scrub(history.to_json_dict())
        if telling := scrubber.found(events):
            raise ValueError(f"the history of {execution.id} still tells of {telling}")
        kept.append(Kept(names.name(execution, "\n".join(texts(events))), execution.id, events))
    return kept


async def without_failing(kept: list[Kept]) -> list[Kept]:
    """Those that replay by themselves; says which do not."""

    async def each_history() -> AsyncIterator[WorkflowHistory]:
        for each in kept:
            yield each.history()

    failures = await failures_of(each_history())
    for each in kept:
        if (error := failures.get(each.history().run_id)) is not None:
            print(f"left out, as it does not replay: {each.name}: {str(error)[:300]}")
    return [each for each in kept if each.history().run_id not in failures]


async def made(only: str, shown: set[str]) -> list[Kept]:
    """What scenarios and kinds of run leave that are not `shown` yet."""
    scenarios = [each for each in all_scenarios() if only in each.name.lower() and each.slug not in shown]
    kept = await kept_of(await play(scenarios), scenarios)
    made = [each for each in kept if each.shows not in shown]
    found = await without_failing(made)
    silent = {each.slug for each in scenarios} - {each.shows for each in found}
    print(f"{len(found)} histories of {len({each.shows for each in found})} kinds are kept")
    print(f"{len(made) - len(found)} are left out")
    print(f"{len(silent)} of {len(scenarios)} scenarios have made none: {', '.join(sorted(silent))}")
    return found


def main() -> int:
    """Makes the archive."""
    parser = argparse.ArgumentParser(prog="python -m tests.replay.keep", description=__doc__)
    parser.add_argument("--add", action="store_true", help="keep what the archive has, and play what it does not show")
    parser.add_argument("--only", metavar="TEXT", default="", help="scenarios whose name contains this")
    parser.add_argument("--to", metavar="FILE", type=Path, default=archive_of(version("perdure")))
    arguments: Any = parser.parse_args()
    there = read(arguments.to) if arguments.add else []
    logging.disable(logging.CRITICAL)  # the scenarios fail on purpose
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory(prefix="perdure-kept-") as home:
        os.environ["PERDURE_HOME"] = home
        try:
            new = asyncio.run(made(arguments.only.lower(), {each.shows for each in there}))
        finally:
            disconnect_perdure()
    write(arguments.to, [*there, *new])
    print(f"{arguments.to.name}: {arguments.to.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
