"""Starts a run, or finds the one that has its id."""

from __future__ import annotations

import hashlib
import re
import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

from temporalio.client import Client, WorkflowExecution, WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from perdure.blobs import BlobStore, store_items
from perdure.canonical import canonical, encode
from perdure.connection import Connection
from perdure.contracts.run import RunInput, RunSettings
from perdure.contracts.threads import THREAD_PREFIX
from perdure.errors import RunConflictError, RunNotFound, UserError
from perdure.item_json import said_text
from perdure.items import TResponseInputItem, input_items
from perdure.limits import MAX_COMMAND_BYTES, TASK_TIMEOUT_SECONDS
from perdure.markdown import safe, short
from perdure.redaction import redacted
from perdure.search_attributes import at_start
from perdure.snapshot import snapshot_bytes

_INPUT_BYTES = MAX_COMMAND_BYTES // 2  # the other half is for the snapshot and the context
_SNAPSHOT_BYTES = MAX_COMMAND_BYTES // 4
_STATE_BYTES = MAX_COMMAND_BYTES
_SUMMARY_CHARACTERS = 120
_MEMO = "perdure"


@dataclass(frozen=True, slots=True)
class Found:
    """A run that was started or attached to.

    Attributes:
        started: Whether this call started it.
        queue: The task queue that serves it.
        closed: Whether it has ended; `completed`: with a result.
    """

    workflow_run_id: str
    queue: str
    started: bool
    closed: bool = False
    completed: bool = False


def new_run_id(agent: str) -> str:
    """An id for a run that was given none."""
    slug = re.sub(r"[^a-z0-9]+", "-", agent.lower()).strip("-") or "run"
    return f"{slug[:40]}-{uuid.uuid4().hex[:12]}"


def given_input(given: str | list[TResponseInputItem], blobs: BlobStore | None) -> dict[str, Any]:
    """What a caller gave a run, as fields of its input in stored form.

    Raises:
        UserError: It is not JSON, or too large to travel.
    """
    return {"input": given_items(given, blobs), "input_is_text": isinstance(given, str)}


def given_items(given: str | list[TResponseInputItem], blobs: BlobStore | None) -> list[dict[str, Any]]:
    """What a caller gave, in stored form.

    Raises:
        UserError: It is not JSON, or too large to travel.
    """
    return store_items(input_items(given), blobs, _INPUT_BYTES)


def begin_thread(connection: Connection, run_id: str, run: RunInput) -> dict[str, Any]:
    """What is noted and shown of a thread from its start on."""
    name = run_id.removeprefix(THREAD_PREFIX)
    details = f"A thread, begun with agent **{safe(run.agent)}**: a conversation that goes on until it is closed."
    return {
        "memo": {_MEMO: {"agent": run.agent, "thread": name}},
        "static_summary": f"thread {_line(name)}: {_line(run.agent)}",
        "static_details": f"{details} Between two messages it waits, with nothing under way.",
        "search_attributes": at_start(run.agent) if connection.lists else None,
    }


def _without_defaults(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields that say something; an input is one even if it is empty."""
    return {name: value for name, value in fields.items() if name == "input" or value != _default(name)}


def make_input(agent: str, **fields: Any) -> RunInput:
    """The run's input; what is as by default is not written, so that it takes no room.

    Raises:
        UserError: The agents or the state take more than can travel.
    """
    run = RunInput(agent=agent, **_without_defaults(fields))
    if run.snapshot is not None and (size := snapshot_bytes(run.snapshot)) > _SNAPSHOT_BYTES:
        raise UserError(
            f"Agent {agent!r} and the agents that it leads to take {size} bytes (instructions, tools); at most "
            f"{_SNAPSHOT_BYTES} can travel. Shorten them, or serve the agent by name from a worker."
        )
    if run.state is not None and (size := len(canonical(run.state))) > _STATE_BYTES:
        raise UserError(
            f"The state of the run takes {size} bytes; at most {_STATE_BYTES} can travel. Go on with a new run: give "
            "it the messages that matter, as `result.to_input_list()` has them."
        )
    return run


def _default(name: str) -> Any:
    return RunInput.model_fields[name].default


async def start_or_attach(
    connection: Connection, run_id: str, queue: str, run: RunInput, *, rerun: bool, eager: bool
) -> Found:
    """Starts the run; if its id is taken, finds the one that has it.

    Raises:
        RunConflictError: The id belongs to a run of another agent or with another input.
    """
    digest = _identity(run)
    started = await _start(connection, run_id, queue, run, digest, rerun=rerun, eager=eager)
    return started or await _attach(connection.client, run_id, run.agent, digest)


async def start_if_free(
    connection: Connection, run_id: str, queue: str, run: RunInput, *, attach: bool, eager: bool
) -> Found | None:
    """Starts the run; `None` if its id is taken, unless `attach` and it is the same run."""
    digest = _identity(run)
    started = await _start(connection, run_id, queue, run, digest, rerun=False, eager=eager)
    if started is not None or not attach:
        return started
    try:
        return await _attach(connection.client, run_id, run.agent, digest)
    except RunConflictError:
        return None


async def _start(
    connection: Connection, run_id: str, queue: str, run: RunInput, digest: str, *, rerun: bool, eager: bool
) -> Found | None:
    """The run, started; `None` if its id is taken."""
    try:
        handle = await connection.client.start_workflow(
            "AgentRun",
            run,
            id=run_id,
            task_queue=queue,
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE if rerun else WorkflowIDReusePolicy.REJECT_DUPLICATE,
            task_timeout=timedelta(seconds=TASK_TIMEOUT_SECONDS),
            memo={_MEMO: {"agent": run.agent, "input": digest}},
            static_summary=redacted(_summary(run)),
            static_details=redacted(_details(run)),
            search_attributes=at_start(run.agent) if connection.lists else None,
            request_eager_start=eager,
        )
    except WorkflowAlreadyStartedError:
        return None
    return Found(handle.first_execution_run_id or handle.result_run_id or "", queue, started=True)


async def find(client: Client, run_id: str) -> WorkflowExecutionDescription:
    """The run with this id.

    Raises:
        RunNotFound: There is none.
    """
    try:
        return await client.get_workflow_handle(run_id).describe()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise RunNotFound(
                f"No run {run_id!r} is known in namespace {client.namespace!r}: it was never started there, or it "
                "ended longer ago than the namespace keeps runs. `perdure runs` lists what there is."
            ) from None
        raise


async def agent_of(description: WorkflowExecutionDescription) -> str:
    """The name of the agent that a run was started with."""
    return (await noted_of(description)).get("agent", "")


async def _attach(client: Client, run_id: str, agent: str, digest: str) -> Found:
    description = await find(client, run_id)
    noted = await noted_of(description)
    if not noted:
        raise RunConflictError(f"The id {run_id!r} belongs to a workflow that no run of Perdure is; take another id.")
    if noted.get("agent") != agent:
        raise RunConflictError(
            f"Run {run_id!r} is a run of agent {noted.get('agent')!r}, not of {agent!r}; take another run_id."
        )
    if noted.get("input") != digest:
        raise RunConflictError(
            f"Run {run_id!r} was started with another input; take another run_id, or rerun=True once it has ended."
        )
    return Found(
        workflow_run_id=description.run_id,
        queue=description.task_queue,
        started=False,
        closed=description.status != WorkflowExecutionStatus.RUNNING,
        completed=description.status == WorkflowExecutionStatus.COMPLETED,
    )


async def noted_of(description: WorkflowExecution) -> dict[str, Any]:
    """What was noted of a run at its start; empty for a workflow that is none."""
    memo = await description.memo()
    value = memo.get(_MEMO)
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _identity(run: RunInput) -> str:
    given = run.input if run.state is None else run.state
    session = [run.session.session_id] if run.session is not None else []
    return hashlib.sha256(b"".join(map(encode, [given, *session]))).hexdigest()[:16]


def _first_words(run: RunInput) -> str:
    """What the run is asked for: the beginning of its last message."""
    return _line(said_text(run.input[-1])) if run.input else ""


def _line(text: str) -> str:
    """Text of the user's on one line, as it is."""
    return safe(short(" ".join(text.split()), _SUMMARY_CHARACTERS))


def _summary(run: RunInput) -> str:
    return f"{_line(run.agent)}: {_first_words(run)}"


def _details(run: RunInput) -> str:
    given = run.settings.workflow_name
    what = "A run" if given == RunSettings().workflow_name else f"{_line(given)}: a run"
    agent = f"**{safe(run.agent)}**"
    if run.state is not None:
        return f"{what} of agent {agent}, which goes on from the state of another run."
    count = len(run.input)
    return f"{what} of agent {agent}, started with {count} item{'' if count == 1 else 's'}: {_first_words(run)}"
