"""Tells before a deployment which runs under way it would affect."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict

from perdure.cli.blobs import now_and_then
from perdure.cli.ending import ExitCode
from perdure.cli.modules import FoundAgents
from perdure.cli.readiness import module_gaps, refuse
from perdure.cli.screen import Line, Screen
from perdure.cli.versioning import version_of
from perdure.client.deploying import VERDICTS, Affected, Deployed, Verdict, check_deployment
from perdure.client.host import Host
from perdure.visible import in_line

_STYLES: dict[Verdict, str] = {"stands still": "bold red", "waits": "bold red", "may wait": "bold"}


async def check_runs(
    screen: Screen, found: FoundAgents, queue: str, version: tuple[str | None, str | None], *, strict: bool
) -> int:
    """Shows what becomes of each run under way; fails where one would stand still or wait.

    Args:
        screen: Where it is shown.
        found: The module that is to be deployed.
        queue: The task queue of its workers.
        version: Deployment and build, if any.
        strict: Fail also where a run may wait.

    Raises:
        CommandFailed: The module could not be served at all.
    """
    refuse(found.module, module_gaps(found))
    build = version_of(*version)
    deployed = Deployed(
        agents=list(found.agents.values()),
        queue=queue,
        session_factory=found.session_factory,
        build=None if build is None else (build.deployment_name, build.build_id),
    )
    host = Host.current()
    client = (await host.call(host.connection())).client
    affected = await host.call(check_deployment(client, deployed, now_and_then(screen)))
    counts: Counter[Verdict] = Counter(each.verdict for each in affected)
    document = {"runs": [asdict(each) for each in affected], "counts": {name: counts[name] for name in VERDICTS}}
    screen.show(document, _lines(affected, counts, queue))
    fails = counts["stands still"] + counts["waits"] + (counts["may wait"] if strict else 0)
    return ExitCode.FAILED if fails else ExitCode.OK


def _lines(affected: list[Affected], counts: Counter[Verdict], queue: str) -> list[Line]:
    lines: list[Line] = []
    for each in affected:
        if each.verdict == "unaffected":
            continue
        agent = f" ({in_line(each.agent)})" if each.agent else ""
        lines.append(Line(f"{in_line(each.run_id)}{agent}: {each.verdict}", _STYLES.get(each.verdict, "")))
        lines += [Line(f"  {in_line(reason)}") for reason in each.reasons]
    told = ", ".join(f"{counts[name]} {name}" for name in VERDICTS if counts[name]) or "none"
    return [*lines, Line(f"Runs under way on task queue {in_line(queue)}: {told}.", "bold")]
