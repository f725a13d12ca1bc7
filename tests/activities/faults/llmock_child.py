"""llmock in a process of its own: says its port, and ends when its input does, which the tests' death ends too."""

from __future__ import annotations

import sys

from llmock.testing import LLMockServer

if __name__ == "__main__":
    with LLMockServer() as server:
        print(server.port, flush=True)
        sys.stdin.read()
