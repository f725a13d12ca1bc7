"""A program whose runs, thread and session are full of words that nobody else may read: `canary-<where>`.

It tells, on its last line, at which places it has met its own words again: what it does not read back it cannot hide.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from perdure import (
    Agent,
    GuardrailFunctionOutput,
    ModelSettings,
    RunConfig,
    RunContextWrapper,
    Runner,
    SQLiteSession,
    UserError,
    function_tool,
    input_guardrail,
)
from perdure.telemetry import log_lines
from perdure.testing import ScriptedModel, tool_call

MARK = sys.argv[1]  # makes the words of this program unlike any other's


def word(where: str) -> str:
    return f"canary-{where}-{MARK}"


class Customer(BaseModel):
    """What tools know of the customer."""

    note: str = word("context")


class Refund(BaseModel):
    """The final answer."""

    note: str


@function_tool(needs_approval=True)
async def refund(context: RunContextWrapper[Customer], order: str) -> str:
    """Refunds an order."""
    context.context.note = word("changed-context")
    return word("tool-result")


@function_tool
async def fail(order: str) -> str:
    """Fails."""
    raise ValueError(word("tool-error"))


@function_tool
async def dump() -> str:
    """Gives something long, which goes to the blob store."""
    return f"{word('blob')} {word('blob-end')} " * 6000


@function_tool(failure_error_function=None)
async def crash(order: str) -> str:
    """Ends the run."""
    raise ValueError(word("failure"))


@input_guardrail
async def harmless(context: Any, agent: Any, given: Any) -> GuardrailFunctionOutput:
    return GuardrailFunctionOutput(output_info={"seen": word("guardrail")}, tripwire_triggered=False)


def agent(name: str, *answers: Any, tools: list[Any] | None = None, **more: Any) -> Agent[Any]:
    settings = ModelSettings(metadata={"case": word("metadata")})
    model = ScriptedModel(list(answers))
    given: dict[str, Any] = {"model": model, "model_settings": settings, "tools": tools or [], **more}
    return Agent(name=name, instructions=word("instructions"), **given)


async def refunded(run_id: str) -> list[str]:
    call = tool_call("refund", {"order": word("tool-arguments")})
    rejected = tool_call("refund", {"order": word("rejected-arguments")})
    failing = [tool_call("fail", {"order": word("error-arguments")}), tool_call("dump", {})]
    answers = [[call, rejected], failing, json.dumps({"note": word("final-output")})]
    refunds = agent("Refunds", *answers, tools=[refund, fail, dump], input_guardrails=[harmless], output_type=Refund)
    config = RunConfig(trace_metadata={"customer": word("trace-metadata")}, group_id=word("group"))
    run = await Runner.start(refunds, word("input"), context=Customer(), run_config=config, run_id=run_id)
    await run.result_or_interruptions()
    await run.pause(by=word("by"), reason=word("pause-reason"))
    await run.send(word("sent"), by=word("sender"))
    await run.resume(by=word("by"))
    await run.reject("1.1", by=word("by"), reason=word("approval-reason"))
    await run.approve("1.0", by=word("approver"))
    result = await run.result()
    status = await run.status()
    said = json.dumps([entry.item for entry in await run.transcript()]) + status.model_dump_json()
    return [said, repr(result.final_output), json.dumps(result.to_input_list())]


async def failed() -> list[str]:
    try:
        await Runner.run(agent("Fails", tool_call("crash", {"order": "7"}), tools=[crash]), "fail", run_id="fails")
    except UserError as error:
        return [str(error)]
    return []


async def spoken(folder: Path) -> list[str]:
    session = SQLiteSession("customer-7", str(folder / "conversations.db"))
    await session.add_items([{"role": "user", "content": word("session")}])
    remembered = agent("Remembers", word("remembered"))
    result = await Runner.run(remembered, word("session-input"), session=session, run_id="remembers")
    talker = agent("Talks", word("thread-answer"), word("thread-answer"))
    for message in ("first", "second"):
        await Runner.run(talker, word(f"thread-{message}"), thread="customer-7", message_id=message)
    history = await (await Runner.thread("customer-7")).history()
    return [json.dumps(result.to_input_list()), json.dumps(history)]


async def main() -> None:
    log_lines.configure(logging.INFO)
    met = [*await refunded("refunds"), *await failed(), *await spoken(Path(sys.argv[2]))]
    await (await Runner.get("refunds")).why()
    names = {each.partition(f"-{MARK}")[0] for each in " ".join(met).split("canary-")[1:]}
    sys.stderr.write(f"\nmet: {' '.join(sorted(names))}\n")


asyncio.run(main())
