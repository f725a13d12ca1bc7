"""Explains what a run waits for, or how it ended."""

from __future__ import annotations

import shlex
from datetime import UTC

from temporalio.client import WorkflowExecutionDescription, WorkflowExecutionStatus

from perdure.client.diagnosis import Diagnosis, one_line
from perdure.client.execution import Execution
from perdure.client.host import Host
from perdure.client.looking import failure_text, look
from perdure.client.wording import answer


async def explain(host: Host, run_id: str, execution: Execution) -> Diagnosis:
    """What the run waits for; nothing is done to it."""
    description = await execution.describe()
    told = description.status.name.lower() if description.status is not None else "unknown"
    if description.status is not WorkflowExecutionStatus.RUNNING:
        sentence = await _ending(host, execution, description)
        return Diagnosis(run_id, told, "nothing", f"{sentence}.", [f"perdure show {shlex.quote(run_id)}"])
    seen = await look(host, execution, description)
    waits_for, sentence, commands = answer(run_id, seen)
    return Diagnosis(run_id, told, waits_for, f"{sentence}.", commands, seen)


async def _ending(host: Host, execution: Execution, description: WorkflowExecutionDescription) -> str:
    """How a run ended, by its last event."""
    event, closed = await execution.closing_event(), description.close_time
    at = "" if closed is None else f" at {closed.astimezone(UTC).isoformat(timespec='seconds')}"
    match description.status:
        case WorkflowExecutionStatus.COMPLETED:
            return f"Waits for nothing: it finished{at}"
        case WorkflowExecutionStatus.FAILED if event is not None:
            client = (await host.connection()).client
            failure = event.workflow_execution_failed_event_attributes.failure
            return f"Waits for nothing: it failed{at} with {await failure_text(client, description.id, failure)}"
        case WorkflowExecutionStatus.TERMINATED if event is not None:
            told = event.workflow_execution_terminated_event_attributes
            reason = f": {one_line(told.reason)}" if told.reason else ""
            return f"Waits for nothing: it was terminated{at} by {one_line(told.identity) or 'somebody'}{reason}"
        case WorkflowExecutionStatus.CANCELED:
            return f"Waits for nothing: it was cancelled{at}"
        case _:
            how = description.status.name.lower().replace("_", " ") if description.status else "ended"
            return f"Waits for nothing: it {how}{at}"
