"""Tools: functions that the model may call. Their signature and docstring are all that it needs to know.

One sees two calls of one answer run side by side, and what the model makes of them. Each call is an activity of its
own: if the program dies, what is done is not done again.
"""

from __future__ import annotations

import asyncio
from typing import Literal

from pydantic import BaseModel

from perdure import Agent, Runner, function_tool
from perdure.testing import tool_call


class Weather(BaseModel):
    """What the model is told; any type that can be JSON will do."""

    sky: Literal["sun", "rain"]
    degrees: int


@function_tool
async def get_weather(city: str) -> Weather:
    """What the weather is like now.

    Args:
        city: The city's English name.
    """
    print(f"{city}: asking")
    await asyncio.sleep(0.5)  # a weather service would take its time
    print(f"{city}: answered")
    return Weather(sky="rain", degrees=9) if city == "Oslo" else Weather(sky="sun", degrees=21)


packer = Agent(name="Packer", instructions="Say what to pack for the journey.", tools=[get_weather])


async def main() -> None:
    result = await Runner.run(packer, "I go to Oslo and then to Rome.")
    print(result.final_output)


SCRIPT = {
    "what to pack": [
        [tool_call("get_weather", {"city": "Oslo"}), tool_call("get_weather", {"city": "Rome"})],
        "An umbrella for Oslo, sunglasses for Rome.",
    ]
}

if __name__ == "__main__":
    from scripted_server import answer_without_key

    answer_without_key(SCRIPT)
    asyncio.run(main())
