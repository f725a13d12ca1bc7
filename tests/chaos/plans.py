"""What each run of a storm is about: drawn from the seed, so that model, people and checker agree without talking."""

from __future__ import annotations

import json
import random
import re
from dataclasses import dataclass
from typing import Any

FREE_AMOUNT = 50  # a charge up to this needs no decision
_TURNS = 7  # with calls; one more says the last word
_TURNS_OF_A_MESSAGE = 3  # likewise
_MESSAGES = 2  # of a thread
_FIRST_NUMBER_OF_THREADS = 1000  # of their errands; those of runs are below
_TEXT = re.compile(r"errand (\d+) of seed (\d+)(?:, in (\d+) turns after (\d+))?")


@dataclass(frozen=True)
class PlannedCall:
    """One call that the model makes; `approve` is what people decide about it, None where nobody is asked."""

    id: str
    tool: str
    arguments: dict[str, Any]
    approve: bool | None

    @property
    def model_id(self) -> str:
        return f"call_{self.id.replace('.', '_')}"

    @property
    def item(self) -> dict[str, Any]:
        arguments = json.dumps(self.arguments)
        return {
            **{"type": "function_call", "id": f"fc_{self.model_id}", "call_id": self.model_id},
            **{"name": self.tool, "arguments": arguments, "status": "completed"},
        }

    @property
    def rejection(self) -> str:
        """The reason that the first to reject gives, which is what the model is told."""
        return f"ana says no to {self.id}"

    @property
    def answer(self) -> str:
        """What the model is told where nothing is lost."""
        if self.approve is False:
            return self.rejection
        return f"{self.tool} done for {self.arguments['item']}"


@dataclass(frozen=True)
class Plan:
    """One run: the calls of each turn; one more turn says the last word. `begun`: a thread's turns before it."""

    seed: int
    number: int
    turns: list[list[PlannedCall]]
    begun: int = 0

    @property
    def text(self) -> str:
        place = f", in {len(self.turns)} turns after {self.begun}" if len(self.turns) != _TURNS else ""
        return f"errand {self.number} of seed {self.seed}{place}"

    @property
    def final_output(self) -> str:
        return f"Errand {self.number} is done after {len(self.turns)} turns."

    @property
    def calls(self) -> list[PlannedCall]:
        return [call for turn in self.turns for call in turn]


def plan_of(seed: int, number: int, count: int = _TURNS, begun: int = 0) -> Plan:
    """The plan of a run: 8 model calls; every run has charges and mails, most turns parallel calls.

    Two runs each settle the same thing: whichever comes first.
    """
    chance = random.Random(f"{seed}/plan/{number}")
    turns = [[_tool(chance) for _ in range(chance.randint(1, 3))] for _ in range(count)]
    turns[0] += ["look_up"]
    turns[1] += ["charge", "mail"]
    turns[2] += ["settle"]
    return Plan(
        seed,
        number,
        [
            [_call(chance, number, f"{turn}.{position}", tool) for position, tool in enumerate(tools)]
            for turn, tools in enumerate(turns, begun + 1)
        ],
        begun,
    )


def plans_of_thread(seed: int, number: int) -> list[Plan]:
    """What the messages of a thread are about, one after the other."""
    first, turns = _FIRST_NUMBER_OF_THREADS + 10 * number, _TURNS_OF_A_MESSAGE
    return [plan_of(seed, first + place, turns, place * (turns + 1)) for place in range(_MESSAGES)]


def together(plans: list[Plan]) -> Plan:
    """All that a thread is about, as one plan."""
    return Plan(plans[0].seed, plans[0].number, [turn for plan in plans for turn in plan.turns])


def plan_in(text: str) -> Plan:
    """The plan that a message names."""
    found = _TEXT.search(text)
    if found is None:
        raise ValueError(f"{text[:100]!r} names no errand")
    number, seed, *rest = (int(each) for each in found.groups() if each is not None)
    return plan_of(seed, number, *rest)


def _tool(chance: random.Random) -> str:
    return chance.choice(["look_up", "look_up", "charge", "mail"])


def _call(chance: random.Random, number: int, call_id: str, tool: str) -> PlannedCall:
    arguments: dict[str, Any] = {"item": f"item {number}/{call_id}"}
    if tool == "settle":
        arguments["item"] = f"pair {number // 2}"
    asked = tool == "mail"
    if tool == "charge":
        arguments["amount"] = chance.randint(1, 4 * FREE_AMOUNT)
        asked = arguments["amount"] > FREE_AMOUNT
    approve = chance.random() < 0.8
    return PlannedCall(call_id, tool, arguments, approve if asked else None)
