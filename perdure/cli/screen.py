"""What a command shows: lines for people or one JSON document for programs, never both."""

from __future__ import annotations

import io
import json
import sys
from typing import Any, NamedTuple

from rich.console import Console
from rich.text import Text

from perdure.cli.progress import Progress
from perdure.redaction import redacted
from perdure.visible import in_line, plain


class Line(NamedTuple):
    """One line of text, safe to show, and its style where there is colour."""

    text: str
    style: str = ""


class Screen:
    """Standard output, for lines or for one JSON document, and standard error for everything else.

    Lines are neither wrapped nor cut nor read as markup: ids can be copied, and `grep` and `awk` can read them.
    """

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        self._out = Console(soft_wrap=True, markup=False, highlight=False, emoji=False)
        self._err = Console(soft_wrap=True, markup=False, highlight=False, emoji=False, stderr=True)
        self.progress = Progress(self._err)

    def show(self, document: Any, lines: list[Line]) -> None:
        """Shows an answer: the document with `--json`, else the lines."""
        self.progress.end()
        if self.as_json:
            sys.stdout.write(redacted(json.dumps(document, indent=2, default=str)) + "\n")
        else:
            for line in lines:
                self._out.print(Text(redacted(line.text), line.style))

    def add(self, document: Any, lines: list[Line]) -> None:
        """Shows a part of an answer that comes bit by bit: with `--json` each document is a line."""
        self.progress.end()
        if self.as_json:
            sys.stdout.write(redacted(json.dumps(document, default=str)) + "\n")
            sys.stdout.flush()
        else:
            self.show(document, lines)

    def grow(self, text: str) -> None:
        """Shows a part of a line, whose end is still to come."""
        self.progress.end()
        self._out.print(Text(redacted(text)), end="")
        sys.stdout.flush()

    def note(self, text: str) -> None:
        """Says something beside the answer, on standard error."""
        self._err.print(Text(redacted(plain(text)), "dim"))

    def error(self, kind: str, message: str, **more: Any) -> None:
        """Says what went wrong, on standard error; with `--json` also as the document `{"error": ...}`."""
        self.progress.end()
        if self.as_json:
            self.show({"error": {"type": kind, "message": message}} | more, [])
        self._err.print(Text.assemble(("error: ", "bold red"), redacted(plain(message))))


def columns(rows: list[list[str]], header: list[str]) -> list[Line]:
    """A table without frames: nothing is cut, so that its ids can be copied."""
    if not rows:
        return []
    safe = [[in_line(cell) for cell in row] for row in rows]
    widths = [max(len(row[place]) for row in [header, *safe]) for place in range(len(header))]
    return [Line(_row(header, widths), "bold"), *(Line(_row(row, widths)) for row in safe)]


def _row(cells: list[str], widths: list[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
