"""A script with a session, which a test kills: `python remembering_script.py RUN_ID FOLDER KIND DIES_AT`.

The session dies by its own SIGKILL right after the write whose number DIES_AT is, once, before anybody could note that
it was made; started again the script goes on, and prints what the session has.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from perdure import Agent, Runner, SQLiteSession, function_tool
from perdure.testing import ScriptedModel, tool_call

RUN_ID, FOLDER, KIND, DIES_AT = sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])


def die_after(write: int) -> None:
    marker = FOLDER / "died"
    if write == DIES_AT and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)


class Keyed(SQLiteSession):
    """A session whose writes have keys."""

    async def add_items_once(self, items: list[Any], key: str) -> None:
        await super().add_items_once(items, key)
        die_after(int(key.split(".")[-2]))


class Own:
    """A session of the user's own: a file with an item a line, and no more than the protocol asks for."""

    def __init__(self, session_id: str, path: Path) -> None:
        self.session_id, self.session_settings = session_id, None
        self._path = path
        self._writes = FOLDER / "writes"

    async def get_items(self, limit: int | None = None) -> list[Any]:
        lines = self._path.read_text().splitlines() if self._path.exists() else []
        return [json.loads(line) for line in (lines if limit is None else lines[-limit:])]

    async def add_items(self, items: list[Any]) -> None:
        with self._path.open("a") as file:
            file.write("".join(json.dumps(item) + "\n" for item in items))
        with self._writes.open("a") as file:
            file.write("w")
        die_after(len(self._writes.read_text()) - 1)

    async def pop_item(self) -> Any:
        raise NotImplementedError

    async def clear_session(self) -> None:
        raise NotImplementedError


@function_tool
def look(number: int) -> str:
    """Look."""
    return f"seen {number}"


async def main() -> None:
    answers = [tool_call("look", {"number": number}) for number in (1, 2)]
    agent = Agent(name="A", model=ScriptedModel([*answers, "done"]), tools=[look])
    path = FOLDER / "session"
    session = Keyed("chat", path) if KIND == "keyed" else Own("chat", path)
    if not path.exists():  # the same words were said before: they must not be taken for those of this run
        await session.add_items([{"role": "user", "content": "hi"}])
    result = await Runner.run(agent, "hi", run_id=RUN_ID, session=session)
    kinds = [item.get("content") or item.get("output") or item["type"] for item in await session.get_items()]
    print(json.dumps([result.final_output, [kind if isinstance(kind, str) else kind[0]["text"] for kind in kinds]]))


asyncio.run(main())
