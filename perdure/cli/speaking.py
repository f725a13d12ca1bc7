"""The commands that speak to a run under way: `send`, `interrupt`, `pause`, `resume`, `stop`, `cancel`."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated, Any

import typer

from perdure.cli.groups import AsJson, By, RunId

Why = Annotated[str | None, typer.Option("--reason", help="Why; shown with the run.")]


class When(StrEnum):
    """How soon a run is to hear what is said."""

    NOW = "now"  # its model is stopped
    AFTER_TOOL = "after-tool"  # no decision is waited for
    NEXT_TURN = "next-turn"  # the open turn ends wholly


def send(
    run_id: RunId,
    message: Annotated[str, typer.Argument(metavar="TEXT", help="What is said to it; - reads standard input.")],
    *,
    when: Annotated[
        When,
        typer.Option(help="next-turn: the open turn ends first; after-tool: but for decisions; now: stops the model."),
    ] = When.NEXT_TURN,
    message_id: Annotated[
        str | None, typer.Option(help="Names it: sent again under this name it is said once.")
    ] = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Says something to a run under way; its model is told with the next request, or at once."""
    from getpass import getuser

    from perdure.cli import steering
    from perdure.cli.ending import perform
    from perdure.cli.screen import Screen

    given = sys.stdin.read() if message == "-" else message
    screen = Screen(as_json=as_json)
    how: Any = when.value.replace("-", "_")
    said: dict[str, Any] = {"when": how, "message_id": message_id, "by": by or getuser()}
    perform(screen, lambda: steering.send(screen, run_id, given, **said))


def interrupt(run_id: RunId, *, reason: Why = None, by: By = None, as_json: AsJson = False) -> None:
    """Stops a run's model; the run then waits for `perdure send`, or `perdure resume`."""
    _hold("interrupt", run_id, by=by, reason=reason, as_json=as_json)


def pause(run_id: RunId, *, reason: Why = None, by: By = None, as_json: AsJson = False) -> None:
    """Lets nothing begin in a run until it is resumed; what is under way ends."""
    _hold("pause", run_id, by=by, reason=reason, as_json=as_json)


def resume(run_id: RunId, *, by: By = None, as_json: AsJson = False) -> None:
    """Lets a run go on that was paused or interrupted."""
    _hold("resume", run_id, by=by, as_json=as_json)


def stop(
    run_id: RunId,
    *,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Take that back.")] = False,
    as_json: AsJson = False,
) -> None:
    """Lets the open turn of a run end, with all its calls, and begins no other."""
    from perdure.cli import steering
    from perdure.cli.ending import perform
    from perdure.cli.screen import Screen

    screen = Screen(as_json=as_json)
    perform(screen, lambda: steering.stop(screen, run_id, withdraw=withdraw))


def cancel(run_id: RunId, as_json: AsJson = False) -> None:
    """Asks a run to stop at once; tools under way are told."""
    from perdure.cli import steering
    from perdure.cli.ending import perform
    from perdure.cli.screen import Screen

    screen = Screen(as_json=as_json)
    perform(screen, lambda: steering.cancel(screen, run_id))


def _hold(verb: Any, run_id: str, *, by: str | None, as_json: bool, **options: Any) -> None:
    from getpass import getuser

    from perdure.cli import steering
    from perdure.cli.ending import perform
    from perdure.cli.screen import Screen

    screen = Screen(as_json=as_json)
    perform(screen, lambda: steering.hold(screen, verb, run_id, by=by or getuser(), **options))
