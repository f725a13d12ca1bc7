"""A worker's health over HTTP, for Docker and Kubernetes: `/live` and `/ready`.

Live is a worker whose loop answers: one that does not is helped by a restart, one whose server is away is not.
Ready is a worker that takes steps: the server has seen it poll, still answers, and nobody has told it to stop.
"""

from __future__ import annotations

import asyncio
import contextlib
import json

from perdure.cli.ending import CommandFailed, ExitCode

_READ_SECONDS = 5.0
_LONGEST_LINE = 8192  # bytes of a request's line or of one header
_REASONS = {200: "OK", 404: "Not Found", 503: "Service Unavailable"}


class Health:
    """What a worker tells of itself.

    Attributes:
        started: Whether the server has seen it poll.
        lost: Why the server does not answer, if it does not.
        stopping: Whether it was told to stop.
    """

    def __init__(self) -> None:
        self.started = False
        self.lost: str | None = None
        self.stopping = False

    @property
    def lacks(self) -> str | None:
        """Why it takes no steps; `None` if it does."""
        if self.stopping:
            return "stopping: no new steps"
        if not self.started:
            return "starting: the server has not seen it poll yet"
        return f"the server does not answer: {self.lost}" if self.lost is not None else None

    async def start(self, port: int) -> asyncio.Server:
        """Answers on this port of all addresses, from the running loop; 0 stands for any free one.

        Raises:
            CommandFailed: The port cannot be had.
        """
        try:
            addresses = None if port else "0.0.0.0"  # any free port, 0, would be another one for IPv6
            return await asyncio.start_server(self._answer, addresses, port, limit=_LONGEST_LINE)
        except (OSError, OverflowError) as error:
            text = f"The health port {port} cannot be had ({error}); give another --health-port."
            raise CommandFailed(ExitCode.USAGE, "WorkerNotReady", text) from error

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(TimeoutError, OSError, ValueError):  # who asks is too slow, gone, or speaks no HTTP
            async with asyncio.timeout(_READ_SECONDS):
                status, document = self._told(await _path(reader))
                writer.write(_response(status, document))
                await writer.drain()
        writer.close()

    def _told(self, path: str) -> tuple[int, dict[str, object]]:
        lacks = self.lacks
        document: dict[str, object] = {"live": True, "ready": lacks is None}
        if lacks is not None:
            document["why"] = lacks
        match path:
            case "/live":
                return 200, document
            case "/ready":
                return (200 if lacks is None else 503), document
            case _:
                return 404, {"paths": ["/live", "/ready"]}


async def _path(reader: asyncio.StreamReader) -> str:
    """The path of a request, without its query; what follows the request's line is read and dropped.

    Raises:
        ValueError: This is no request, or a line of it is too long.
    """
    line = (await reader.readline()).decode("latin-1").split()
    if len(line) != 3 or line[0] != "GET":  # noqa: PLR2004  method, path, version
        raise ValueError("no GET")
    while (await reader.readline()).strip():
        pass
    return line[1].partition("?")[0]


def _response(status: int, document: dict[str, object]) -> bytes:
    body = json.dumps(document).encode() + b"\n"
    head = (
        f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
