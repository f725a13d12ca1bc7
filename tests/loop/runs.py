"""Runs by hand: an agent with tools, a state, and the few moves that a driver makes."""

from __future__ import annotations

import json
from typing import Any

from perdure.canonical import encode
from perdure.definition import AgentDefinition, Snapshot, ToolDefinition
from perdure.loop.absorb import absorb, started
from perdure.loop.decisions import Ruling, decide
from perdure.loop.plan import plan
from perdure.loop.state import Decision, Failure, LoopState, Transcript
from perdure.loop.steps import (
    CallModel,
    CallTool,
    Fail,
    Finish,
    JudgeCall,
    ModelAnswered,
    Start,
    Step,
    ToolReturned,
    Wait,
)
from perdure.transcript import chain_start
from perdure.usage import Usage

Item = dict[str, Any]

ORIGIN = chain_start("default", "run-1", "first", "", 0)


def tool(name: str, **fields: Any) -> ToolDefinition:
    return ToolDefinition(name=name, wire={"type": "function", "name": name}, **fields)


# One tool of each kind: runs at once, waits for a decision, asks a rule.
TOOLS = (tool("look"), tool("pay", needs_approval=True, effect="once"), tool("book", needs_approval="rule"))


def definitions(*tools: ToolDefinition) -> Snapshot:
    agent = AgentDefinition(name="Support", model="m", tools=tools or TOOLS)
    return Snapshot(start="Support", agents={"Support": agent})


def open_run(*tools: ToolDefinition, text: str = "hello", **fields: Any) -> LoopState:
    state = LoopState(
        agent_name="Support",
        transcript=Transcript(ORIGIN),
        snapshot=definitions(*tools),
        agent="Support",
        approval_timeout_seconds=60.0,
        **fields,
    )
    state.transcript.append(encode({"content": text, "role": "user"}), "input", "Support", 0)
    return state


def call(name: str = "look", arguments: str = "{}", id: str = "c1") -> Item:
    return {"type": "function_call", "call_id": id, "name": name, "arguments": arguments}


def message(*texts: str) -> Item:
    return {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": t} for t in texts]}


def refusal(text: str) -> Item:
    return {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": text}]}


def steps(state: LoopState) -> list[Step]:
    return [action.step for action in plan(state) if isinstance(action, Start)]


def names(state: LoopState) -> list[str]:
    """Everything that the run asks for now, in a word each."""
    return [_name(action) for action in plan(state)]


def _name(action: Any) -> str:
    match action:
        case Start(step):
            return step.id
        case Wait(id):
            return id
        case Fail(failure):
            return failure.type
        case Finish():
            return "finish"
        case _:
            raise AssertionError(f"unknown action {action!r}")


def start_all(state: LoopState) -> list[Step]:
    """Starts what may start, as the driver does."""
    begun = steps(state)
    for step in begun:
        started(state, step.id)
    return begun


def answer(state: LoopState, *items: Item, now: float = 0.0, **fields: Any) -> None:
    """Starts the model call that is due and absorbs its answer."""
    (step,) = start_all(state)
    assert isinstance(step, CallModel)
    fields.setdefault("usage", Usage.of_request(10, 5))
    absorb(state, step.id, None, ModelAnswered(list(items), **fields), now)


def end(state: LoopState, call_id: str, outcome: Any) -> None:
    """Absorbs the outcome of a call's step in flight."""
    (step_id,) = [one for one in state.in_flight if one.split(".", 1)[1].split("~")[0] == call_id]
    absorb(state, step_id, call_id, outcome, 0.0)


def returned(state: LoopState, call_id: str, text: str = "done", **fields: Any) -> ToolReturned:
    open_call = state.call(call_id)
    assert open_call is not None
    item = {"call_id": open_call.model_call_id, "output": text, "type": "function_call_output"}
    return ToolReturned(item, **fields)


def run_tool(state: LoopState, call_id: str, text: str = "done", **fields: Any) -> None:
    """Starts what may start and absorbs the output of one call."""
    start_all(state)
    end(state, call_id, returned(state, call_id, text, **fields))


def approve(state: LoopState, call_id: str, digest: str | None = None, **fields: Any) -> Ruling:
    return decide(state, call_id, Decision(True, **fields), digest)


def reject(state: LoopState, call_id: str, digest: str | None = None, **fields: Any) -> Ruling:
    return decide(state, call_id, Decision(False, **fields), digest)


def said(state: LoopState) -> list[Item]:
    """The transcript as JSON."""
    return [json.loads(entry.data) for entry in state.transcript.entries]


def outputs(state: LoopState) -> list[tuple[str, str]]:
    """The outputs in the transcript: the model's call id and the text."""
    return [(item["call_id"], item["output"]) for item in said(state) if item.get("type") == "function_call_output"]


def failure(state: LoopState) -> Failure:
    (action,) = plan(state)
    assert isinstance(action, Fail)
    return action.failure


def call_steps(state: LoopState) -> list[str]:
    """Our ids of the calls whose tool may start now."""
    return [step.call_id for step in steps(state) if isinstance(step, CallTool)]


def judged_calls(state: LoopState) -> list[str]:
    """Our ids of the calls whose rule may be asked now."""
    return [step.call_id for step in steps(state) if isinstance(step, JudgeCall)]
