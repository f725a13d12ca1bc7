"""A web chat: `python -m examples.web_chat` starts a worker and the back end, and says where to look.

Kill the back end or the worker while you chat, start them again, and go on: the conversation lives in Temporal.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

import uvicorn

from .app import app


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m examples.web_chat", description=__doc__)
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--no-worker", action="store_true", help="the agent is served by a worker of its own")
    options = parser.parse_args()
    command = [sys.executable, "-m", "perdure.cli", "worker", "examples.web_chat.agent", "--log-level", "warning"]
    worker = None if options.no_worker else subprocess.Popen(command)
    print(f"http://127.0.0.1:{options.port}/?thread=customer-42", flush=True)
    try:
        uvicorn.run(app, port=options.port, log_level="warning")
    finally:
        if worker is not None:
            worker.terminate()
            worker.wait()


if __name__ == "__main__":
    main()
