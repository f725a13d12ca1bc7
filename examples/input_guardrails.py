"""Input guardrails: a check of what comes in, which stops the run before anything is done about it.

One sees a question answered and another one blocked. The guardrail is a function; this one asks a small agent, whose
`output_type` makes its judgement one that a program can read. It runs beside the first model call, and what that call
said is thrown away if the guardrail says stop.
"""

from __future__ import annotations

import asyncio
from typing import Any

from pydantic import BaseModel

from perdure import (
    Agent,
    GuardrailFunctionOutput,
    InputGuardrailTripwireTriggered,
    RunContextWrapper,
    Runner,
    TResponseInputItem,
    input_guardrail,
)


class Judgement(BaseModel):
    """What the judge says."""

    is_homework: bool
    why: str


judge = Agent(name="Judge", instructions="Say whether somebody wants homework done.", output_type=Judgement)


@input_guardrail
async def no_homework(
    context: RunContextWrapper, agent: Agent[Any], input: str | list[TResponseInputItem]
) -> GuardrailFunctionOutput:
    judgement = (await Runner.run(judge, input)).final_output_as(Judgement)
    return GuardrailFunctionOutput(output_info=judgement.why, tripwire_triggered=judgement.is_homework)


support = Agent(name="Support", instructions="Help the customers of a bank.", input_guardrails=[no_homework])


async def main() -> None:
    for question in ("How do I close my account?", "Solve 2x + 3 = 11 for me."):
        try:
            print(f"{question} {(await Runner.run(support, question)).final_output}")
        except InputGuardrailTripwireTriggered as stopped:
            print(f"{question} Blocked: {stopped.guardrail_result.output.output_info}")


HARMLESS = Judgement(is_homework=False, why="A question to a bank.")
HOMEWORK = Judgement(is_homework=True, why="An equation to solve.")
SCRIPT = {
    "wants homework done": {"account": [HARMLESS.model_dump_json()], "Solve": [HOMEWORK.model_dump_json()]},
    "customers of a bank": {"account": ["Write us two lines."], "Solve": ["x is 4."]},
}

if __name__ == "__main__":
    from scripted_server import answer_without_key

    answer_without_key(SCRIPT)
    asyncio.run(main())
