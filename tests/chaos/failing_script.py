"""A run that comes to every failpoint: `python failing_script.py RUN_ID LEDGER FAILPOINT`; started until it ends.

The ledger is a file with a line for each effect. Asked what became of a call, the script looks there and says.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from pathlib import Path
from typing import Any

from perdure import (
    Agent,
    DecisionConflictError,
    GuardrailFunctionOutput,
    RunConfig,
    RunHooks,
    Runner,
    RunNotFound,
    SQLiteSession,
    ToolContext,
    function_tool,
    input_guardrail,
    output_guardrail,
)
from perdure.testing import ScriptedModel, tool_call

RUN_ID, LEDGER, FAILPOINT = sys.argv[1], Path(sys.argv[2]), sys.argv[3]


def had(line: str) -> bool:
    return LEDGER.exists() and line in LEDGER.read_text().splitlines()


def effect(line: str) -> str:
    with LEDGER.open("a") as file:
        file.write(line + "\n")
    return f"{line} done"


@function_tool
def look(context: ToolContext[Any], number: int) -> str:
    """Look, which may happen twice."""
    return effect(f"look {number}") if not had(f"look {number}") else f"look {number} done"


@function_tool(needs_approval=lambda context, arguments, call_id: True, key=f"{RUN_ID}:{{number}}")
async def pay(number: int) -> str:
    """Pay, which nobody can tell apart from paying twice."""
    return effect(f"pay {number}")


@input_guardrail
async def polite(context: Any, agent: Any, given: Any) -> GuardrailFunctionOutput:
    return GuardrailFunctionOutput(output_info=None, tripwire_triggered=False)


@output_guardrail
async def short(context: Any, agent: Any, output: Any) -> GuardrailFunctionOutput:
    return GuardrailFunctionOutput(output_info=None, tripwire_triggered=False)


class Listening(RunHooks[Any]):
    """Listens to what has a step of its own."""

    async def on_agent_start(self, context: Any, agent: Any) -> None:
        return


async def attend() -> None:
    """Approves what waits, by signal, and says what became of calls that nobody knows of."""
    while True:
        await asyncio.sleep(0.3)
        with contextlib.suppress(RunNotFound, DecisionConflictError):
            run = await Runner.get(RUN_ID)
            for call in await run.approvals():
                await run.approve(call, by="ana")
            for unknown in (await run.status()).unknown:
                line = f"pay {unknown.arguments.partition(':')[2].strip(' }')}"
                happened = had(line)
                await run.resolve(
                    unknown.call_id, "happened" if happened else "retry", result=f"{line} done" if happened else None
                )


async def main() -> None:
    answers: list[Any] = [tool_call("look", {"number": 1})]
    answers += [[tool_call("pay", {"number": turn}), tool_call("look", {"number": turn})] for turn in range(2, 7)]
    agent = Agent(
        name="A", model=ScriptedModel([*answers, "all done"]), tools=[look, pay], input_guardrails=[polite],
        output_guardrails=[short],
    )  # fmt: skip
    attending = asyncio.create_task(attend())
    config = RunConfig(history_events=40)
    session = SQLiteSession("chat", LEDGER.with_suffix(".db"))
    run = await Runner.start(agent, "go", run_id=RUN_ID, hooks=Listening(), run_config=config, session=session)
    result = await run.result()
    attending.cancel()
    outputs = [item.output for item in result.new_items if item.type == "tool_call_output_item"]
    told = len(await session.get_items())
    print(told, "items |", result.final_output, "|", " | ".join(outputs))


asyncio.run(main())
