"""How a run's input becomes its state; an input that is none becomes a run that fails with the reason."""

from __future__ import annotations

from typing import Any

from temporalio import workflow

from perdure.canonical import canonical
from perdure.contracts.run import ENGINE, RunInput, RunSettings, read_input
from perdure.errors import UserError
from perdure.loop.state import Failure, LoopState, Transcript
from perdure.transcript import chain_start

# What a handler gets where the sender gave no value at all.
NOTHING: Any = object()


def open_state(run: Any) -> tuple[LoopState, RunSettings]:
    """The state that a run begins with; never raises."""
    info = workflow.info()
    origin = chain_start(info.namespace, info.workflow_id, info.first_execution_run_id, "", 0)
    transcript = Transcript(origin)
    try:
        given = _read(run)
        for item in given.input:
            transcript.append(canonical(item), "input", given.agent, 0)
    except UserError as error:
        failure = Failure("UserError", error.message)
        return LoopState(agent_name="", transcript=Transcript(origin), failure=failure), RunSettings()
    state = LoopState(
        agent_name=given.agent,
        transcript=transcript,
        snapshot=given.snapshot,
        agent=given.snapshot.start if given.snapshot else "",
        max_turns=given.max_turns,
        approval_timeout_seconds=given.settings.approval_timeout_seconds,
        tool_output_format=given.settings.tool_output_format,
        context=given.context,
    )
    return state, given.settings


def _read(run: Any) -> RunInput:
    if run is NOTHING:
        raise UserError('AgentRun takes one JSON object, such as {"agent": "Support", "input": [{"role": "user", …}]}.')
    given = read_input(run)
    if given.engine != ENGINE:
        raise UserError(
            f"This run wants engine {given.engine}, this worker has {ENGINE}; use a worker of that version."
        )
    return given
