"""The agents whose runs are in the pictures: a desk that refunds what arrived broken, with a scripted model."""

from __future__ import annotations

from typing import Any

from perdure import Agent, function_tool
from perdure.testing import ScriptedModel, tool_call

ORDERS: dict[str, dict[str, Any]] = {
    "1041": {"customer": "Mei Lin", "item": "reading lamp", "total": 40.0, "delivered": "2026-03-02"},
    "1042": {"customer": "Omar Haddad", "item": "teapot", "total": 65.5, "delivered": "2026-03-03"},
    "1043": {"customer": "Kim Novak", "item": "bicycle helmet", "total": 89.0, "delivered": "2026-03-03"},
}


@function_tool
async def find_order(order_id: str) -> dict[str, Any]:
    """Find an order."""
    return {"order_id": order_id, **ORDERS[order_id]}


@function_tool(needs_approval=True)
async def refund(order_id: str, amount: float, reason: str) -> str:
    """Refund an order.

    Args:
        order_id: The order's number.
        amount: In euros.
        reason: Why, in the customer's words.
    """
    return f"refunded {amount:.2f} euros for order {order_id}: {reason}"


def desk(order_id: str, reason: str) -> Agent[Any]:
    """Two agents that go through one order: one is asked, the other one refunds."""
    amount = ORDERS[order_id]["total"]
    refunds = Agent(
        name="Refunds",
        instructions="Refund what arrived broken.",
        tools=[find_order, refund],
        model=ScriptedModel(
            [
                tool_call("find_order", {"order_id": order_id}),
                [
                    f"I am sorry about that. I would refund {amount:.2f} euros; a colleague has a look first.",
                    tool_call("refund", {"order_id": order_id, "amount": amount, "reason": reason}),
                ],
                f"Your {amount:.2f} euros are on their way.",
            ]
        ),
    )
    return Agent(
        name=f"Desk {order_id}",
        instructions="Find out who can help.",
        handoffs=[refunds],
        model=ScriptedModel([tool_call("transfer_to_refunds", {})]),
    )


lamp = desk("1041", "arrived broken")
teapot = desk("1042", "the lid is missing")
helmet = desk("1043", "wrong size")
