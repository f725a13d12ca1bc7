"""Scenarios in which the two sides differ on purpose, each with its reason.

A test fails for a difference that is not listed here, and for one that is listed and gone. What differs wherever it
occurs is in `known`.
"""

from __future__ import annotations

_CALL_ORDER = "outputs of a turn are kept in call order, whenever its calls were decided"
_HUMAN = "only what a tool itself says can end a run: a human's rejection does not"
_LATER_MCP = "approvals of hosted MCP tools come with the tools beyond functions"
_GUARDRAIL_TOLD = "a guardrail that was asked is among the results, also where it ended the turn or asked early"
_ONE_DRAFT = "a draft has one decision for each call, the last one, also where an earlier one was for always"
_AS_STARTED = "a run that waits goes on as it was started; what comes with its state lends objects and decides"
_SAME_CONVERSATION = "a run under way stays in the conversation that it was started with; another one is refused"
_REPEATED_IDS = "models repeat call ids; calls are told apart by turn and position"
_HELD = "nothing follows from the first answer before the guardrails beside it have passed; a trip comes first"
_ONE_TURN = "a turn is one turn, however long it waited: all its items are new to what edits the history"
_NO_TRACE = "a turn that fails leaves nothing in run data, even where tools of it ran; `perdure show` has every step"
_BEFORE_THE_START = "refused before the run starts, not in the middle of it"
_NAMED_ERROR = "an error of the SDK's kind that says what is wrong, not one of the line that stumbles over it"
_ASKED_ONCE = "what is switched on is asked once for each model call, and recorded"
_AS_TEXT = "a tool's result reaches guardrails after it as the model gets it: it may have run in another process"

DIFFERENCES: dict[str, str] = {
    "two waits inside two agents as tools": _CALL_ORDER,
    "an approved call runs": _CALL_ORDER,
    "first one, then the other": _CALL_ORDER,
    "hooks and guardrails of an approved call": _GUARDRAIL_TOLD,
    "guardrails before the human is asked, and before the call": _GUARDRAIL_TOLD,
    "a tool's input guardrail raises": _GUARDRAIL_TOLD,
    "a tool's output guardrail raises": _GUARDRAIL_TOLD,
    "a behaviour that is nothing known": _BEFORE_THE_START,
    "an output guardrail that cannot be called": _BEFORE_THE_START,
    "a limit below zero": "refused as an argument that cannot be meant",
    "instructions that return no text": _NAMED_ERROR,
    "guardrails that give no verdict": _NAMED_ERROR,
    "a handoff that gives no agent": _NAMED_ERROR,
    "what is switched on is asked before a turn that is refused": _ASKED_ONCE,
    "a tool that is switched off before it runs": _ASKED_ONCE,
    "two tools with one name of which a function chooses": "a name that could mean either is refused before the start",
    "a filter after a wait": _ONE_TURN,
    "nested history after a wait": _ONE_TURN,
    "a tool that returns when its time is over": "its time is over: what it returns then does not count",
    "hooks of a final answer that a slow guardrail refuses": _HELD,
    "a guardrail that is still asked when the answer cannot be followed": _HELD,
    "a tool-made answer of a typed agent is not checked": _AS_TEXT,
    "the order around a tool": _AS_TEXT,
    "a human's rejection is a tool-made answer": _HUMAN,
    "a rule is not asked about a rejected call": _HUMAN,
    "an output guardrail judges a handler's answer": "run data holds the handler's message, which was judged",
    "what hooks are given": "the end of an agent is told with the input of its last model call, not of its first",
    "a hosted MCP call that waits": _LATER_MCP,
    "a hosted MCP call that is approved": _LATER_MCP,
    "a hosted MCP call that is rejected": _LATER_MCP,
    "a hosted MCP call that a callback decides": _LATER_MCP,
    "a slow guardrail that trips before the second turn": "no tool of turn 1 starts before its guardrails have passed",
    "start hooks after a wait": "the run has never stopped, so its agent does not start again",
    "an output guardrail that comes only with a state": "a run is fixed as it was started: other options are refused",
    "a new context after a wait": "a run keeps its context's state; a new object lends its resources only",
    "the settings that a reasoning model implies": "settings are sent as given; the provider's defaults hold",
    "a tool end hook that raises": _NO_TRACE,
    "the first of several failing siblings": _NO_TRACE,
    "a refusal after a search": _NO_TRACE,
    "a thread goes on after a tool that fails": _NO_TRACE,
    "a thread whose message failed after a wait": _NO_TRACE,
    "a thread, and ids that come again": _REPEATED_IDS,
    "a tool that is added during the run": "the agents are fixed when the run starts",
    "three calls decided one by one": _CALL_ORDER,
    "three calls decided one by one, through JSON": _CALL_ORDER,
    "two handoffs wait for decisions that come one by one": _CALL_ORDER,
    "two handoffs wait for decisions that come one by one, through JSON": _CALL_ORDER,
    "for always, and then otherwise about the same call": _ONE_DRAFT,
    "for always, and then otherwise about the same call, through JSON": _ONE_DRAFT,
    "an approved call fails for good": _NO_TRACE,
    "an approved call fails for good, through JSON": _NO_TRACE,
    "a previous response id for the first time, with the state of a waiting run": _SAME_CONVERSATION,
    "a conversation id, after another, with the state of a waiting run": _SAME_CONVERSATION,
    "previous response ids for the first time, with the state of a waiting run": _SAME_CONVERSATION,
    "a streamed run goes on with one of two calls": _CALL_ORDER,
    "settings, hooks and handlers first given with a state": _AS_STARTED,
    "hooks that are not given with the state": _AS_STARTED,
    "a handler of a plain agent gives an object": "an output travels as JSON; an output type makes it an object",
    "handlers that decline, and what they were told": "a handler is told of all answers, not of the last alone",
    "a filter that leaves items out of a kept conversation": "what a filter left out once is not offered to it again",
    "a model call is made again by status, which the provider forbids": "a provider's veto holds, whatever the policy",
    "a model call is made again after a time of zero": "a wait of zero is none that could be followed",
    "a refused request after another answer that a policy approves": "the policy's word is enough, as its name says",
    "the same call again": _REPEATED_IDS,
    "the same call twice in one response": _REPEATED_IDS,
    "two calls with one id in one response": _REPEATED_IDS,
    "another handoff with the same id": _REPEATED_IDS,
    "another call with the same id": _REPEATED_IDS,
    "a call that comes again in the input with other arguments": _REPEATED_IDS,
}
