"""What each step's activity is told: made from the state at the moment in which the step is scheduled."""

from __future__ import annotations

import json
from typing import Any

from perdure.canonical import encode
from perdure.contracts import steps as contracts
from perdure.contracts.run import RunSettings
from perdure.items import is_reference
from perdure.limits import MAX_TAIL_BYTES
from perdure.loop.calls import explain, is_heard
from perdure.loop.handoffs import edited_origins, nests_history, shown_turn_start, turn_start
from perdure.loop.records import Final, Transcript
from perdure.loop.sending import admitted
from perdure.loop.state import Call, Frame, HandoffCall, LoopState
from perdure.loop.steps import CallModel, CallUser, CheckGuardrail, RunHook
from perdure.loop.turn import tool_results

from .call_inputs import surroundings, tool_input


def model_input(state: LoopState, frame: Frame, step: CallModel, settings: RunSettings) -> contracts.CallModelInput:
    """One model call."""
    definition, rules = state.definition(frame), frame.rules
    cursor, items = cursor_of(frame.requested, frame.kept.delivered if frame.kept is not None else 0)
    listens = is_heard(state, frame, "on_llm_start") or is_heard(state, frame, "on_llm_end")
    extras: dict[str, Any] = {}
    if definition.reset_tool_choice and frame.agent in frame.agents_with_tool_use:
        extras["forget_tool_choice"] = True
    extras |= {name: True for name, holds in _asked(rules, listens=listens).items() if holds}
    if rules.omit_reasoning_ids:
        extras["input_count"] = 0 if frame.begun else frame.requested.inputs
    if frame.kept is not None:
        extras |= _kept(frame)
    if frame.cuts:
        extras["cuts"] = frame.cuts
    outer = state.call(frame.path) if frame.path else None
    if outer is not None and outer.tool is not None and outer.tool.agent is not None and outer.tool.agent.streams:
        extras["answers"] = outer.item
    if settings.group_id is not None:
        extras["prompt_cache_key"] = settings.group_id
    with_context = definition.calls_user_code or rules.filters_model_input or listens
    return contracts.CallModelInput(
        **surroundings(state, frame, with_context=with_context),
        definition=definition.digest,
        turn=step.turn,
        cursor=cursor,
        items=items,
        **extras,
    )


def _asked(rules: Any, *, listens: bool) -> dict[str, bool]:
    return {
        "llm_hooks": listens,
        "filters_input": rules.filters_model_input,
        "omit_reasoning_ids": rules.omit_reasoning_ids,
    }


def _kept(frame: Frame) -> dict[str, Any]:
    kept = frame.kept
    if kept is None:
        return {}
    values = {"previous_response_id": kept.previous_response_id, "conversation_id": kept.conversation_id}
    return {name: value for name, value in values.items() if value is not None}


def cursor_of(transcript: Transcript, start: int = 0) -> tuple[contracts.Cursor, list[dict[str, Any]]]:
    """The conversation as a step gets it: what is new since the last model call, at most 256 KiB of it.

    Args:
        transcript: The conversation.
        start: How many items the provider keeps already; only what comes after them is sent.
    """
    count = base = transcript.count
    size = 0
    first = max(start or transcript.sent, transcript.first)
    for entry in reversed(transcript.entries):
        if base == first or size + len(entry.data) > MAX_TAIL_BYTES:
            break
        base -= 1
        size += len(entry.data)
    extras = {name: value for name, value in (("start", start), ("epoch", transcript.epoch)) if value}
    cursor = contracts.Cursor(
        origin=transcript.origin,
        digest=transcript.digest_at(count),
        count=count,
        base=transcript.digest_at(base),
        base_count=base,
        **extras,
    )
    return cursor, [json.loads(entry.data) for entry in transcript.after(base)]


def guardrail_input(
    state: LoopState, frame: Frame, step: CheckGuardrail, call: Call | None
) -> contracts.GuardrailInput:
    """One question to a guardrail."""
    extras: dict[str, Any] = {}
    if step.kind == "input":
        cursor, items = cursor_of(_added(frame) if step.added else _given(frame))
        extras = {"cursor": cursor, "items": items}
        if frame.input_is_text and not step.added:
            extras["input_is_text"] = True
    elif step.kind == "output":
        extras["output"] = output_of(frame.final or Final())
    elif call is not None:
        extras["call"] = tool_input(state, frame, call, with_context=False)
        if step.kind == "tool_output":
            extras["output"] = call_output(call)
    return contracts.GuardrailInput(
        **surroundings(state, frame),
        turn=frame.turn,
        kind=step.kind,
        source=step.source,
        index=step.index,
        name=step.name,
        **extras,
    )


def _given(frame: Frame) -> Transcript:
    """The run's input alone; an answer may have come before a guardrail beside it was asked."""
    record = frame.record
    before = record.given - record.first
    inputs = [entry for place, entry in enumerate(record.entries) if place < before or entry.kind == "input"]
    return Transcript(record.origin, record.epoch, inputs, sealed=record.sealed)


def _added(frame: Frame) -> Transcript:
    """What was sent to the run and is judged now, alone: so little that the step is given all of it."""
    added = Transcript(frame.record.origin, frame.record.epoch)
    for sent in admitted(frame, frame.admission) if frame.admission is not None else []:
        for item in sent.items:
            added.append(encode(item), "added", frame.agent, frame.turn)
    return added


def hook_input(state: LoopState, frame: Frame, step: RunHook, call: Call | None) -> contracts.HookInput:
    """One event for hooks."""
    extras: dict[str, Any] = {}
    match step.event:
        case "on_agent_start":
            cursor, items = cursor_of(frame.requested)
            extras = {"cursor": cursor, "items": items}
        case "on_agent_end":
            whole = frame.requested
            sent = whole.entries[: whole.sent - whole.first]
            cursor, items = cursor_of(Transcript(whole.origin, whole.epoch, sent, whole.sent, whole.sealed))
            extras = {"cursor": cursor, "items": items, "output": output_of(frame.final or Final())}
        case "on_handoff":
            extras["other"] = frame.handoffs[0].target
        case _:
            pass
    if call is not None:
        extras["call"] = tool_input(state, frame, call, with_context=False)
        if step.event == "on_tool_end":
            extras["output"] = call_output(call)
    return contracts.HookInput(**surroundings(state, frame), turn=frame.turn, event=step.event, **extras)


def user_input(
    state: LoopState, frame: Frame, step: CallUser, call: Call | None, settings: RunSettings
) -> contracts.CallUserInput:
    """One call of a function of the user."""
    extras = _about_frame(state, frame, step, settings) if call is None else _about_call(state, frame, call, step)
    return contracts.CallUserInput(**surroundings(state, frame), turn=frame.turn, role=step.role, **extras)


def _about_call(state: LoopState, frame: Frame, call: Call, step: CallUser) -> dict[str, Any]:
    extras: dict[str, Any] = {"call": tool_input(state, frame, call, with_context=False)}
    match step.role:
        case "tool_error_formatter":
            kind = "approval_rejected" if call.tool is not None else "tool_not_found"
            extras |= {"error": explain(call), "error_kind": kind}
        case "failure_error_function" if call.failure is not None:
            extras |= {"error": call.failure.message, "error_kind": call.failure.type}
        case "custom_output_extractor" if call.child is not None:
            extras |= {"output": output_of(call.child.final or Final()), "transcript": _name_of(call.child)}
            extras["input_is_text"] = call.child.input_is_text
        case _:
            pass
    return extras


def _about_frame(state: LoopState, frame: Frame, step: CallUser, settings: RunSettings) -> dict[str, Any]:
    match step.role:
        case "tool_use_behavior":
            return {"results": [_result(each) for each in tool_results(frame)]}
        case "on_handoff":
            return {"call": _handoff_call(state, frame, frame.handoffs[0])}
        case "handoff_input_filter":
            return _filter_input(state, frame, settings)
        case "error_handler" if frame.recovery is not None:
            kind = frame.recovery.kind
            said = {"error": frame.recovery.message, "error_kind": kind, "transcript": _name_of(frame)}
            return {**said, "input_is_text": frame.input_is_text}
        case _:
            return {}


def _filter_input(state: LoopState, frame: Frame, settings: RunSettings) -> dict[str, Any]:
    handoff = frame.handoffs[0]
    shown = frame.shown
    extras: dict[str, Any] = {}
    if frame.record.sealed or shown.sealed:
        extras["rewrite"] = contracts.Rewrite(
            record=_name_of(frame),
            turn_start=turn_start(frame),
            origins=edited_origins(state, frame),
            kept_bytes=settings.carried_bytes,
        )
    return {
        **extras,
        "call": _handoff_call(state, frame, handoff),
        "transcript": contracts.TranscriptName(path=frame.path, epoch=shown.epoch, count=shown.count),
        "new_from": shown_turn_start(frame),
        "nest": nests_history(frame, handoff.definition),
        "input_is_text": frame.input_is_text,
    }


def _name_of(frame: Frame) -> contracts.TranscriptName:
    return contracts.TranscriptName(path=frame.path, epoch=frame.record.epoch, count=frame.record.count)


def _handoff_call(state: LoopState, frame: Frame, handoff: HandoffCall) -> contracts.ToolCall:
    extras: dict[str, Any] = {}
    if is_reference(handoff.item):
        extras["arguments_blob"] = handoff.item["perdure_blob"]["sha256"]
    return contracts.ToolCall(
        **surroundings(state, frame, with_context=False),
        call_id=handoff.id,
        model_call_id=handoff.item["call_id"],
        tool=handoff.definition.tool_name,
        fingerprint=handoff.definition.input_fingerprint,
        arguments=handoff.item.get("arguments", ""),
        **extras,
    )


def _result(call: Call) -> contracts.FunctionResult:
    return contracts.FunctionResult(
        tool=call.name, call_id=call.model_call_id, item=call.output or {}, is_value=call.output_is_value
    )


def output_of(final: Final) -> contracts.Output:
    """A final output as it travels."""
    return contracts.Output(kind=final.kind, text=final.text or "", item=final.item)


def call_output(call: Call) -> contracts.Output:
    """A tool's output as it travels."""
    item = call.output or {}
    text = item.get("output")
    kind = "value" if call.output_is_value else "text"
    if is_reference(item) or not isinstance(text, str):
        return contracts.Output(kind=kind, item=item)
    return contracts.Output(kind=kind, text=text)
