"""A dynamic prompt: instructions that a function makes, anew for each model call, of what the program knows.

One sees the same agent answer two readers in two ways. The context is the program's own object: it is handed to
functions and tools, and never sent to the model; here only what `instructions` says of it is.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from perdure import Agent, RunContextWrapper, Runner


@dataclass
class Reader:
    """Who asks."""

    name: str
    age: int


def instructions(context: RunContextWrapper[Reader], agent: Agent[Reader]) -> str:
    reader = context.context
    style = "with an animal in it" if reader.age < 12 else "with a number in it"
    return f"You are {agent.name}. Answer {reader.name} in one sentence {style}."


guide = Agent[Reader](name="Guide", instructions=instructions)


async def main() -> None:
    for reader in (Reader("Mia", 6), Reader("Otto", 40)):
        result = await Runner.run(guide, "How high is that tower?", context=reader)
        print(f"{reader.name}: {result.final_output}")


SCRIPT = {
    "Mia in one sentence with an animal": ["As high as twenty giraffes, Mia."],
    "Otto in one sentence with a number": ["It is 104 metres, Otto."],
}

if __name__ == "__main__":
    from scripted_server import answer_without_key

    answer_without_key(SCRIPT)
    asyncio.run(main())
