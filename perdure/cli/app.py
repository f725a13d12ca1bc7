"""The commands, their arguments and options."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated, Any

import typer

from perdure.cli.groups import (
    QUEUE,
    AsJson,
    BuildId,
    By,
    Deployment,
    Queue,
    RunId,
    blobs,
    chat,
    codec_server,
    deploy,
    keys,
    server,
    threads,
    watch,
)
from perdure.cli.operating import dev, export, graph, setup
from perdure.cli.speaking import cancel, interrupt, pause, resume, send, stop

_EPILOG = """\b
Exit codes:
  0  it went well
  1  the run failed or was cancelled, a decision was refused, or runs would wait for other code
  2  wrong usage
  3  no such run or call
  4  the run waits for approval
  5  no Temporal server answers, or it is too old
  6  nobody serves the run
  130  interrupted (Ctrl-C)

With --json a command writes one JSON document to standard output: its answer, an array where it lists, or
{"error": {"type": ..., "message": ...}}. Hints and errors for people go to standard error.

The server is the one that TEMPORAL_ADDRESS or temporal.toml names, else one that Perdure starts on this machine."""

app = typer.Typer(
    name="perdure",
    help="Runs AI agents that survive anything: every run is a Temporal workflow.",
    epilog=_EPILOG,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
app.add_typer(server, name="server")
app.add_typer(blobs, name="blobs")
app.add_typer(deploy, name="deploy")
app.add_typer(keys, name="keys")

CallId = Annotated[str, typer.Argument(metavar="CALL", help="The call, as `perdure approvals` names it.")]
Limit = Annotated[int, typer.Option(min=1, help="How many runs at most.")]


class Outcome(StrEnum):
    """What may have become of a call."""

    HAPPENED = "happened"
    NOT_HAPPENED = "not-happened"  # the model is told so
    RETRY = "retry"  # it did not happen, and runs anew


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"perdure {version('perdure')}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


app.command(name="codec-server")(codec_server)


@app.command(add_help_option=False, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def demo(context: typer.Context) -> None:
    """Plays a real conversation end to end; `perdure demo --help` shows its options."""
    from perdure.cli.ending import finish
    from perdure.cli.screen import Screen
    from perdure.rooms import load_room

    arguments = list(context.args)
    screen = Screen(as_json="--json" in arguments)
    finish(screen, lambda: load_room("examples.airline.demo").main(arguments), hint="Its runs are kept.")


@app.command()
def worker(
    module: Annotated[str, typer.Argument(help="A Python module, such as myshop.agents; all its agents are served.")],
    *,
    queue: Queue = QUEUE,
    graceful: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="For steps under way, once told to stop.")
    ] = 60.0,
    log_level: Annotated[str, typer.Option(metavar="LEVEL", help="debug, info, warning or error.")] = "info",
    health_port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, envvar="PERDURE_HEALTH_PORT", help="Answers GET /live and /ready there."),
    ] = None,
    deployment: Deployment = None,
    build_id: BuildId = None,
    as_json: AsJson = False,
) -> None:
    """Serves every agent of a module by name, until Ctrl-C or SIGTERM."""
    from perdure.cli.screen import Screen
    from perdure.cli.serving import run_worker

    run_worker(
        Screen(as_json=as_json), module, log_level, (deployment, build_id),
        queue=queue, graceful_seconds=graceful, health_port=health_port,
    )  # fmt: skip


@app.command()
def run(
    agent: Annotated[
        str,
        typer.Argument(help="An agent's name, served by a worker; or MODULE:VARIABLE, or a MODULE with one agent."),
    ],
    message: Annotated[str, typer.Argument(metavar="INPUT", help="What is said to it; - reads standard input.")],
    *,
    run_id: Annotated[str | None, typer.Option(help="The run's id; a run that has it is attached to.")] = None,
    queue: Queue = QUEUE,
    max_turns: Annotated[int, typer.Option(min=0, help="How often the model may be asked.")] = 10,
    wait: Annotated[bool, typer.Option(help="Wait until the run ends or waits for approval.")] = True,
    as_json: AsJson = False,
) -> None:
    """Starts a run and waits for its answer; exit code 4 if it waits for approval."""
    from perdure.cli.ending import perform
    from perdure.cli.modules import find_agent
    from perdure.cli.screen import Screen
    from perdure.cli.starting import Wanted, start_run

    given = sys.stdin.read() if message == "-" else message
    wanted = Wanted(agent, given, run_id, queue, max_turns, wait)
    screen = Screen(as_json=as_json)
    # The module is imported before there is a loop, as Python would.
    perform(
        screen,
        lambda: start_run(screen, wanted, find_agent(agent)),
        hint="The run goes on as long as a process serves it.",
        busy="waiting for the run",
    )


@app.command()
def runs(
    query: Annotated[
        str | None, typer.Option(help="A condition in Temporal's list filter: 'ExecutionStatus = \"Running\"'.")
    ] = None,
    limit: Limit = 20,
    as_json: AsJson = False,
) -> None:
    """Lists the latest runs, newest first."""
    from perdure.cli.ending import perform
    from perdure.cli.inspecting import list_runs
    from perdure.cli.screen import Screen

    screen = Screen(as_json=as_json)
    perform(screen, lambda: list_runs(screen, query, limit))


@app.command()
def show(
    run_id: RunId,
    raw: Annotated[bool, typer.Option("--raw", help="Show the items as JSON, one per line.")] = False,
    as_json: AsJson = False,
) -> None:
    """Shows what a run does, what it waits for and what was said."""
    from perdure.cli.ending import perform
    from perdure.cli.inspecting import show_run
    from perdure.cli.screen import Screen

    screen = Screen(as_json=as_json)
    perform(screen, lambda: show_run(screen, run_id, raw=raw))


[app.command()(command) for command in (watch, chat, threads)]


@app.command()
def why(run_id: RunId, as_json: AsJson = False) -> None:
    """Says in one sentence what a run waits for, and the commands that help."""
    from perdure.cli.ending import perform
    from perdure.cli.inspecting import explain_run
    from perdure.cli.screen import Screen

    screen = Screen(as_json=as_json)
    perform(screen, lambda: explain_run(screen, run_id))


@app.command()
def approvals(
    run_id: Annotated[str | None, typer.Argument(metavar="[RUN]", help="A run; by default all that run.")] = None,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """Lists the calls that wait for a decision, with the commands that decide them."""
    from perdure.cli.ending import perform
    from perdure.cli.inspecting import list_approvals
    from perdure.cli.screen import Screen

    screen = Screen(as_json=as_json)
    perform(screen, lambda: list_approvals(screen, run_id, limit))


@app.command()
def approve(
    run_id: RunId,
    call_id: CallId,
    *,
    by: By = None,
    always: Annotated[bool, typer.Option("--always", help="Also later calls of this tool in this run.")] = False,
    as_json: AsJson = False,
) -> None:
    """Approves a call that waits."""
    _decide("approve", run_id, call_id, by=by, always=always, as_json=as_json)


@app.command()
def reject(
    run_id: RunId,
    call_id: CallId,
    *,
    by: By = None,
    reason: Annotated[str | None, typer.Option(help="Told to the model.")] = None,
    always: Annotated[bool, typer.Option("--always", help="Also later calls of this tool in this run.")] = False,
    as_json: AsJson = False,
) -> None:
    """Rejects a call that waits."""
    _decide("reject", run_id, call_id, by=by, always=always, as_json=as_json, reason=reason)


@app.command()
def resolve(
    run_id: RunId,
    call_id: CallId,
    outcome: Annotated[Outcome, typer.Argument(help="not-happened: the model is told so; retry: it runs anew.")],
    *,
    result: Annotated[str | None, typer.Option(help="What came of it, if it happened.")] = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Says what became of a call of which nobody knows whether it took effect."""
    from getpass import getuser

    from perdure.cli import deciding
    from perdure.cli.ending import perform
    from perdure.cli.screen import Screen

    screen = Screen(as_json=as_json)
    said = outcome.value.replace("-", "_")
    perform(screen, lambda: deciding.resolve(screen, run_id, call_id, said, result=result, by=by or getuser()))


for command in (send, interrupt, pause, resume, stop, cancel, export, graph, dev, setup):
    app.command()(command)


@app.command()
def delete(run_id: RunId, as_json: AsJson = False) -> None:
    """Deletes a run that has ended, with its blobs that no other run needs."""
    from perdure.cli.blobs import delete_run_of
    from perdure.cli.ending import perform
    from perdure.cli.screen import Screen

    screen = Screen(as_json=as_json)
    perform(screen, lambda: delete_run_of(screen, run_id))


def _decide(verb: Any, run_id: str, call_id: str, *, by: str | None, as_json: bool, **options: Any) -> None:
    from getpass import getuser

    from perdure.cli.deciding import decide
    from perdure.cli.ending import perform
    from perdure.cli.screen import Screen

    screen = Screen(as_json=as_json)
    perform(screen, lambda: decide(screen, verb, run_id, call_id, by=by or getuser(), **options))
