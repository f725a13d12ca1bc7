"""Handoffs: an agent gives the conversation to another one, which then answers by itself.

One sees the reason that the model gave for it, told to a function of the program, and who answered in the end. To the
model a handoff is a tool like any other, with arguments if it is given an `input_type`.
"""

from __future__ import annotations

import asyncio

from pydantic import BaseModel

from perdure import Agent, RunContextWrapper, Runner, handoff
from perdure.testing import tool_call


class Complaint(BaseModel):
    """What the model has to say when it hands over."""

    reason: str


async def note(context: RunContextWrapper, complaint: Complaint) -> None:
    print(f"Handed over: {complaint.reason}")


manager = Agent(name="Manager", instructions="You may give refunds. Be generous.")
clerk = Agent(
    name="Clerk",
    instructions="Answer questions about the shop. Leave complaints to the manager.",
    handoffs=[handoff(manager, on_handoff=note, input_type=Complaint)],
)


async def main() -> None:
    for question in ("When do you open?", "My lamp arrived broken!"):
        result = await Runner.run(clerk, question)
        print(f"{result.last_agent.name}: {result.final_output}")


SCRIPT = {
    "give refunds": ["I am sorry. You get your money back today."],
    "about the shop": {
        "broken": [tool_call("transfer_to_manager", {"reason": "a lamp arrived broken"})],
        "open": ["At nine, every day."],
    },
}

if __name__ == "__main__":
    from scripted_server import answer_without_key

    answer_without_key(SCRIPT)
    asyncio.run(main())
