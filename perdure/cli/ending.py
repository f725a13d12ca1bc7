"""How a command ends: its exit code, what is said of an error, and the end of the process."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import traceback
from collections.abc import Callable, Coroutine
from enum import IntEnum
from typing import Any, NoReturn

from temporalio.service import RPCError, RPCStatusCode

from perdure.cli.screen import Screen
from perdure.client.host import Host
from perdure.errors import (
    AgentsException,
    RunNotFound,
    RunUnattended,
    ServerTooOld,
    ServerUnavailable,
    UserError,
)

INTERRUPTED = 130  # what shells report for a process that Ctrl-C ended: 128 + SIGINT


class ExitCode(IntEnum):
    """What a command's exit code says."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNKNOWN = 3
    WAITS = 4
    NO_SERVER = 5
    UNATTENDED = 6


class CommandFailed(Exception):
    """A command's own failure.

    Attributes:
        code: The process's exit code.
        kind: The error's type, for `--json`.
        more: Further fields of the JSON document.
    """

    def __init__(self, code: ExitCode, kind: str, message: str, **more: Any) -> None:
        super().__init__(message)
        self.code = code
        self.kind = kind
        self.more = more


_CODES: list[tuple[type[Exception], ExitCode]] = [
    (RunNotFound, ExitCode.UNKNOWN),
    (ServerUnavailable, ExitCode.NO_SERVER),
    (ServerTooOld, ExitCode.NO_SERVER),
    (RunUnattended, ExitCode.UNATTENDED),
    (UserError, ExitCode.USAGE),
    (AgentsException, ExitCode.FAILED),
]
_RPC_CODES = {RPCStatusCode.NOT_FOUND: ExitCode.UNKNOWN, RPCStatusCode.INVALID_ARGUMENT: ExitCode.USAGE}


def perform(
    screen: Screen, work: Callable[[], Coroutine[Any, Any, int]], *, hint: str = "", busy: str = "asking the server"
) -> NoReturn:
    """Does a command's work on a loop and ends the process; see `finish`."""
    finish(screen, lambda: asyncio.run(work()), hint=hint, busy=busy)


def finish(screen: Screen, work: Callable[[], int], *, hint: str = "", busy: str = "") -> NoReturn:
    """Does a command's work and ends the process with the exit code that it returns or fails with.

    Args:
        screen: Where errors are said.
        work: Returns the exit code.
        hint: What Ctrl-C leaves behind.
        busy: What it does, said at a terminal once it takes long; nothing for a command that speaks all the time.
    """
    try:
        if busy:
            screen.progress.begin(busy)
        code = work()
    except KeyboardInterrupt:
        screen.progress.end()
        screen.note(f"Interrupted. {hint}".strip())
        code = INTERRUPTED
    except SystemExit as end:  # rich ends so where nobody reads any more, as under `| head`
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except Exception as error:  # noqa: BLE001  the end of the process: every error is said
        code = tell(screen, error)
    screen.progress.end()
    _leave(code)


def tell(screen: Screen, error: Exception) -> int:
    """Says what went wrong; an error that is none of ours or Temporal's is a defect, and comes with its traceback.

    Returns:
        The exit code.
    """
    if isinstance(error, CommandFailed):
        screen.error(error.kind, str(error), **error.more)
        return error.code
    if isinstance(error, RPCError):
        screen.error("RPCError", f"The Temporal server answered {error.status.name}: {error.message}")
        return _RPC_CODES.get(error.status, ExitCode.NO_SERVER)
    for kind, code in _CODES:
        if isinstance(error, kind):
            screen.error(type(error).__name__, str(error))
            return code
    screen.error(type(error).__name__, f"{type(error).__name__}: {error}")
    traceback.print_exception(error)
    return ExitCode.FAILED


def _leave(code: int) -> NoReturn:
    """Stops what runs in this process and ends it.

    Not by `sys.exit`: temporalio's threads can crash the interpreter while it shuts down (sdk-python issue 300).
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a second Ctrl-C does not wait for the worker
    Host.current().close()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            code = code or ExitCode.FAILED
    os._exit(code)
