"""llmock as an outside process: it fails as it is told to, and judges how it was asked."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from types import TracebackType
from typing import Any
from urllib.request import Request, urlopen


class Mock:
    """A provider that fails on demand."""

    def __enter__(self) -> Mock:
        command = [sys.executable, "-m", "tests.activities.faults.llmock_child"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.origin = f"http://127.0.0.1:{int(self._process.stdout.readline())}"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.communicate()  # closes its input

    def reset(self) -> None:
        """Forgets what it was told and asked."""
        self._ask("POST", "/reset", {})

    def will(self, *behaviors: dict[str, Any]) -> None:
        """Says how the next requests are answered."""
        self._ask("POST", "/scenario", {"behaviors": behaviors})

    def asked(self) -> list[dict[str, Any]]:
        """The bodies of the requests that arrived, in their order."""
        return [each["body"] for each in self._ask("GET", "/requests")["requests"]]

    def requests_by_model(self) -> Counter[str]:
        """How many requests arrived, by the name of the model."""
        return Counter(body["model"] for body in self.asked())

    def findings(self) -> list[str]:
        """What it has against how it was asked: waits too short, attempts in vain, none where one was due."""
        return [f"{found['code']}: {found['title']}" for found in self._ask("GET", "/verdict")["findings"]]

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        with urlopen(Request(f"{self.origin}/_llmock{path}", data, method=method), timeout=10) as answer:
            return json.load(answer)
