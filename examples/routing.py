"""Routing: an agent reads what is asked and hands each question to the agent that speaks its language.

One sees who answered whom. The agent at the door gives no answers; it only has `handoffs` to choose from, and each says
by its `handoff_description` what it is for.
"""

from __future__ import annotations

import asyncio

from perdure import Agent, Runner
from perdure.testing import tool_call

french = Agent(name="French", handoff_description="Speaks French.", instructions="You answer in French.")
spanish = Agent(name="Spanish", handoff_description="Speaks Spanish.", instructions="You answer in Spanish.")
english = Agent(name="English", handoff_description="Speaks English.", instructions="You answer in English.")
door = Agent(
    name="Door",
    instructions="Hand over to the agent that speaks the language of the question.",
    handoffs=[french, spanish, english],
)


async def main() -> None:
    for question in ("Où est la gare ?", "¿Dónde está la playa?", "Where is the museum?"):
        result = await Runner.run(door, question)
        print(f"{question} {result.last_agent.name}: {result.final_output}")


SCRIPT = {
    "answer in French": ["Au bout de la rue."],
    "answer in Spanish": ["Detrás del puerto."],
    "answer in English": ["Next to the church."],
    "Hand over": {
        "gare": [tool_call("transfer_to_french", {})],
        "playa": [tool_call("transfer_to_spanish", {})],
        "museum": [tool_call("transfer_to_english", {})],
    },
}

if __name__ == "__main__":
    from scripted_server import answer_without_key

    answer_without_key(SCRIPT)
    asyncio.run(main())
