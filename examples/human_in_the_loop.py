"""A human in the loop: the agent looks an order up by itself, but cancels it only if whoever sits here agrees.

One sees the question and answers it. Kill the program (Ctrl-C) while it asks and start it again: it asks once more, and
the order is not looked up again, as the run has been waiting in Temporal. Once answered it stays answered; give another
id for another run, as in `python examples/human_in_the_loop.py order-8`.
"""

from __future__ import annotations

import asyncio
import signal
import sys

from perdure import Agent, Runner, function_tool
from perdure.testing import tool_call


@function_tool
async def find_order(order_id: str) -> str:
    """What was ordered, and where it is."""
    print(f"looking up order {order_id}")
    return "two lamps for 80 euros, not shipped yet"


@function_tool(needs_approval=True)
async def cancel_order(order_id: str) -> str:
    """Cancel an order that was not shipped yet."""
    print(f"cancelling order {order_id}")
    return "cancelled"


clerk = Agent(name="Clerk", instructions="Take care of orders.", tools=[find_order, cancel_order])


async def main(run_id: str) -> None:
    result = await Runner.run(clerk, "Cancel order 7, please.", run_id=run_id)
    while result.interruptions:
        state = result.to_state()
        for call in result.interruptions:
            answer = await asyncio.to_thread(input, f"{call.tool_name} {call.arguments}: do it? [y/n] ")
            if answer == "y":
                state.approve(call)
            else:
                state.reject(call, rejection_message="The shop does not want that.")
        result = await Runner.run(clerk, state)
    print(result.final_output)


SCRIPT = {
    "does not want": ["I am sorry, order 7 has to stay."],
    "orders": [
        tool_call("find_order", {"order_id": "7"}),
        tool_call("cancel_order", {"order_id": "7"}),
        "Order 7 is cancelled.",
    ],
}

if __name__ == "__main__":
    from scripted_server import answer_without_key

    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C kills at once: a run needs no goodbye
    answer_without_key(SCRIPT)
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "order-7"))
