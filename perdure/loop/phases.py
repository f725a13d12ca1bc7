"""The phases of one tool call, in the order in which it goes through them."""

from __future__ import annotations

from typing import Literal

CallPhase = Literal[
    "screening",  # input guardrails, before a human is asked
    "judging",  # does it need approval?
    "waiting",  # for a decision
    "checking",  # input guardrails
    "ready",  # to run
    "unknown",  # nobody knows whether it took effect: a person has to say
    "resolving",  # a person has said: the ledger is told
    "greeting",  # an agent as a tool: hooks, a tool starts
    "preparing",  # an agent as a tool: a function makes its input
    "running",  # an agent as a tool: it runs
    "extracting",  # an agent as a tool: a function makes the output
    "failing",  # an agent as a tool: a function words its failure
    "explaining",  # a function words why it was not run
    "reviewing",  # output guardrails
    "ending",  # hooks: a tool ends
    "done",
]
