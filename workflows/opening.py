"""How a run's input becomes its state; an input that is none becomes a run that fails with the reason."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Generator
from dataclasses import replace
from typing import Any, cast

from temporalio import workflow

from perdure.canonical import canonical
from perdure.contracts.frozen import rebase, thaw
from perdure.contracts.run import ENGINE, RunInput, RunSettings, read_input
from perdure.definition import RunRules
from perdure.errors import UserError, describe_exception
from perdure.failpoints import reach
from perdure.loop.frames import begin
from perdure.loop.listening import leave_thread, open_thread
from perdure.loop.plan import plan
from perdure.loop.records import Failure, Kept, Transcript
from perdure.loop.saving import track, write_as, writer_of
from perdure.loop.settle import settle
from perdure.loop.showing import prune
from perdure.loop.state import Frame, LoopState
from perdure.loop.steps import Start
from perdure.transcript import chain_start

from .commands import command_for
from .pages import outcome_of
from .views import status_of

# What a handler gets where the sender gave no value at all.
NOTHING: Any = object()


def open_state(run: Any) -> tuple[LoopState, RunSettings, list[str]]:
    """The state that a run begins with, with its settings and what it ignored before; never raises."""
    info = workflow.info()
    origin = chain_start(info.namespace, info.workflow_id, info.first_execution_run_id, "", 0)
    try:
        given = _read(run)
        if given.state is None:
            state = _fresh(given, origin)
        elif info.continued_run_id is not None:
            state = _going_on(given, given.state, origin)
            reach("continue ended")
        else:
            state = _from_elsewhere(given, given.state, origin)
    except UserError as error:
        frame = Frame(path="", agent="", rules=RunRules(), record=Transcript(origin), shown=Transcript(origin))
        frame.failure = Failure("UserError", error.message)
        return LoopState(agent_name="", root=frame), RunSettings(), []
    _begin(state, given.settings)
    return state, given.settings, list(given.ignored)


def known_goal(run: Any) -> str:
    """What the execution before has said that the run is for."""
    goal = cast("dict[str, Any]", run).get("goal") if isinstance(run, dict) else None
    return goal if isinstance(goal, str) else ""


def _begin(state: LoopState, settings: RunSettings) -> None:
    settle_by(state, settings)
    settle(state, workflow.time())


def settle_by(state: LoopState, settings: RunSettings) -> None:
    """Lets the settings hold that the loop goes by."""
    state.approval_timeout_seconds = settings.approval_timeout_seconds
    state.tool_output_format = settings.tool_output_format
    state.tool_output_bytes = settings.tool_output_bytes


def _fresh(given: RunInput, origin: str) -> LoopState:
    transcript = Transcript(origin)
    agent = given.snapshot.start if given.snapshot is not None else given.agent
    for item in given.input if given.thread is None else []:
        transcript.append(canonical(item), "input", agent, 0)
    frame = Frame(
        path="",
        agent=agent,
        rules=given.snapshot.rules if given.snapshot is not None else RunRules(),
        record=transcript,
        shown=transcript,
        max_turns=given.max_turns,
        input_is_text=given.input_is_text,
        kept=Kept.asked(given.conversation_id, given.previous_response_id, auto=given.auto_previous_response_id),
        session=track(given.session, writer_of(origin)),
    )
    if given.thread is None:
        prune(frame, origin)
    state = LoopState(agent_name=given.agent, root=frame, snapshot=given.snapshot, context=given.context)
    if given.thread is not None:
        open_thread(state, given.thread.agents)
    elif state.snapshot is not None:
        begin(state, frame)
    return state


def _going_on(given: RunInput, frozen: dict[str, Any], origin: str) -> LoopState:
    state = thaw(frozen)
    rebase(state, origin)
    if given.snapshot is not None:
        state.snapshot = given.snapshot
        state.root.rules = given.snapshot.rules
    if state.snapshot is not None and state.root.agent not in state.snapshot.agents:
        raise UserError(
            f"The state was at agent {state.root.agent!r}, which {given.agent!r} does not lead to; it leads to "
            f"{', '.join(state.snapshot.agents)}."
        )
    return state


def _from_elsewhere(given: RunInput, frozen: dict[str, Any], origin: str) -> LoopState:
    """The state of another run, which anybody may have written: what comes of it first must be possible.

    Raises:
        UserError: It is not.
    """
    with _refusing_unfit():
        state = _going_on(given, frozen, origin)
        state.inherited = replace(state.usage, request_usage_entries=[])
        leave_thread(state)
        for call in state.waiting_calls():
            call.since = workflow.time()  # they wait anew
        write_as(state, writer_of(origin))
        _begin(state, given.settings)
        for frame in state.frames():
            for entry in (*frame.record.entries, *frame.shown.entries, *frame.requested.entries):
                dict[str, Any](json.loads(entry.data))
        status_of(state, [], given.settings)
        outcome_of(state, given.settings)
        for action in plan(state):
            if isinstance(action, Start) and (frame := state.frame(action.step.path)) is not None:
                command_for(state, frame, action.step, given.settings)
        return state


@contextlib.contextmanager
def _refusing_unfit() -> Generator[None]:
    """Turns what a state that does not hold together leads to into an error of whoever sent it."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        said = describe_exception(error)
        text = f"The state of a run does not hold together: {said['type']}: {said['message']:.200}"
        raise UserError(f"{text} Give the one that `state` or `result.to_state()` tells.") from None


def _read(run: Any) -> RunInput:
    if run is NOTHING:
        raise UserError('AgentRun takes one JSON object, such as {"agent": "Support", "input": [{"role": "user", …}]}.')
    given = read_input(run)
    if given.engine != ENGINE:
        raise UserError(
            f"This run wants engine {given.engine}, this worker has {ENGINE}; use a worker of that version."
        )
    return given
