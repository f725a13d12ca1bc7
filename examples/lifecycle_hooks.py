"""Lifecycle hooks: methods of yours that are told what happens in a run.

One sees each moment of a run in which an agent uses a tool and hands over to another, in order and numbered. Hooks run
where the work is done, so they may do anything: count, log, send a message.
"""

# ruff: noqa: D102  the names of the hooks say it

from __future__ import annotations

import asyncio
from itertools import count
from typing import Any

from perdure import Agent, AgentHookContext, ModelResponse, RunContextWrapper, RunHooks, Runner, Tool, function_tool
from perdure.testing import tool_call

step = count(1)


class Narrator(RunHooks):
    """Prints a line for each event; a hook that is not overridden costs nothing."""

    async def on_agent_start(self, context: AgentHookContext, agent: Agent) -> None:
        print(f"{next(step)}. {agent.name} begins")

    async def on_llm_start(
        self, context: RunContextWrapper, agent: Agent, system_prompt: str | None, input_items: list[Any]
    ) -> None:
        print(f"{next(step)}. {agent.name} asks its model, with {len(input_items)} items")

    async def on_llm_end(self, context: RunContextWrapper, agent: Agent, response: ModelResponse) -> None:
        print(f"{next(step)}. {agent.name} gets {response.output[0].type}")

    async def on_tool_start(self, context: RunContextWrapper, agent: Agent, tool: Tool) -> None:
        print(f"{next(step)}. {agent.name} calls {tool.name}")

    async def on_tool_end(self, context: RunContextWrapper, agent: Agent, tool: Tool, result: object) -> None:
        print(f"{next(step)}. {tool.name} gave {result}")

    async def on_handoff(self, context: RunContextWrapper, from_agent: Agent, to_agent: Agent) -> None:
        print(f"{next(step)}. {from_agent.name} hands over to {to_agent.name}")

    async def on_agent_end(self, context: AgentHookContext, agent: Agent, output: Any) -> None:
        print(f"{next(step)}. {agent.name} ends: {output}")


@function_tool
def roll_die() -> int:
    """Roll a die."""
    return 4


doubler = Agent(name="Doubler", instructions="Double the number.")
roller = Agent(name="Roller", instructions="Roll once, then hand over.", tools=[roll_die], handoffs=[doubler])


async def main() -> None:
    await Runner.run(roller, "Roll, and double it.", hooks=Narrator())


SCRIPT = {
    "Double the number": ["8"],
    "Roll once": [tool_call("roll_die", {}), tool_call("transfer_to_doubler", {})],
}

if __name__ == "__main__":
    from scripted_server import answer_without_key

    answer_without_key(SCRIPT)
    asyncio.run(main())
