"""Plays runs against the loop alone: what it asks for, answered by the test."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from perdure.agent import Agent
from perdure.canonical import canonical
from perdure.definition import SessionDefinition
from perdure.loop.absorb import absorb, started
from perdure.loop.decisions import decide
from perdure.loop.frames import begin
from perdure.loop.plan import plan
from perdure.loop.records import Decision, Failure, GuardrailRecord, ModelAnswer, Transcript
from perdure.loop.saving import track
from perdure.loop.settle import settle
from perdure.loop.state import Frame, LoopState
from perdure.loop.steps import (
    CallModel,
    CallTool,
    CheckGuardrail,
    Fail,
    Finish,
    GuardrailChecked,
    HooksRan,
    ModelAnswered,
    Outcome,
    RunHook,
    Start,
    Step,
    ToolReturned,
    UserSaid,
    Wait,
)
from perdure.settings import RunConfig
from perdure.snapshot import snapshot
from perdure.tool import FunctionTool, function_tool
from perdure.transcript import chain_start
from perdure.usage import Usage


def tool(name: str, **options: Any) -> FunctionTool:
    async def body(x: int = 0) -> str:
        return "unused"

    return function_tool(body, name_override=name, **options)


def call(name: str, arguments: str = "{}", call_id: str = "") -> dict[str, Any]:
    return {"type": "function_call", "name": name, "arguments": arguments, "call_id": call_id or f"call_{name}"}


def message(text: str) -> dict[str, Any]:
    return {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}


def open_run(
    agent: Agent[Any],
    config: RunConfig | None = None,
    *,
    max_turns: int | None = 10,
    session: SessionDefinition | None = None,
    **more: Any,
) -> LoopState:
    """A run at its beginning, as the workflow opens it."""
    taken = snapshot(agent, config or RunConfig(), **more)
    transcript = Transcript(chain_start("n", "w", "r", "", 0))
    transcript.append(canonical({"content": "hi", "role": "user"}), "input", taken.start, 0)
    frame = Frame(
        path="",
        agent=taken.start,
        rules=taken.rules,
        record=transcript,
        shown=transcript,
        max_turns=max_turns,
        input_is_text=True,
        session=track(session, "w"),
    )
    state = LoopState(agent_name=agent.name, root=frame, snapshot=taken, approval_timeout_seconds=60.0)
    begin(state, frame)
    settle(state, 0.0)
    return state


def steps(state: LoopState) -> list[Step]:
    """What may start now."""
    return [action.step for action in plan(state) if isinstance(action, Start)]


def answer(state: LoopState, step: Step, outcome: Outcome) -> None:
    """Starts a step and lets it end so."""
    started(state, step)
    absorb(state, step, outcome)
    settle(state, 0.0)


def answered(*items: dict[str, Any], **fields: Any) -> ModelAnswered:
    return ModelAnswered(ModelAnswer(list(items), Usage.of_request(10, 5), **fields))


def returned(state: LoopState, step: CallTool, text: str = "done") -> ToolReturned:
    opened = state.call(step.call_id)
    assert opened is not None
    return ToolReturned({"type": "function_call_output", "call_id": opened.model_call_id, "output": text})


def passed(step: CheckGuardrail, behavior: Any = "allow", text: str = "") -> GuardrailChecked:
    said = GuardrailRecord(step.kind, step.source, step.index, step.name, "A", behavior=behavior, message=text)
    return GuardrailChecked(said)


@dataclass
class Played:
    """How a run went: the ids of its steps in order, and its end."""

    state: LoopState
    ids: list[str] = field(default_factory=list[str])
    requests: list[list[dict[str, Any]]] = field(default_factory=list[list[dict[str, Any]]])

    @property
    def failure(self) -> Failure | None:
        return self.state.failure

    @property
    def final(self) -> str | None:
        return self.state.root.final.text if self.state.root.final is not None else None


def play(
    state: LoopState,
    models: dict[str, list[list[dict[str, Any]]]],
    outcome: Callable[[Step], Outcome | None] = lambda step: None,
) -> Played:
    """Plays a run to its end or wait: models answer from lists by agent, all else is as good as it can be."""
    played = Played(state)
    scripts = {name: list(answers) for name, answers in models.items()}
    for _ in range(500):
        actions = plan(state)
        if any(isinstance(action, Finish | Fail) for action in actions):
            return played
        due = [action.step for action in actions if isinstance(action, Start)]
        if not due:
            assert any(isinstance(action, Wait) for action in actions), "the run is stuck"
            return played
        step = due[0]
        played.ids.append(step.id)
        if isinstance(step, CallModel):
            frame = state.frame(step.path)
            assert frame is not None
            played.requests.append([json.loads(entry.data) for entry in frame.requested.entries])
            answer(state, step, outcome(step) or answered(*scripts[frame.agent].pop(0)))
        else:
            answer(state, step, outcome(step) or _good(state, step))
    raise AssertionError("the run does not end")


def _good(state: LoopState, step: Step) -> Outcome:
    match step:
        case CallTool():
            return returned(state, step)
        case CheckGuardrail():
            return passed(step)
        case RunHook():
            return HooksRan()
        case _:
            return UserSaid(text="worded")


def approve(state: LoopState, call_id: str, *, yes: bool = True, **fields: Any) -> str:
    verdict = decide(state, call_id, Decision(yes, **fields), None).verdict
    settle(state, 0.0)
    return verdict
