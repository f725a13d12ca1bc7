"""Streaming: the answer word by word, as the model says it, and what happens between.

One sees each word as it comes, the call of the tool and its output; then how to see the same run from another terminal.
"""

from __future__ import annotations

import asyncio

from perdure import Agent, Runner, ToolCallItem, ToolCallOutputItem, function_tool
from perdure.testing import tool_call


@function_tool
async def find_table(guests: int) -> str:
    """A free table for this many guests."""
    return f"table 4, by the window, for {guests}"


waiter = Agent(name="Waiter", instructions="Find tables.", tools=[find_table])


async def main() -> None:
    result = Runner.run_streamed(waiter, "A table for two at eight, please.")
    async for event in result.stream_events():
        if event.type == "raw_response_event":
            if event.data.type == "response.output_text.delta":
                print(event.data.delta, end="", flush=True)
        elif event.type == "run_item_stream_event":
            if isinstance(event.item, ToolCallItem):
                print(f"[calls {event.item.tool_name}]")
            elif isinstance(event.item, ToolCallOutputItem):
                print(f"[{event.item.output}]")
    print(f"\n\nThe same from anywhere: perdure watch {result.run_id}")


SCRIPT = {"tables": [tool_call("find_table", {"guests": 2}), "You sit at table 4, by the window. See you at eight!"]}

if __name__ == "__main__":
    from scripted_server import answer_without_key

    answer_without_key(SCRIPT)
    asyncio.run(main())
