"""A script that a test kills: `python killed_script.py RUN_ID LEDGER WHERE`.

It dies by its own SIGKILL at the place that WHERE names, once; started again it goes on. The ledger is a file that each
tool's effect adds a line to, with the call's key: the only judge of what happened.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import Any

from perdure import Agent, DecisionConflictError, Model, ModelResponse, Runner, RunNotFound, ToolContext, function_tool
from perdure.testing import ScriptedModel, tool_call

RUN_ID, LEDGER, WHERE = sys.argv[1], Path(sys.argv[2]), sys.argv[3]


def die(place: str) -> None:
    marker = LEDGER.with_suffix(f".{place}")
    if place == WHERE and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)


def effect(context: ToolContext[Any], what: str) -> str:
    done = LEDGER.read_text().splitlines() if LEDGER.exists() else []
    line = f"{what} {context.idempotency_key}"
    die(f"before {what}")
    if line not in done:
        with LEDGER.open("a") as file:
            file.write(line + "\n")
    die(f"after {what}")
    return f"{what} done"


@function_tool
def book(ctx: ToolContext[Any]) -> str:
    """Book."""
    return effect(ctx, "book")


@function_tool(needs_approval=True, effect="repeatable")
async def pay(ctx: ToolContext[Any]) -> str:
    """Pay."""
    return effect(ctx, "pay")


@function_tool(needs_approval=True)
async def send(ctx: ToolContext[Any]) -> str:
    """Send, which nobody can tell apart from sending twice."""
    return effect(ctx, "send")


class DyingModel(Model):
    """Dies in the middle of its second answer, if it is to."""

    def __init__(self) -> None:
        self.script = ScriptedModel([tool_call("book", {}), [tool_call("pay", {}), tool_call("send", {})], "all done"])

    async def get_response(self, *args: Any, **options: Any) -> ModelResponse:
        response = await self.script.get_response(*args, **options)
        if len(self.script.requests[-1].input) > 1:
            die("model")
        return response


async def answer() -> None:
    """Says what became of a call, as a person would who has looked into the ledger."""
    while True:
        await asyncio.sleep(0.5)
        with contextlib.suppress(RunNotFound, DecisionConflictError):
            run = await Runner.get(RUN_ID)
            for call in (await run.status()).unknown:
                if WHERE == "after send":
                    await run.resolve(call.call_id, "happened", result="send done")
                else:
                    await run.resolve(call.call_id, "retry")


async def main() -> None:
    answering = asyncio.create_task(answer())
    agent = Agent(name="Killed", model=DyingModel(), tools=[book, pay, send])
    result = await Runner.run(agent, "go", run_id=RUN_ID)
    if result.interruptions:
        die("waiting")
        state = result.to_state()
        for item in result.interruptions:
            state.approve(item)
        result = await Runner.run(agent, state)
    outputs = [item.output for item in result.new_items if item.type == "tool_call_output_item"]
    answering.cancel()
    print(result.final_output, "|", " | ".join(outputs))


asyncio.run(main())
