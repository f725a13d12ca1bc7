"""Two runs that share what was said: the second question makes sense only to who knows the first.

One sees both answers, what the session has kept of them, and how an answer is taken back.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from perdure import Agent, Runner, SQLiteSession

assistant = Agent(name="Assistant", instructions="Reply very concisely.")


async def main(database: Path) -> None:
    session = SQLiteSession("conversation-1", database)
    for question in ("What city is the Golden Gate Bridge in?", "What state is it in?"):
        result = await Runner.run(assistant, question, session=session)
        print(f"{question} {result.final_output}")
    items = await session.get_items()
    print(f"The session has {len(items)} items; the last one is taken back.")
    await session.pop_item()
    result = await Runner.run(assistant, "In one word?", session=session)
    print(f"In one word? {result.final_output}")


SCRIPT = {"In one word?": ["California."], "Golden Gate": ["San Francisco.", "It is in California."]}

if __name__ == "__main__":
    from scripted_server import answer_without_key

    answer_without_key(SCRIPT)
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(main(Path(folder) / "conversations.db"))
