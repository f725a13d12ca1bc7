"""How a run's input becomes its state; an input that is none becomes a run that fails with the reason."""

from __future__ import annotations

from typing import Any

from temporalio import workflow

from perdure.canonical import canonical
from perdure.contracts.frozen import rebase, thaw
from perdure.contracts.run import ENGINE, RunInput, RunSettings, read_input
from perdure.definition import RunRules
from perdure.errors import UserError
from perdure.loop.frames import begin
from perdure.loop.records import Failure, Kept, Transcript
from perdure.loop.settle import settle
from perdure.loop.showing import prune
from perdure.loop.state import Frame, LoopState
from perdure.transcript import chain_start

# What a handler gets where the sender gave no value at all.
NOTHING: Any = object()


def open_state(run: Any) -> tuple[LoopState, RunSettings, list[str]]:
    """The state that a run begins with, with its settings and what it ignored before; never raises."""
    info = workflow.info()
    origin = chain_start(info.namespace, info.workflow_id, info.first_execution_run_id, "", 0)
    try:
        given = _read(run)
        state = _fresh(given, origin) if given.state is None else _going_on(given, given.state, origin)
    except UserError as error:
        frame = Frame(path="", agent="", rules=RunRules(), record=Transcript(origin), shown=Transcript(origin))
        frame.failure = Failure("UserError", error.message)
        return LoopState(agent_name="", root=frame), RunSettings(), []
    state.approval_timeout_seconds = given.settings.approval_timeout_seconds
    state.tool_output_format = given.settings.tool_output_format
    settle(state, workflow.time())
    return state, given.settings, list(given.ignored)


def _fresh(given: RunInput, origin: str) -> LoopState:
    transcript = Transcript(origin)
    agent = given.snapshot.start if given.snapshot is not None else given.agent
    for item in given.input:
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
    )
    prune(frame, origin)
    state = LoopState(agent_name=given.agent, root=frame, snapshot=given.snapshot, context=given.context)
    if state.snapshot is not None:
        begin(state, frame)
    return state


def _going_on(given: RunInput, frozen: dict[str, Any], origin: str) -> LoopState:
    state = thaw(frozen)
    rebase(state, origin)
    if workflow.info().continued_run_id is None:  # another run: its calls wait anew
        for call in state.waiting_calls():
            call.since = workflow.time()
    if given.snapshot is not None:
        state.snapshot = given.snapshot
        state.root.rules = given.snapshot.rules
    if state.snapshot is not None and state.root.agent not in state.snapshot.agents:
        raise UserError(
            f"The state was at agent {state.root.agent!r}, which {given.agent!r} does not lead to; it leads to "
            f"{', '.join(state.snapshot.agents)}."
        )
    return state


def _read(run: Any) -> RunInput:
    if run is NOTHING:
        raise UserError('AgentRun takes one JSON object, such as {"agent": "Support", "input": [{"role": "user", …}]}.')
    given = read_input(run)
    if given.engine != ENGINE:
        raise UserError(
            f"This run wants engine {given.engine}, this worker has {ENGINE}; use a worker of that version."
        )
    return given
