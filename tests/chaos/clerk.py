"""The agent that is served in a storm; its tools leave a killer time before and after their effect."""

from __future__ import annotations

import asyncio
import os
import random
import time
from pathlib import Path
from typing import Any

from perdure import Agent, RunContextWrapper, ToolContext, function_tool
from tests.chaos.ledger import Ledger
from tests.chaos.plans import FREE_AMOUNT

LEDGER = "CHAOS_LEDGER"  # the environment variable that names the file


def _ledger() -> Ledger:
    return Ledger(Path(os.environ[LEDGER]))


def _pause() -> float:
    return random.uniform(0.02, 0.4)


@function_tool
def look_up(ctx: ToolContext[Any], item: str) -> str:
    """Look something up."""
    _ledger().attempt("look_up", ctx.idempotency_key)
    time.sleep(_pause())
    _ledger().effect("look_up", ctx.idempotency_key)
    return f"look_up done for {item}"


def _is_dear(ctx: RunContextWrapper[Any], arguments: dict[str, Any], call_id: str) -> bool:
    return arguments["amount"] > FREE_AMOUNT


@function_tool(needs_approval=_is_dear, effect="repeatable")
def charge(ctx: ToolContext[Any], item: str, amount: int) -> str:
    """Charge for something, once for each key however often it is tried."""
    _ledger().attempt("charge", ctx.idempotency_key)
    time.sleep(_pause())
    _ledger().effect_once("charge", ctx.idempotency_key)
    time.sleep(_pause())
    return f"charge done for {item}"


@function_tool(needs_approval=True)
async def mail(ctx: ToolContext[Any], item: str) -> str:
    """Mail something, which nobody can tell apart from mailing it twice."""
    await asyncio.to_thread(_ledger().attempt, "mail", ctx.idempotency_key)
    await asyncio.sleep(_pause())
    await asyncio.to_thread(_ledger().effect, "mail", ctx.idempotency_key)
    await asyncio.sleep(_pause())
    return f"mail done for {item}"


@function_tool(effect="once", key="settle:{item}")
async def settle(ctx: ToolContext[Any], item: str) -> str:
    """Settle something, once for all runs that ask for it."""
    await asyncio.to_thread(_ledger().attempt, "settle", ctx.idempotency_key)
    await asyncio.sleep(_pause())
    await asyncio.to_thread(_ledger().effect, "settle", ctx.idempotency_key)
    await asyncio.sleep(_pause())
    return f"settle done for {item}"


clerk = Agent(name="Clerk", instructions="Do the errand.", model="gpt-4o", tools=[look_up, charge, mail, settle])
