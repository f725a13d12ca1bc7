"""Forcing tool use: `tool_choice` makes the model call a tool before it says anything.

One sees the same question answered three times: by a model that may guess, and does; by one that has to look, and then
answers (the choice holds until a tool was used, or it could never finish); and by the tool itself, whose output
`tool_use_behavior="stop_on_first_tool"` makes the final one.
"""

from __future__ import annotations

import asyncio

from perdure import Agent, ModelSettings, Runner, function_tool
from perdure.testing import tool_call


@function_tool
async def count_in_stock(article: str) -> str:
    """How many of an article there are.

    Args:
        article: One word, in the singular.
    """
    print(f"   (counting each {article})")
    return f"3 x {article}"


free = Agent(name="Free", instructions="Answer questions about the shop.", tools=[count_in_stock])
forced = free.clone(name="Forced", model_settings=ModelSettings(tool_choice="required"))
direct = forced.clone(name="Direct", tool_use_behavior="stop_on_first_tool")


async def main() -> None:
    for agent in (free, forced, direct):
        result = await Runner.run(agent, "Have you got umbrellas?")
        print(f"{agent.name}: {result.final_output}")


SCRIPT = {
    '"tool_choice": "required"': [tool_call("count_in_stock", {"article": "umbrella"})],
    "3 x umbrella": ["Yes, three."],
    "about the shop": ["I should think so."],
}

if __name__ == "__main__":
    from scripted_server import answer_without_key

    answer_without_key(SCRIPT)
    asyncio.run(main())
