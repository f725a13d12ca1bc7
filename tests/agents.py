"""Small agents that several tests use."""

from __future__ import annotations

import asyncio
from typing import Any

from perdure import Agent, function_tool
from perdure.testing import ScriptedModel, tool_call


@function_tool
async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@function_tool(needs_approval=True)
async def refund(order_id: str, amount: float) -> str:
    """Refund an order."""
    return f"refunded {amount:g} for {order_id}"


@function_tool(needs_approval=True, effect="repeatable")
async def slow_refund(order_id: str) -> str:
    """Refund an order, slowly."""
    await asyncio.sleep(0.3)
    return f"refunded {order_id}"


def scripted(*answers: Any, tools: list[Any] | None = None, **settings: Any) -> Agent[Any]:
    """An agent whose model says these answers in this order."""
    name = settings.pop("name", "Scripted")
    return Agent(name=name, model=ScriptedModel(list(answers)), tools=tools or [add, refund], **settings)


def refund_call(order_id: str = "7", amount: float = 40.0, call_id: str | None = None) -> dict[str, Any]:
    return tool_call("refund", {"order_id": order_id, "amount": amount}, call_id)
