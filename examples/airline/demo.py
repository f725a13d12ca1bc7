"""`perdure demo`: real conversations, played again with real tools on a real database, a worker killed in the middle.

The customer and the model say what they said when they were recorded, the model over HTTP as a provider would. All
else is done anew: the customer has a thread on Temporal, tools read and write a fresh database, approvals are answered
by signal, and a worker is killed in the middle of a step. Every tool output must then be what was recorded.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from temporalio.service import RPCError

from perdure import PerdureError, ServerTooOld, ServerUnavailable, UserError
from perdure.connection import connect

from . import summary
from .agent import airline
from .conversations import Conversation, load
from .killing import ThinkingModel
from .playing import Played, Stage, play
from .store import DATA_DIR, TABLES
from .telling import Teller, shown
from .workers import WorkerEndedError, Workers

DEFAULT_CONVERSATION = "task34-trial0"  # has three approvals; of a folder without it, the first one is played

EQUAL, DIFFERENT, WRONG_USAGE, NO_SERVER, INTERRUPTED = 0, 1, 2, 5, 130


class UnusableDataError(ValueError):
    """The data folder cannot be played; the message says what is wrong in it."""


def main(arguments: list[str]) -> int:
    """Play what the arguments ask for.

    Returns:
        0 if everything was as recorded and each kill was survived, 1 if not, 2 for arguments or data that cannot be
        used, 5 without a server, 130 after Ctrl-C.
    """
    options = _options(arguments)
    try:
        conversations = _chosen(read_data(options.data), options)
        return asyncio.run(_perform(conversations, options))
    except (OSError, ValueError, UserError) as error:
        return _fail(WRONG_USAGE, error)
    except (ServerUnavailable, ServerTooOld, RPCError) as error:
        return _fail(NO_SERVER, error)
    except (WorkerEndedError, PerdureError) as error:
        return _fail(DIFFERENT, error)
    except (KeyboardInterrupt, asyncio.CancelledError):
        return _fail(INTERRUPTED, "interrupted; the worker has been stopped")


def read_data(folder: Path) -> list[Conversation]:
    """The conversations of a data folder, and a look at the rest of it.

    Raises:
        UnusableDataError: A file is missing or malformed, or a recorded tool is none of the agent's.
    """
    try:
        conversations = load(folder)
        for table in TABLES:
            _check_table(folder / f"{table}.json")
    except (OSError, ValueError) as error:
        raise UnusableDataError(f"The data folder {str(folder)!r} cannot be used: {error}") from error
    if not conversations:
        raise UnusableDataError(f"{folder / 'conversations.jsonl'} has no conversation.")
    known = {tool.name for tool in airline.tools}
    for conversation in conversations:
        called = {call.name for turn in conversation.turns for step in turn.steps for call in step.calls}
        if called - known:
            missing = ", ".join(sorted(called - known))
            raise UnusableDataError(f"Conversation {conversation.id!r} calls tools the agent does not have: {missing}.")
    return conversations


def _check_table(path: Path) -> None:
    try:
        records: Any = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    if not isinstance(records, dict) or not all(isinstance(each, dict) for each in cast("Any", records).values()):
        raise ValueError(f"{path} is not a JSON object with one object for each id")


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="perdure demo", description=(__doc__ or "").partition("\n\n")[2])
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--conversation", metavar="ID", help=f"which one to play (default: {DEFAULT_CONVERSATION})")
    which.add_argument("--all", action="store_true", help="play all, each on a fresh database")
    parser.add_argument("--data", type=Path, default=DATA_DIR, metavar="DIR", help="a folder with files like ours")
    parser.add_argument("--json", action="store_true", help="print one line of JSON for each conversation, only that")
    parser.add_argument("--no-kill", action="store_true", help="let all workers live")
    return parser.parse_args(arguments)


def _chosen(conversations: list[Conversation], options: argparse.Namespace) -> list[Conversation]:
    if options.all:
        return conversations
    by_id = {each.id: each for each in conversations}
    if options.conversation is None:
        return [by_id.get(DEFAULT_CONVERSATION, conversations[0])]
    if options.conversation not in by_id:
        known = ", ".join(by_id)
        raise UnusableDataError(f"There is no conversation {options.conversation!r} in {options.data}; it has {known}.")
    return [by_id[options.conversation]]


async def _perform(conversations: Sequence[Conversation], options: argparse.Namespace) -> int:
    _let_sigterm_interrupt()
    teller = Teller(quiet=options.json)
    connection = await connect()
    stamp = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(2)}"
    teller.line("server", f"Temporal at {connection.address}, UI {connection.ui_url or 'unknown: set PERDURE_UI_URL'}")
    model = ThinkingModel(conversations)
    with tempfile.TemporaryDirectory(prefix="perdure-demo-") as folder, model as url:
        database = Path(folder) / "airline.db"
        environment = {"OPENAI_BASE_URL": f"{url}/v1", "OPENAI_API_KEY": "none is needed", "AIRLINE_DB": str(database)}
        async with Workers(f"airline-demo-{stamp}", environment) as workers:
            await workers.start()
            teller.line("worker", f"process {workers.pid} serves agent {airline.name} on queue {workers.queue}")
            stage = Stage(connection, workers, model, database, options.data, stamp, kills=not options.no_kill)
            good = [await _play(each, stage, teller, options) for each in conversations]
    teller.line("", "")
    with_kills = "" if options.no_kill else ", the workers' deaths notwithstanding"
    teller.line("result", f"{sum(good)} of {len(good)} conversations went as recorded{with_kills}")
    if len(good) > 1:
        teller.line("runs", summary.runs_url(connection, f'TaskQueue = "{workers.queue}"') or "in the Temporal UI")
    return EQUAL if all(good) else DIFFERENT


async def _play(conversation: Conversation, stage: Stage, teller: Teller, options: argparse.Namespace) -> bool:
    began = time.monotonic()
    played: Played = await play(conversation, stage, Teller(quiet=True) if options.all else teller)
    if options.json:
        print(summary.as_json(played, stage.connection), flush=True)
    elif options.all:
        summary.tell_line(played, teller, time.monotonic() - began)
    else:
        summary.tell(played, teller, stage.connection)
    for problem in summary.problems(played, kills=stage.kills):
        print(shown(f"{conversation.id}: {problem}"), file=sys.stderr)
    return summary.passed(played, kills=stage.kills)


def _let_sigterm_interrupt() -> None:
    """What is told to end shall end its worker, too."""
    performing = asyncio.current_task()
    if performing is not None and threading.current_thread() is threading.main_thread():
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, performing.cancel)


def _fail(code: int, error: object) -> int:
    print(f"error: {error}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
