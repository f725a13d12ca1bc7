"""Commands that go together: `perdure server ...`, `blobs ...`, `keys ...`, `deploy ...`; and single ones beside."""

from __future__ import annotations

from typing import Annotated, Any

import typer

server = typer.Typer(
    help="Starts, stops and shows the embedded Temporal server of this machine.",
    rich_markup_mode=None,
    no_args_is_help=True,
)
blobs = typer.Typer(
    help="Looks after the blob store, where large items lie.", rich_markup_mode=None, no_args_is_help=True
)

deploy = typer.Typer(
    help="Tells what a deployment does to runs under way.", rich_markup_mode=None, no_args_is_help=True
)

keys = typer.Typer(
    help="Makes and lists keys for encryption; docs/encryption.md says how to use them.",
    rich_markup_mode=None,
    no_args_is_help=True,
)

RunId = Annotated[str, typer.Argument(metavar="RUN", help="The run's id.")]
By = Annotated[str | None, typer.Option("--by", help="Who says so; by default the login name.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write one JSON document.")]
Queue = Annotated[str, typer.Option(help="The task queue where workers serve agents by name.")]
Deployment = Annotated[
    str | None,
    typer.Option(metavar="NAME", envvar="TEMPORAL_DEPLOYMENT_NAME", help="With a build id: runs are pinned to it."),
]
BuildId = Annotated[
    str | None, typer.Option(metavar="ID", envvar="TEMPORAL_WORKER_BUILD_ID", help="Names this build of the code.")
]
QUEUE = "perdure"  # perdure.client.queues.NAMED_QUEUE, which would take temporalio with it


@blobs.command()
def prune(
    grace: Annotated[
        float, typer.Option(min=60, metavar="SECONDS", help="What was written later than so long ago stays.")
    ] = 3600.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be removed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Removes blobs that no run of the namespace needs, running or ended."""
    from perdure.cli.blobs import prune_blobs
    from perdure.cli.ending import perform
    from perdure.cli.screen import Screen

    screen = Screen(as_json=as_json)
    hint = "What was removed so far is unneeded."
    perform(screen, lambda: prune_blobs(screen, grace, dry_run=dry_run), hint=hint, busy="looking for what is needed")


@deploy.callback()
def _deploy() -> None:  # so that a group of one command stays one
    return


@deploy.command()
def check(
    module: Annotated[str, typer.Argument(help="The module that is to be deployed, such as myshop.agents.")],
    *,
    queue: Queue = QUEUE,
    deployment: Deployment = None,
    build_id: BuildId = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit code 1 also where a run only may wait.")] = False,
    as_json: AsJson = False,
) -> None:
    """Says of each run under way what becomes of it with this code; exit code 1 if one would wait or stand still."""
    from perdure.cli.deploying import check_runs
    from perdure.cli.ending import perform
    from perdure.cli.modules import find_agents
    from perdure.cli.screen import Screen

    screen = Screen(as_json=as_json)
    version = deployment, build_id

    def work() -> Any:  # imports the module before there is a loop, as Python would
        return check_runs(screen, find_agents(module), queue, version, strict=strict)

    perform(screen, work, hint="Nothing was changed.")


@blobs.command()
def encrypt(as_json: AsJson = False) -> None:
    """Encrypts all blobs with the first key, so that older keys can be given up."""
    from perdure.cli.ending import perform
    from perdure.cli.keys import encrypt_blobs_anew
    from perdure.cli.screen import Screen

    screen = Screen(as_json=as_json)
    perform(screen, lambda: encrypt_blobs_anew(screen), hint="What was encrypted so far stays so.")


@keys.command()
def new(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="A name that was never used, such as 2026-11.")],
    as_json: AsJson = False,
) -> None:
    """Makes a key and shows it; it is kept nowhere."""
    from perdure.cli.ending import finish
    from perdure.cli.keys import make_key
    from perdure.cli.screen import Screen

    screen = Screen(as_json=as_json)
    finish(screen, lambda: make_key(screen, key_id))


@keys.command("list")
def list_them(as_json: AsJson = False) -> None:
    """Lists the ids of the keys that this environment has, never the keys."""
    from perdure.cli.ending import finish
    from perdure.cli.keys import list_keys
    from perdure.cli.screen import Screen

    screen = Screen(as_json=as_json)
    finish(screen, lambda: list_keys(screen))


def codec_server(
    host: Annotated[str, typer.Option(help="Where to listen; PERDURE_CODEC_TOKEN must protect others.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = 8888,
    origin: Annotated[
        list[str] | None, typer.Option(metavar="URL", help="A Temporal UI that may ask; by default this machine's.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Shows the Temporal UI what is encrypted, and encrypts what people send from there; until Ctrl-C."""
    from perdure.cli.ending import finish
    from perdure.cli.keys import CodecAddress, serve_codec
    from perdure.cli.screen import Screen

    screen = Screen(as_json=as_json)
    finish(screen, lambda: serve_codec(screen, CodecAddress(host, port, origin or [])))


@server.command()
def start(as_json: AsJson = False) -> None:
    """Starts the embedded server, if it does not run."""
    _server("start", as_json)


@server.command()
def stop(as_json: AsJson = False) -> None:
    """Stops the embedded server; its runs go on when it is started again."""
    _server("stop", as_json)


@server.command()
def status(as_json: AsJson = False) -> None:
    """Shows whether the embedded server runs; exit code 5 if not."""
    _server("status", as_json)


def _server(verb: str, as_json: bool) -> None:
    from perdure.cli.embedded_server import COMMANDS
    from perdure.cli.screen import Screen

    screen = Screen(as_json=as_json)
    doing = {"start": "starting", "stop": "stopping"}.get(verb, "looking for")
    screen.progress.begin(f"{doing} the embedded server")
    code = COMMANDS[verb](screen)
    screen.progress.end()
    raise typer.Exit(code)


def watch(
    run_id: RunId,
    after: Annotated[
        str | None, typer.Option(metavar="OFFSET", help="Begin after this event; by default at the first.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Shows what a run says and does, as it happens, until it ends; with --json one document a line."""
    from perdure.cli.ending import perform
    from perdure.cli.screen import Screen
    from perdure.cli.watching import watch_run

    screen = Screen(as_json=as_json)
    perform(screen, lambda: watch_run(screen, run_id, after), hint="The run goes on.", busy="")


def chat(
    agent: Annotated[
        str,
        typer.Argument(help="An agent's name, served by a worker; or MODULE:VARIABLE, or a MODULE with one agent."),
    ],
    *,
    thread: Annotated[str, typer.Option("--thread", metavar="ID", help="The conversation; a new one is begun.")],
    queue: Queue = QUEUE,
    by: Annotated[str | None, typer.Option("--by", help="Who decides; by default the login name.")] = None,
    as_json: AsJson = False,
) -> None:
    """Speaks with an agent in a thread: each line of input is a message; asks about calls that wait for approval."""
    from getpass import getuser

    from perdure.cli.chatting import Wanted, chat
    from perdure.cli.ending import perform
    from perdure.cli.modules import find_agent
    from perdure.cli.screen import Screen

    screen = Screen(as_json=as_json)
    wanted = Wanted(thread, queue, by or getuser())
    hint = "The thread is kept, and goes on next time."
    perform(screen, lambda: chat(screen, wanted, find_agent(agent)), hint=hint, busy="")


def threads(
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 20,
    closed: Annotated[bool, typer.Option("--closed", help="Also those that were closed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Lists the latest threads, newest first."""
    from perdure.cli.chatting import list_threads
    from perdure.cli.ending import perform
    from perdure.cli.screen import Screen

    screen = Screen(as_json=as_json)
    perform(screen, lambda: list_threads(screen, limit, closed=closed))
