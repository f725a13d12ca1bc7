"""Sends messages to threads: the first one begins the thread, in the same call to the server."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

from pydantic import ValidationError
from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowUpdateFailedError,
)
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from perdure.agent import Agent
from perdure.blobs import unblocked
from perdure.canonical import digest_of
from perdure.client.host import Host
from perdure.client.launching import lent_by
from perdure.client.outcomes import Caller
from perdure.client.patience import UNANSWERED, insisted
from perdure.client.queues import is_process_queue
from perdure.client.starting import Found, begin_thread, given_items, make_input
from perdure.client.wanted import Wanted, settings_of
from perdure.connection import Connection
from perdure.contracts.run import RunInput, ThreadStart, problems_of
from perdure.contracts.threads import OTHER_AGENTS, THREAD_PREFIX, MessageReceipt, ThreadMessage
from perdure.definition import Snapshot
from perdure.errors import RunUnattended, ThreadClosed, UserError
from perdure.lending import Lent
from perdure.limits import TASK_TIMEOUT_SECONDS
from perdure.portable_context import context_state
from perdure.snapshot import snapshot


@dataclass(frozen=True, slots=True)
class _Sent:
    """A message as it is sent, with the thread that it begins if there is none."""

    thread: str
    queue: str
    begin: RunInput
    message: ThreadMessage
    snapshot: Snapshot | None
    rerun: bool
    take_over: bool


async def send_message(host: Host, wanted: Wanted) -> tuple[Caller, Found, MessageReceipt]:
    """Sends a message to its thread; called on the loop that the user's code runs on.

    Raises:
        ThreadClosed: The thread was closed, or has ended otherwise.
        UserError: It does not take the message.
        RunUnattended: Nobody serves it, and this process cannot answer for it.
    """
    wanted.check()
    run_id = THREAD_PREFIX + str(wanted.thread)
    message_id = wanted.message_id or uuid.uuid4().hex
    context = context_state(wanted.context)
    taken, lent, agent = None, None, wanted.agent
    if isinstance(agent, str):
        agent = Agent[Any](name=agent)
    else:
        taken = snapshot(agent, wanted.config, wanted.hooks, wanted.error_handlers)
        lent = _lent(host, wanted, run_id, message_id)
    wanted.begins(run_id)
    caller = Caller(run_id, agent, lent, message_id)
    try:
        sent = await host.call(_prepared(host, wanted, caller, taken, context))
        found, receipt = await host.call(_send(host, sent))
    except Exception:
        host.served.end_message(run_id, message_id)
        raise
    return caller, found, receipt


def _lent(host: Host, wanted: Wanted, run_id: str, message_id: str) -> Lent:
    """The caller's objects, for this message; of one that is sent again those that it was sent with."""
    earlier = host.served.lent_for(run_id, message_id)
    if earlier is not None and earlier.loop.is_running():
        return earlier
    lent = lent_by(host, wanted)
    host.served.lend_message(run_id, message_id, lent)
    return lent


async def _prepared(host: Host, wanted: Wanted, caller: Caller, taken: Snapshot | None, context: Any) -> _Sent:
    by_name = taken is None
    name = caller.agent.name
    settings = settings_of(wanted.config, by_name=by_name)
    agents = "" if taken is None else digest_of(taken.model_dump(mode="json", exclude_unset=True))
    values: dict[str, Any] = {"context": context, "max_turns": wanted.max_turns, "by_name": by_name}
    values["settings"] = settings
    fields = {each: value for each, value in values.items() if value != ThreadMessage.model_fields[each].default}
    blobs = await host.blobs()
    items = await unblocked(blobs, given_items, wanted.given, blobs)
    if not by_name:
        fields["agents"] = agents
    try:
        message = ThreadMessage(message_id=caller.message_id, input=items, agent=name, **fields)
    except ValidationError as error:
        raise UserError(f"This cannot be sent to a thread: {problems_of(error)}") from None
    begin = make_input(name, snapshot=taken, settings=settings, thread=ThreadStart(agents=agents))
    queue = wanted.task_queue if by_name else await host.own_queue()
    return _Sent(caller.run_id, queue, begin, message, taken, wanted.rerun, wanted.take_over)


async def _send(host: Host, sent: _Sent) -> tuple[Found, MessageReceipt]:
    connection = await host.connection()
    known = await running(connection.client, sent.thread)
    queue = sent.queue if known is None else known.task_queue
    if known is not None and is_process_queue(queue):
        await host.take_over(queue, by_force=sent.take_over)
        if not host.serves(queue) and await host.owner_is_dead(queue):
            await host.answer_for(queue)
    message = sent.message
    try:
        receipt = await _taken(host, queue, sent, message, connection)
    except UserError as error:
        if error.message != OTHER_AGENTS:
            raise
        message = message.model_copy(update={"snapshot": sent.snapshot})
        receipt = await _taken(host, queue, sent, message, connection)
    return Found(receipt.execution, queue, started=receipt.sequence == 1), receipt


async def running(client: Client, run_id: str) -> WorkflowExecutionDescription | None:
    """The thread, if it is open."""
    try:
        description = await client.get_workflow_handle(run_id).describe()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise
    return description if description.status == WorkflowExecutionStatus.RUNNING else None


async def _taken(host: Host, queue: str, sent: _Sent, message: ThreadMessage, connection: Connection) -> MessageReceipt:
    """What the thread answers to a message, be it that this process has to answer for it.

    Raises:
        ThreadClosed: It was closed.
        UserError: It refuses the message.
        RunUnattended: Nobody answers.
    """
    try:
        return await insisted(host, queue, lambda within: _answered(connection, sent, message, within))
    except UNANSWERED as error:
        raise RunUnattended(
            f"Thread {sent.thread!r} did not take message {message.message_id!r} in time. Its task queue is {queue!r}; "
            "send it again with this message_id, then it is said once."
        ) from error


async def _answered(connection: Connection, sent: _Sent, message: ThreadMessage, within: timedelta) -> MessageReceipt:
    run_id = sent.thread
    try:
        return await _update(connection, sent, message, within)
    except WorkflowAlreadyStartedError:
        raise closed(run_id) from None
    except WorkflowUpdateFailedError as error:
        cause = error.cause
        kind = cause.type if isinstance(cause, ApplicationError) else ""
        if kind == "ThreadClosed":
            raise closed(run_id) from None
        if kind == OTHER_AGENTS:
            raise UserError(OTHER_AGENTS) from None
        raise UserError(f"Thread {run_id!r}: {getattr(cause, 'message', cause)}") from None


def closed(run_id: str) -> ThreadClosed:
    """The error to a message that comes after the end."""
    name = run_id.removeprefix(THREAD_PREFIX)
    return ThreadClosed(
        f"Thread {name!r} was closed, or has ended otherwise, and takes no more messages. Take another id, or give "
        "rerun=True to begin it anew; `(await Runner.thread(...)).history()` still has what was said."
    )


async def _update(connection: Connection, sent: _Sent, message: ThreadMessage, within: timedelta) -> MessageReceipt:
    reuse = WorkflowIDReusePolicy.ALLOW_DUPLICATE if sent.rerun else WorkflowIDReusePolicy.REJECT_DUPLICATE
    start: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
        "AgentRun",
        sent.begin,
        id=sent.thread,
        task_queue=sent.queue,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        id_reuse_policy=reuse,
        task_timeout=timedelta(seconds=TASK_TIMEOUT_SECONDS),
        **begin_thread(connection, sent.thread, sent.begin),
    )
    begun = asyncio.ensure_future(start.workflow_handle())
    try:
        receipt: Any = await connection.client.execute_update_with_start_workflow(  # pyright: ignore[reportUnknownMemberType]
            "message", message, start_workflow_operation=start, result_type=MessageReceipt, rpc_timeout=within
        )
    finally:
        await asyncio.wait([begun], timeout=0)  # takes note of an error that is raised here as well
        begun.cancel()
    return cast("MessageReceipt", receipt)
