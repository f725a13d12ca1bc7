"""A line at the terminal that says what takes so long, on standard error, as long as it takes."""

from __future__ import annotations

import threading

from rich.console import Console
from rich.status import Status
from rich.text import Text

from perdure.visible import in_line

_PATIENCE_SECONDS = 1.0  # who waits for less wants no line that flickers


class Progress:
    """Shows what is done once it has taken a second; nothing where standard error is no terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._status: Status | None = None
        self._text = ""

    @property
    def is_shown(self) -> bool:
        """Whether there is such a line now."""
        return self._status is not None

    def begin(self, text: str) -> None:
        """Something begins that may take long."""
        if not self._console.is_terminal:
            return
        with self._lock:
            self._text = text
            self._timer = threading.Timer(_PATIENCE_SECONDS, self._show)
            self._timer.daemon = True
            self._timer.start()

    def tell(self, text: str) -> None:
        """How far it has come."""
        with self._lock:
            self._text = text
            if self._status is not None:
                self._status.update(_line(text))

    def end(self) -> None:
        """It is over, or has something to say of its own: the line goes away."""
        with self._lock:
            timer, status = self._timer, self._status
            self._timer = self._status = None
            if timer is not None:
                timer.cancel()
            if status is not None:
                status.stop()

    def _show(self) -> None:
        with self._lock:
            if self._timer is not None:
                self._status = self._console.status(_line(self._text))
                self._status.start()


def _line(text: str) -> Text:
    return Text(f"{in_line(text)}…", "dim")
