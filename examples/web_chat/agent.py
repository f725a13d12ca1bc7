"""The agent behind the web page: it refunds orders, if a person agrees. A worker serves it by its name."""

from __future__ import annotations

import os

from perdure import Agent, function_tool
from perdure.testing import ScriptedModel, tool_call


@function_tool(needs_approval=True)
async def refund(order_id: str) -> str:
    """Refund an order.

    Args:
        order_id: The order's number.
    """
    return f"order {order_id} is refunded"


# Without a key, answers from a list: each conversation begins with the first.
SCRIPT = [
    "Hello! Which order is it about?",
    tool_call("refund", {"order_id": "7"}),
    "Order 7 is refunded. Anything else?",
    "You are welcome.",
]

support = Agent(
    name="Web support",
    instructions="Help the customer of a small shop. Refund an order if the customer asks for it and names it.",
    tools=[refund],
    model=None if os.environ.get("OPENAI_API_KEY") else ScriptedModel(SCRIPT),
)
