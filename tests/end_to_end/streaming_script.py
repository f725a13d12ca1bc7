"""A script that streams and dies by its own SIGKILL in the middle of an answer, once.

Called with a run's id and a file that marks that it has died. It prints a JSON line for each event: its kind, and of
words the attempt and the word.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from perdure import Agent, Runner
from perdure.testing import ScriptedModel, tool_call
from tests.agents import add

RUN_ID, MARKER = sys.argv[1], Path(sys.argv[2])
READ: list[str] = []


class Dying(ScriptedModel):
    """Dies after the second word of its second answer, once."""

    async def stream_response(self, *args: Any, **options: Any) -> AsyncGenerator[Any]:
        words = 0
        async for event in super().stream_response(*args, **options):
            yield event
            words += event.type == "response.output_text.delta"
            if words == 2 and not MARKER.exists():
                while len(READ) < 2:  # noqa: ASYNC110  the reader gets what was said
                    await asyncio.sleep(0.01)
                MARKER.touch()
                os.kill(os.getpid(), signal.SIGKILL)


async def main() -> None:
    agent = Agent(name="A", model=Dying([tool_call("add", {"a": 1, "b": 2}), "one two three"]), tools=[add])
    result = Runner.run_streamed(agent, "go", run_id=RUN_ID)
    async for event in result.stream_events():
        if event.type == "run_item_stream_event":
            print(json.dumps(["item", event.name]), flush=True)
        elif event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
            print(json.dumps(["word", event.attempt, event.data.delta]), flush=True)
            READ.append(event.data.delta)
    print(json.dumps(["final", result.final_output]), flush=True)


asyncio.run(main())
