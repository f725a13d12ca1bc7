"""The way of one tool call: judged, decided about, checked, run, reviewed, done; a phase without work is passed.

An agent that runs as a tool is a call whose answer a frame of its own brings.
"""

from __future__ import annotations

import json
from typing import Any, cast

from perdure.canonical import clean_text
from perdure.definition import AgentToolDefinition, ToolDefinition
from perdure.items import is_reference, message_text
from perdure.loop.frames import open_frame
from perdure.loop.phases import CallPhase
from perdure.loop.records import Decision, Failure, Final
from perdure.loop.state import Call, Frame, LoopState
from perdure.loop.steps import first_id

REJECTED = "Tool execution was not approved."
_FAILED = "An error occurred while running the tool. Please try again. Error: "
_WITH_ROOM = ("greeting", "preparing", "running", "extracting", "failing")  # phases of an agent that runs as a tool


def advance_call(state: LoopState, frame: Frame, call: Call) -> bool:
    """Moves a call out of a phase in which nothing is left to do; tells whether it moved."""
    before = call.phase
    tool = call.tool
    match call.phase:
        case "screening" if tool is None or call.checked >= len(tool.input_guardrails):
            call.phase, call.checked = "judging", 0
        case "judging" if tool is not None:
            _judge(frame, call, tool, state)
        case "checking" if tool is not None and call.checked >= len(tool.input_guardrails):
            call.phase, call.checked = "ready", 0
        case "ready" if tool is not None and tool.agent is not None:
            _begin_agent(state, frame, call)
        case "reviewing" if tool is None or call.checked >= len(tool.output_guardrails):
            call.phase = "ending" if _ends_with_hook(state, frame, call) else "done"
        case _:
            pass
    return call.phase != before


def _judge(frame: Frame, call: Call, tool: ToolDefinition, state: LoopState) -> None:
    """A standing decision about the tool answers before its rule is asked."""
    standing = frame.always.get(frame.agent, {}).get(tool.name)
    if standing is not None:
        state.decided[call.id] = standing
        apply_decision(frame, call, standing)
    elif tool.needs_approval != "rule":
        settle_judgement(call, needs_approval=tool.needs_approval)


def settle_judgement(call: Call, *, needs_approval: bool) -> None:
    """Lets a call wait for a decision, or go on."""
    call.phase = "waiting" if needs_approval else "checking"


def apply_decision(frame: Frame, call: Call, decision: Decision) -> None:
    """Lets an approved call go on, answers a rejected one."""
    call.decision = decision
    if decision.approve:
        call.phase, call.checked = "checking", 0
    elif decision.reason is not None or not frame.rules.formats_errors:
        answer_call(call, REJECTED if decision.reason is None else decision.reason)
    else:
        call.phase = "explaining"


def explain(call: Call) -> str:
    """What the model is told of a call that is not run, unless a function of the user words it."""
    return REJECTED if call.tool is not None else f"Tool '{call.name}' not found."


def answer_call(call: Call, text: str, phase: CallPhase = "done") -> None:
    """Answers a call with a text."""
    call.output = {"call_id": call.model_call_id, "output": text, "type": "function_call_output"}
    call.output_is_value = False
    call.phase, call.checked = phase, 0


def busy_calls(state: LoopState, frame: Frame) -> set[str]:
    """The calls of a frame that run now."""
    running = {first_id(step_id) for step_id in state.in_flight}
    return {call.id for call in frame.calls if call.phase in _WITH_ROOM or f"tool.{call.id}" in running}


def _ends_with_hook(state: LoopState, frame: Frame, call: Call) -> bool:
    """Whether the hooks are told after the output guardrails; else the tool's own step has told them."""
    if call.tool is None or not (call.tool.output_guardrails or call.tool.agent):
        return False
    return is_heard(state, frame, "on_tool_end")


def is_heard(state: LoopState, frame: Frame, event: str) -> bool:
    """Whether hooks of the run or of the active agent listen to an event."""
    return event in frame.rules.hooks or event in state.definition(frame).hooks


def _begin_agent(state: LoopState, frame: Frame, call: Call) -> None:
    limit = frame.rules.max_parallel_tools
    if limit is not None and len(busy_calls(state, frame)) >= limit:
        return
    if is_heard(state, frame, "on_tool_start"):
        call.phase = "greeting"
    else:
        prepare_agent(state, frame, call)


def prepare_agent(state: LoopState, frame: Frame, call: Call) -> None:
    """Makes the input of an agent that runs as a tool, or lets a function of the user make it."""
    if _agent_of(call).builds_input or is_reference(call.item):
        call.phase = "preparing"
        return
    try:
        text = _plain_input(call.arguments)
    except ValueError as error:
        fail_agent(frame, call, Failure("ModelBehaviorError", f"Invalid JSON input for tool {call.name}: {error}"))
        return
    run_agent(state, frame, call, [{"content": text, "role": "user"}], input_is_text=True, tool_input=None)


def _plain_input(arguments: str) -> str:
    """The text that an agent as a tool is called with.

    Raises:
        ValueError: The arguments are not an object with a text `input`.
    """
    try:
        value: Any = json.loads(arguments or "{}")
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    text: Any = cast("dict[str, Any]", value).get("input") if isinstance(value, dict) else None
    if not isinstance(text, str):
        raise ValueError('an object with a text "input" is expected')  # noqa: TRY004  one error for all misfits
    return clean_text(text)


def run_agent(
    state: LoopState, frame: Frame, call: Call, items: list[dict[str, Any]], *, input_is_text: bool, tool_input: Any
) -> None:
    """Opens the frame of an agent that runs as a tool."""
    call.phase = "running"
    call.child = open_frame(
        state,
        call.id,
        _agent_of(call),
        items,
        opened_by=(frame.agent, call.name),
        input_is_text=input_is_text,
        tool_input=tool_input,
    )


def fail_agent(frame: Frame, call: Call, failure: Failure) -> None:
    """What the failure of an agent that runs as a tool means to the one that called it."""
    call.child = None
    if failure.type == "StepLost":  # not the agent's failure but ours: its caller could make nothing of it
        call.failure = failure
        return
    match _agent_of(call).on_failure:
        case "text":
            call.is_result = True
            answer_call(call, f"{_FAILED}{failure.message}", "reviewing")
        case "function":
            call.failure, call.phase = failure, "failing"
        case "raise":
            call.failure = failure


def end_agent(state: LoopState, call: Call, child: Frame) -> None:
    """Takes the output of an agent that ran as a tool to its end."""
    final = child.final or Final()
    extracts = _agent_of(call).extracts_output or _has_more_to_tell(call, child)
    if final.kind == "text" and final.text == "" and not extracts:
        final = child.final = _latest(child)
    as_python = final.kind != "text" and state.tool_output_format == "str"
    if extracts or as_python or final.item is not None:  # a large text has to become an item of this very call
        call.phase = "extracting"
    else:
        take_agent_output(call, final)


def _has_more_to_tell(call: Call, child: Frame) -> bool:
    """Whether who is told what happens in an agent's run has not heard of its last outputs: its model heard none."""
    return _agent_of(call).streams and child.record.entries[-1].kind in ("output", "value")


def take_agent_output(call: Call, final: Final) -> None:
    """Makes a final output the output of the call."""
    call.child = None
    call.is_result = True
    answer_call(call, final.text or "", "reviewing")
    if final.item is not None:
        call.output = final.item
    call.output_is_value = final.kind != "text"


def _latest(child: Frame) -> Final:
    """The newest message or tool output of a run whose last answer was empty."""
    for entry in reversed(child.record.entries):
        if entry.kind == "input":
            break
        item: dict[str, Any] = json.loads(entry.data)
        kind = "value" if entry.kind == "value" else "text"
        if is_reference(item) and item.get("type") in ("message", "function_call_output"):
            return Final(kind, text=None, item=item)
        if entry.kind in ("output", "value"):
            return Final(kind, text=str(item.get("output", "")))
        if item.get("type") == "message" and message_text(item):
            return Final(text=message_text(item))
    return Final()


def _agent_of(call: Call) -> AgentToolDefinition:
    if call.tool is None or call.tool.agent is None:
        raise RuntimeError(f"call {call.id} is not one of an agent")
    return call.tool.agent
