"""`perdure worker MODULE`, as `worker.py` calls it."""

from __future__ import annotations

from perdure.cli import main


def serve_command(arguments: list[str]) -> int:
    """Serves every agent of a module by name until it is told to stop; then the process ends here.

    Args:
        arguments: As of `perdure worker`: the module and options.

    Returns:
        The exit code where nothing was served, as with wrong arguments.
    """
    return main(["worker", *arguments])
