"""Scenarios in which the two sides differ on purpose, each with its reason.

A test fails for a difference that is not listed here, and for one that is listed and gone. What differs wherever it
occurs is in `known`.
"""

from __future__ import annotations

_CALL_ORDER = "outputs of a turn are kept in call order, whenever its calls were decided"
_HUMAN = "only what a tool itself says can end a run: a human's rejection and what ran before the wait do not"
_ORDER_IN_JSON = "records of nested history keep the order of fields in which the provider sent them"
_LATER_MCP = "approvals of hosted MCP tools come with the tools beyond functions"
_GUARDRAIL_TOLD = "a guardrail that was asked is among the results, also where it ended the turn or asked early"
_ATTEMPTS = "failed attempts are Temporal's; only a request that was answered has an entry of its own"
_REPEATED_IDS = "models repeat call ids; calls are told apart by turn and position"
_AS_TEXT = "a tool's result reaches guardrails after it as the model gets it: it may have run in another process"

DIFFERENCES: dict[str, str] = {
    "two waits inside two agents as tools": _CALL_ORDER,
    "an approved call runs": _CALL_ORDER,
    "first one, then the other": _CALL_ORDER,
    "hooks and guardrails of an approved call": _GUARDRAIL_TOLD,
    "guardrails before the human is asked, and before the call": _GUARDRAIL_TOLD,
    "a tool's input guardrail raises": _GUARDRAIL_TOLD,
    "a tool's output guardrail raises": _GUARDRAIL_TOLD,
    "a behaviour that is nothing known": "refused before the run starts, not after its first tool",
    "a tool-made answer of a typed agent is not checked": _AS_TEXT,
    "the order around a tool": _AS_TEXT,
    "a human's rejection is a tool-made answer": _HUMAN,
    "after a wait the stop sees the first call of the response": _HUMAN,
    "an output guardrail judges a handler's answer": "run data holds the handler's message, which was judged",
    "nested history": _ORDER_IN_JSON,
    "nested history that a handoff asks for": _ORDER_IN_JSON,
    "history that is nested twice": _ORDER_IN_JSON,
    "reasoning enters nested history as text alone": _ORDER_IN_JSON,
    "markers of nested history of one's own": _ORDER_IN_JSON,
    "what hooks are given": "the end of an agent is told with the input of its last model call, not of its first",
    "a hosted MCP call that waits": _LATER_MCP,
    "a hosted MCP call that is approved": _LATER_MCP,
    "a hosted MCP call that is rejected": _LATER_MCP,
    "a hosted MCP call that a callback decides": _LATER_MCP,
    "a repeated request of a kept conversation sends the same": _ATTEMPTS,
    "a model call that is repeated": _ATTEMPTS,
    "a retry policy of one's own": _ATTEMPTS,
    "a refused model call of a kept conversation is repeated": _ATTEMPTS,
    "a slow guardrail that trips before the second turn": "no tool of turn 1 starts before its guardrails have passed",
    "start hooks after a wait": "the run has never stopped, so its agent does not start again",
    "a new context after a wait": "a run keeps its context's state; a new object lends its resources only",
    "input that is added to a waiting run": "`RunState.add_input` comes with speaking to a run under way",
    "the settings that a reasoning model implies": "settings are sent as given; the provider's defaults hold",
    "a tool end hook that raises": "a turn whose tools did not all end leaves nothing in run data",
    "a tool that is added during the run": "the agents are fixed when the run starts",
    "the same call again": _REPEATED_IDS,
    "another call with the same id": _REPEATED_IDS,
}
