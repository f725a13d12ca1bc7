"""What the run loop itself costs: decisions, records and contracts, without Temporal, network or tools."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from temporalio.api.common.v1 import Payload

from benchmarks.agent import bench_agent
from benchmarks.job import QUESTION, Job, take_sample
from perdure import RunConfig
from perdure.canonical import canonical
from perdure.contracts.converter import data_converter
from perdure.contracts.run import RunSettings
from perdure.contracts.steps import CallModelOutput, CallToolOutput, ToolCall
from perdure.contracts.tokens import Tokens
from perdure.loop.absorb import absorb, started
from perdure.loop.frames import begin
from perdure.loop.plan import plan
from perdure.loop.records import Transcript
from perdure.loop.settle import settle
from perdure.loop.state import Frame, LoopState
from perdure.loop.steps import CallModel, CallTool, Finish, Outcome, Start, Step
from perdure.rooms import load_room
from perdure.snapshot import snapshot

_converter = data_converter.payload_converter


@dataclass(frozen=True, slots=True)
class _Answers:
    """The payloads that a turn's activities answer with."""

    model: Payload
    tool: Payload | None


def loop_cpu_ms_per_turn(job: Job, turns_in_all: int) -> float:
    """CPU time of the loop and its contracts per turn, in milliseconds, over as many runs as have `turns_in_all`."""
    answers = [_answers(job, turn) for turn in range(1, job.turns + 1)]
    runs = max(1, turns_in_all // job.turns)
    spent = sum(_run_cpu_seconds(job, answers) for _ in range(runs))
    return 1000 * spent / (runs * job.turns)


def _run_cpu_seconds(job: Job, answers: list[_Answers]) -> float:
    taken = snapshot(bench_agent(), RunConfig(model=job.model))
    transcript = Transcript("00" * 32)
    transcript.append(canonical({"content": QUESTION, "role": "user"}), "input", taken.start, 0)
    frame = Frame("", taken.start, taken.rules, record=transcript, shown=transcript, max_turns=None)
    state = LoopState(taken.start, frame, snapshot=taken)
    began = time.process_time()
    begin(state, frame)
    settle(state, 0.0)
    _drive(state, answers)
    spent = time.process_time() - began
    if frame.turn != job.turns or state.failure is not None:
        raise RuntimeError(f"The loop ended after {frame.turn} turns instead of {job.turns}: {state.failure}")
    return spent


def _drive(state: LoopState, answers: list[_Answers]) -> None:
    while True:
        for action in plan(state):
            if isinstance(action, Finish):
                return
            if not isinstance(action, Start):
                raise TypeError(f"The loop says {action}, which this job never leads to.")
            _do(state, action.step, answers)


def _do(state: LoopState, step: Step, answers: list[_Answers]) -> None:
    frame = state.root
    match step:
        case CallModel():
            _converter.to_payload(_inputs().model_input(state, frame, step, RunSettings()))
            started(state, step)
            absorb(state, step, _outcome(step, answers[step.turn - 1].model, CallModelOutput))
        case CallTool():
            _converter.to_payload(_tool_input(state, step.call_id))
            started(state, step)
            payload = answers[frame.turn - 1].tool
            if payload is None:
                raise RuntimeError(f"The answer of turn {frame.turn} makes no call.")
            absorb(state, step, _outcome(step, payload, CallToolOutput))
        case _:
            raise TypeError(f"The loop asks for {step}, which this job never leads to.")
    settle(state, 0.0)


def _outcome(step: Step, payload: Payload, result_type: type[Any]) -> Outcome:
    return _outcome_of()(step, _converter.from_payload(payload, result_type), "", "")


@functools.cache
def _outcome_of() -> Callable[..., Outcome]:
    return load_room("workflows.outcomes").success


@functools.cache
def _inputs() -> Any:
    return load_room("workflows.inputs")


def _tool_input(state: LoopState, call_id: str) -> ToolCall:
    call = state.call(call_id)
    if call is None or call.tool is None:
        raise RuntimeError(f"Call {call_id} is not open.")
    return ToolCall(
        root=state.agent_name,
        agent=state.root.agent,
        call_id=call.id,
        model_call_id=call.model_call_id,
        tool=call.name,
        fingerprint=call.tool.fingerprint,
        arguments=call.arguments,
    )


def _answers(job: Job, turn: int) -> _Answers:
    usage = Tokens(requests=1, input=100, output=20, cached=80)
    if turn == job.turns:
        message: dict[str, Any] = {"content": [{"text": "Done.", "type": "output_text"}], "type": "message"}
        return _Answers(_converter.to_payload(CallModelOutput(items=[message], usage=usage)), None)
    arguments = json.dumps({"number": turn, "size": job.size})
    call = {"arguments": arguments, "call_id": f"call_{turn}", "name": "sample", "type": "function_call"}
    model = CallModelOutput(items=[call], usage=usage, response_id=f"resp_{turn}", request_id="req_1")
    output = {"call_id": f"call_{turn}", "output": take_sample(turn, job.size), "type": "function_call_output"}
    return _Answers(_converter.to_payload(model), _converter.to_payload(CallToolOutput(item=output)))
