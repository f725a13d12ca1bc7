"""Runs one scenario on the side of Perdure: `python -m tests.conformance.child NAME RUN_ID LOG OUT`.

The log is a file, so that it survives this process; the outcome is written to another one at the end.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from pathlib import Path

from tests.conformance.bench import Bench, Log
from tests.conformance.comparison import ended_in
from tests.conformance.registry import all_scenarios
from tests.conformance.sides import PERDURE, Side


async def main(name: str, run_id: str, log: Path, out: Path) -> None:
    """Runs the scenario and writes what it ended in."""
    scenario = next(one for one in all_scenarios() if one.name == name)
    bench = Bench(scenario.slug, Side(PERDURE), None, log=Log(log))
    bench.run_id = run_id
    ended = await ended_in(scenario, bench)
    text = json.dumps({"ended": ended, "log": bench.log.lines})
    partial = out.with_suffix(".partial")
    partial.write_text(text)
    partial.rename(out)


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    asyncio.run(main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4])))
