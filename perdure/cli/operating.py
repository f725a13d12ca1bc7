"""The commands of who operates and develops: `perdure export`, `graph`, `dev` and `setup`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from perdure.cli.forms import Form
from perdure.cli.groups import AsJson, RunId


def export(
    run_id: RunId,
    *,
    form: Annotated[
        Form | None, typer.Option("--format", help="By default what FILE's name says, else markdown.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="By default standard output.")
    ] = None,
) -> None:
    """Writes down all of a run or thread: what was said and done, by whom, when, who decided, what it used."""
    from perdure.cli.ending import perform
    from perdure.cli.exporting import export_run
    from perdure.cli.screen import Screen

    screen = Screen(as_json=False)
    perform(screen, lambda: export_run(screen, run_id, form, output), busy="reading the run")


def dev(
    module: Annotated[
        str, typer.Argument(metavar="APP", help="A module, such as myshop.agents; all its agents are served.")
    ],
    *,
    queue: Annotated[str, typer.Option(help="The task queue where the agents are served by name.")] = "perdure",
) -> None:
    """Serves a module's agents and starts anew whenever its files change; shows where the Temporal UI is."""
    from perdure.cli.developing import develop
    from perdure.cli.ending import finish
    from perdure.cli.screen import Screen

    screen = Screen(as_json=False)
    finish(screen, lambda: develop(screen, module, queue), hint="Runs under way wait for the next worker.")


def graph(
    reference: Annotated[
        str, typer.Argument(metavar="APP", help="A module, such as myshop.agents, or one agent: MODULE:VARIABLE.")
    ],
    as_json: AsJson = False,
) -> None:
    """Draws agents with their tools, handoffs and guardrails, as text for Mermaid."""
    from perdure.cli.ending import finish
    from perdure.cli.graph import show_graph
    from perdure.cli.screen import Screen

    screen = Screen(as_json=as_json)
    finish(screen, lambda: show_graph(screen, reference))


def setup(as_json: AsJson = False) -> None:
    """Makes the namespace ready: registers the search attributes by which the Temporal UI lists runs."""
    from perdure.cli.ending import perform
    from perdure.cli.screen import Screen
    from perdure.cli.setting_up import set_up

    screen = Screen(as_json=as_json)
    perform(screen, lambda: set_up(screen))
