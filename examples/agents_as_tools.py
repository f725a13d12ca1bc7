"""Agents as tools: an agent asks others and keeps the conversation to itself, where a handoff would give it away.

One sees what each agent that was asked said, and the answer that the first one made of it. Those asked have a
conversation of their own: they know no more than the text that they are called with.
"""

from __future__ import annotations

import asyncio

from perdure import Agent, Runner, ToolCallOutputItem
from perdure.testing import tool_call

optimist = Agent(name="Optimist", instructions="Name the best reason for the plan, in one sentence.")
sceptic = Agent(name="Sceptic", instructions="Name the best reason against the plan, in one sentence.")
adviser = Agent(
    name="Adviser",
    instructions="Hear both sides, then advise.",
    tools=[
        optimist.as_tool("reason_for", "The best reason for a plan."),
        sceptic.as_tool("reason_against", "The best reason against a plan."),
    ],
)


async def main() -> None:
    result = await Runner.run(adviser, "Shall I go to Oslo by bicycle?")
    for item in result.new_items:
        if isinstance(item, ToolCallOutputItem):
            print(f"- {item.output}")
    print(f"{result.last_agent.name}: {result.final_output}")


PLAN = {"input": "To Oslo by bicycle."}
SCRIPT = {
    "reason for the plan": ["You will have seen every fjord."],
    "reason against the plan": ["It will rain."],
    "both sides": [[tool_call("reason_for", PLAN), tool_call("reason_against", PLAN)], "Go, and take a raincoat."],
}

if __name__ == "__main__":
    from scripted_server import answer_without_key

    answer_without_key(SCRIPT)
    asyncio.run(main())
