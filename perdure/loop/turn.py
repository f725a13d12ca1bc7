"""A turn: the model's answer opens it; when all its calls are answered it closes, and the next step is plain."""

from __future__ import annotations

import json
from typing import Any

from perdure.canonical import encode
from perdure.items import is_reference
from perdure.limits import MAX_CONTEXT_BYTES
from perdure.loop.answer import MadeCall, Reading, read_answer
from perdure.loop.frames import begin_turn, fail_frame, guards
from perdure.loop.handoffs import begin_handoff, refuse_handoffs
from perdure.loop.records import Failure, Final, ModelAnswer, ResponseRecord
from perdure.loop.state import Call, Frame, HandoffCall, LoopState
from perdure.loop.urgency import NOT_RUN, urgency
from perdure.portable_context import REMOVED

_WARNINGS_KEPT = 20


def accept_answer(state: LoopState, frame: Frame, answer: ModelAnswer, now: float) -> None:
    """Opens the turn that an answer makes; one that cannot be followed leaves nothing but the failure."""
    reading = read_answer(state, frame, answer)
    if isinstance(reading, Failure):
        fail_frame(frame, reading)
        return
    frame.turn, frame.cuts = frame.turn + 1, 0
    _record(state, frame, answer, reading)
    frame.greeted = True
    _open_calls(state, frame, reading, answer.disabled, now)
    _open_handoffs(state, frame, reading, len(reading.calls))
    if reading.calls or reading.handoffs or reading.used_provider_tools:
        frame.agents_with_tool_use.add(frame.agent)
    if reading.failure is not None:
        fail_frame(frame, reading.failure)
    elif reading.final is not None:
        finish(state, frame, reading.final)
    else:
        frame.stage = "calling"


def _record(state: LoopState, frame: Frame, answer: ModelAnswer, reading: Reading) -> None:
    first = frame.record.count
    response = ResponseRecord(frame.turn, frame.agent, first, len(reading.items), answer.usage)
    response.response_id, response.request_id = answer.response_id, answer.request_id
    response.raw_usage = answer.raw_usage
    frame.responses.append(response)
    handoffs = [id(made.item) for made in reading.handoffs]
    for item in reading.items:
        frame.append(encode(item), "handoff" if id(item) in handoffs else "answer")
    if frame.kept is not None:
        frame.kept.delivered = frame.requested.count
        frame.kept.previous_response_id = answer.response_id if frame.kept.chains else None


def _open_calls(state: LoopState, frame: Frame, reading: Reading, disabled: frozenset[str], now: float) -> None:
    tools = state.definition(frame).tools_by_name
    early = frame.rules.guardrails_before_approval
    for position, made in enumerate(reading.calls):
        item, call_id = made.item, _note_call(state, frame, position, made)
        tool = None if item["name"] in disabled else tools.get(item["name"])
        phase = "explaining" if tool is None else "screening" if early and tool.needs_approval else "judging"
        call = Call(id=call_id, item=item, tool=tool, digest=made.digest, phase=phase, since=now)
        frame.calls.append(call)


def _open_handoffs(state: LoopState, frame: Frame, reading: Reading, first: int) -> None:
    handoffs = state.definition(frame).handoffs_by_name
    for position, made in enumerate(reading.handoffs, first):
        call_id = _note_call(state, frame, position, made)
        frame.handoffs.append(HandoffCall(call_id, made.item, handoffs[made.item["name"]], made.digest))


def _note_call(state: LoopState, frame: Frame, position: int, made: MadeCall) -> str:
    name = f"{frame.turn}.{position}"
    call_id = f"{frame.path}/{name}" if frame.path else name
    state.call_ids.setdefault(made.item["call_id"], []).append(call_id)
    state.call_digests[call_id] = made.digest
    return call_id


def close_turn(state: LoopState, frame: Frame) -> None:
    """Closes a turn whose calls are all answered: records the outputs; then what comes next."""
    for call in in_output_order(frame.calls):
        frame.append(encode(call.output), "value" if call.output_is_value else "output")
    merge_changes(state, frame, [(call.id, call.context_changes) for call in frame.calls])
    results = _results(frame.calls)
    is_passed_over = urgency(frame) == "now"
    if frame.handoffs and is_passed_over:
        refuse_handoffs(frame, NOT_RUN)
        next_turn(state, frame)
    elif frame.handoffs:
        begin_handoff(state, frame)
    elif not results or is_passed_over:
        next_turn(state, frame)
    else:
        _after_tools(state, frame, results)


def in_output_order(calls: list[Call]) -> list[Call]:
    """Calls as their outputs are recorded: in call order, those of unknown tools last."""
    return sorted(calls, key=lambda call: call.tool is None)


def next_turn(state: LoopState, frame: Frame) -> None:
    """Forgets the closed turn's calls and lets the model be asked again."""
    frame.calls, frame.handoffs = [], []
    begin_turn(frame)


def tool_results(frame: Frame) -> list[Call]:
    """The open turn's calls whose outputs may end the run."""
    return _results(frame.calls)


def _results(calls: list[Call]) -> list[Call]:
    """Results of tools, whenever they came: a human's word about a call is none."""
    return [call for call in calls if call.is_result]


def _after_tools(state: LoopState, frame: Frame, results: list[Call]) -> None:
    definition = state.definition(frame)
    stopping: Call | None = None
    match definition.tool_use:
        case "stop_on_first_tool":
            stopping = results[0]
        case "stop_at":
            stopping = next((call for call in results if call.name in definition.stop_at), None)
        case "rule":
            frame.stage = "choosing"
            return
        case "run_llm_again":
            pass
    if stopping is None:
        next_turn(state, frame)
    else:
        finish(state, frame, _output_of(stopping, is_plain=definition.output_format is None))


def _output_of(call: Call, *, is_plain: bool) -> Final:
    """A tool's output as the final output; of an agent without an output type it is text."""
    item = call.output or {}
    kind = "text" if is_plain or not call.output_is_value else "object" if call.output_is_object else "value"
    if is_reference(item):
        return Final(kind, text=None, item=item)
    output = item.get("output", "")
    if not isinstance(output, str):  # content parts
        return Final("text" if is_plain else "value", text=json.dumps(output, ensure_ascii=False))
    return Final(kind, text=output)


def finish(state: LoopState, frame: Frame, final: Final) -> None:
    """Takes a final output: hooks hear of it and output guardrails judge it before it is one."""
    definition = state.definition(frame)
    frame.final, frame.stage = final, "ending"
    frame.calls, frame.handoffs = [], []
    frame.settled_items, frame.settled_turns = frame.record.count, frame.turn
    frame.reviews = guards(definition.output_guardrails, frame.rules.output_guardrails)


def merge_changes(state: LoopState, frame: Frame, changes: list[tuple[str, dict[str, Any]]]) -> None:
    """Merges what user code changed in the context, field by field; of two changes of one field the later holds."""
    changed_by: dict[str, str] = {}
    context = dict(state.context or {})
    for name, fields in changes:
        for field, value in fields.items():
            if field in changed_by:
                warn(state, f"Calls {changed_by[field]} and {name} both changed context.{field}; the later one holds.")
            changed_by[field] = name
            if value == REMOVED:
                context.pop(field, None)
            else:
                context[field] = value
    if not changed_by:
        return
    size = len(encode(context))
    if size <= MAX_CONTEXT_BYTES:
        state.context = context
        return
    text = (
        f"With what the calls of turn {frame.turn} changed, the context takes {size} bytes as JSON; at most "
        f"{MAX_CONTEXT_BYTES} can travel. Keep large data in a store and only its key in the context."
    )
    state.root.failure = state.root.failure or Failure("ContextNotPortableError", text)


def warn(state: LoopState, text: str) -> None:
    """Notes what a person should know; the same text again moves to the end instead of pushing others out."""
    state.warnings = [*(earlier for earlier in state.warnings if earlier != text), text][-_WARNINGS_KEPT:]
