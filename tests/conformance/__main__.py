"""The Agents SDK and Perdure side by side: `python -m tests.conformance [--only TEXT] [--verbose] [--agents-alone]`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
import tempfile
import time
import warnings

from tests.conformance.comparison import Comparison, compare_all
from tests.conformance.differences import DIFFERENCES
from tests.conformance.registry import all_scenarios
from tests.conformance.sides import disconnect_perdure


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("--only", metavar="TEXT", help="scenarios whose name or statement contains this")
    parser.add_argument("--verbose", action="store_true", help="show what agrees, and differences on purpose, too")
    parser.add_argument("--agents-alone", action="store_true", help="check what the scenarios expect of openai-agents")
    return parser.parse_args()


def _show(found: list[Comparison], *, verbose: bool) -> int:
    agreed = 0
    unexplained = 0
    for one in found:
        reason = DIFFERENCES.get(one.scenario.name)
        differences = one.differences
        agreed += not differences
        state = "agrees" if not differences else "differs on purpose" if reason else "DIFFERS"
        if one.wrong or (differences and not reason) or verbose:
            numbers = ", ".join(map(str, one.scenario.statements))
            print(
                f"{'WRONG' if one.wrong else state}  {one.scenario.name} ({numbers}){f': {reason}' if reason else ''}"
            )
            for line in [*one.wrong, *differences]:
                print(f"    {line}")
        unexplained += bool(one.wrong) or (bool(differences) and not reason)
    if all(one.perdure is None for one in found):
        print(f"{len(found) - unexplained} / {len(found)} do on openai-agents what they are named for")
    else:
        print(f"{agreed} / {len(found)} agree; {unexplained} unexplained")
    return unexplained


def main() -> int:
    """Runs the scenarios; the exit code says whether a difference is unexplained."""
    arguments = _arguments()
    logging.disable(logging.CRITICAL)  # the scenarios fail on purpose, and each side says so in its log
    warnings.simplefilter("ignore")
    wanted = (arguments.only or "").lower()
    scenarios = [one for one in all_scenarios() if wanted in one.name.lower() or wanted in map(str, one.statements)]
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="perdure-conformance-") as home:
        os.environ["PERDURE_HOME"] = home
        try:
            if arguments.agents_alone:
                found = asyncio.run(compare_all(scenarios, sides=("agents",)))
            else:
                found = asyncio.run(compare_all(scenarios))
        finally:
            if not arguments.agents_alone:
                disconnect_perdure()
    unexplained = _show(found, verbose=arguments.verbose)
    print(f"{time.monotonic() - began:.1f} s")
    return min(unexplained, 1)


if __name__ == "__main__":
    sys.exit(main())
