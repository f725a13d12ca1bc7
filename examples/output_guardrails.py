"""Output guardrails: a check of the final answer before anybody gets it.

One sees an answer that passes and one that is withheld, because it holds a card's number. The error tells what was
about to be said, so that the program can decide what to say instead.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any

from perdure import (
    Agent,
    GuardrailFunctionOutput,
    OutputGuardrailTripwireTriggered,
    RunContextWrapper,
    Runner,
    output_guardrail,
)

CARD = re.compile(r"\b\d{4}(?: \d{4}){3}\b")


@output_guardrail
async def no_card_number(context: RunContextWrapper, agent: Agent[Any], output: str) -> GuardrailFunctionOutput:
    found = CARD.findall(output)
    return GuardrailFunctionOutput(output_info=f"{len(found)} card number(s)", tripwire_triggered=bool(found))


support = Agent(
    name="Support",
    instructions="Help the customers of a bank. Ana Ruiz has the card 4000 1234 5678 9010.",
    output_guardrails=[no_card_number],
)


async def main() -> None:
    for question in ("Has Ana Ruiz got a card?", "What is the number of her card?"):
        try:
            print(f"{question} {(await Runner.run(support, question)).final_output}")
        except OutputGuardrailTripwireTriggered as stopped:
            result = stopped.guardrail_result
            shown = CARD.sub("#### #### #### ####", result.agent_output)
            print(f"{question} Withheld for {result.output.output_info}: {shown}")


SCRIPT = {"got a card": ["She has one."], "number of her card": ["It is 4000 1234 5678 9010."]}

if __name__ == "__main__":
    from scripted_server import answer_without_key

    answer_without_key(SCRIPT)
    asyncio.run(main())
