"""The `perdure` command. Nothing heavy is imported before a command needs it, so that `--help` answers at once."""

from __future__ import annotations

import sys


def main(arguments: list[str] | None = None) -> int:
    """Runs one command.

    Args:
        arguments: By default those of the process.

    Returns:
        The exit code, for commands that leave nothing running; all others end the process themselves.
    """
    from perdure.cli.app import app

    try:
        app(args=sys.argv[1:] if arguments is None else arguments, prog_name="perdure")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0
