"""What must hold after a storm, and what is said where it does not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.client import Client, WorkflowHistory
from temporalio.worker import Replayer

from perdure import Runner
from perdure.contracts.converter import data_converter
from perdure.contracts.messages import StatusView
from perdure.contracts.run import PageEntry
from tests.chaos.ledger import Books
from tests.chaos.people import insist
from tests.chaos.plans import Plan, PlannedCall
from tests.chaos.provider import outputs_sorted
from tests.chaos.storm import Ended
from tests.chaos.talks import SENDERS, Talk
from workflows.agent_run import AgentRun

NOT_DONE = "This call did not take effect"  # what the model is told where a person has found out
_MAX_TASK_ATTEMPTS = 2  # from the third on, a workflow task fails for reasons of its own
# The server's own: a message came in while the worker ended the run, and the task is made again.
_CAME_LATE = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND
# Temporal's core, after a worker was lost in the middle of an update, may accept it once more. The server refuses that,
# and the next attempt does without (https://github.com/temporalio/sdk-rust/issues/888).
_ACCEPTED_TWICE = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_BAD_UPDATE_WORKFLOW_EXECUTION_MESSAGE
_TWICE = "update.Acceptance message while in state Accepted"


@dataclass(frozen=True)
class Evidence:
    """What is known about one run that has ended with an outcome.

    Attributes:
        key: What the keys of the run's calls begin with.
        outputs: What the model was told, by the model's id of the call.
        unknown: The calls whose outcome the run says to be unknown.
        decided: Who decided what, as the run tells it, by call.
    """

    plan: Plan
    key: str
    outputs: dict[str, str]
    unknown: list[str]
    decided: dict[str, str]


def complaints_about_effects(evidence: Evidence, books: Books) -> Iterator[str]:
    """Each call took effect as often as its tool promises, was decided as people said, and the model was told so."""
    for call in evidence.plan.calls:
        output = evidence.outputs.get(call.model_id)
        effects = books.effects[call.tool, key_of(call, evidence.key)]
        lost = call.tool == "mail" and output is not None and output.startswith(NOT_DONE) and call.approve is True
        if output != call.answer and not lost:
            yield f"call {call.id} ({call.tool}) was answered {output!r}, not {call.answer!r}"
        if call.id in evidence.unknown:
            yield f"nobody was asked what became of call {call.id}"
        if effects not in _allowed(call, lost=lost):
            yield f"call {call.id} ({call.tool}, approve={call.approve}) took effect {effects} times: {output!r}"
        yield from _about_decision(call, evidence.decided.get(call.id))


def key_of(call: PlannedCall, run: str) -> str:
    """The key under which a call of a run has its effect."""
    return f"settle:{call.arguments['item']}" if call.tool == "settle" else f"{run}/{call.id}"


def _allowed(call: PlannedCall, *, lost: bool) -> range:
    if call.approve is False or lost:
        return range(1)
    return range(1, 100) if call.tool == "look_up" else range(1, 2)  # at least once, or once


def _about_decision(call: PlannedCall, told: str | None) -> Iterator[str]:
    expected = None if call.approve is None else f"{'approved' if call.approve else 'rejected'} by ana "
    if (told is None) != (expected is None) or (expected and told and not told.startswith(expected)):
        yield f"call {call.id} is told to be {told!r}, expected {expected!r}"


def complaints_about_transcript(plans: list[Plan], entries: list[PageEntry]) -> Iterator[str]:
    """The items are the plans', one after the other: each call once, each with its output, in order."""
    expected: list[tuple[str, str]] = []
    for plan in plans:
        expected.append(("message", ""))
        for calls in plan.turns:
            expected += [(kind, call.model_id) for kind in ("function_call", "function_call_output") for call in calls]
        expected.append(("message", ""))
    found = [(entry.item.get("type", "message"), entry.item.get("call_id", "")) for entry in entries]
    if len(plans) > 1:  # a thread: what its messages said, as a session has it
        expected, found = outputs_sorted(expected), outputs_sorted(found)
    if found != expected:
        yield f"the transcript has {found}, expected {expected}"


def complaints_about_history(history: WorkflowHistory) -> Iterator[str]:
    """No workflow task failed for a reason of the run's, and none had to be tried again and again."""
    for event in history.events:
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
            failed = event.workflow_task_failed_event_attributes
            twice = failed.cause == _ACCEPTED_TWICE and _TWICE in failed.failure.message
            if failed.cause != _CAME_LATE and not twice:
                yield f"workflow task failed: {WorkflowTaskFailedCause.Name(failed.cause)} {failed.failure.message}"


async def complaints_about(client: Client, ended: Ended, books: Books) -> list[str]:
    """All that is wrong with one run."""
    handle = client.get_workflow_handle(ended.run_id)
    description = await insist(handle.describe)
    task = description.raw_description.pending_workflow_task
    found = [f"workflow task in attempt {task.attempt}"] if task.attempt > _MAX_TASK_ATTEMPTS else []
    if ended.outcome is None:
        waits_for = [
            f"{pending.activity_type.name}: attempt {pending.attempt}, {pending.last_failure.message}"
            for pending in description.raw_description.pending_activities
        ]
        return [*found, f"run {ended.run_id}: failed with {ended.failure}, or waits for {waits_for}"]
    status: StatusView = await insist(lambda: handle.query("status", result_type=StatusView))
    entries = ended.outcome.tail.entries
    evidence = Evidence(
        plan=ended.plan,
        key=f"{ended.run_id}/{description.run_id}",
        outputs=_outputs(entries),
        unknown=status.unknown_outcomes,
        decided=status.decided,
    )
    if ended.outcome.final_output != ended.plan.final_output:
        found.append(f"the final output is {ended.outcome.final_output!r}")
    found += complaints_about_transcript([ended.plan], entries)
    found += complaints_about_effects(evidence, books)
    found += [text async for text in _about_histories(client, ended.run_id)]
    return [f"run {ended.run_id}: {text}" for text in found]


async def complaints_about_thread(client: Client, talk: Talk, books: Books) -> list[str]:
    """All that is wrong with one thread: each message has one number and one answer, whoever sent it."""
    thread = await insist(lambda: Runner.thread(talk.name))
    status, entries = await insist(thread.status), await insist(thread.transcript)
    execution = (await insist(client.get_workflow_handle(talk.run_id).describe)).raw_description.workflow_execution_info
    found: list[str] = []
    for place, errand in enumerate(talk.errands):
        numbers, answers = (each[place : place + 1] for each in (talk.numbers, talk.answers))
        if (numbers, answers) != ([[place + 1] * SENDERS], [[errand.final_output] * SENDERS]):
            found.append(f"message {place + 1} has the numbers {numbers} and the answers {answers}")
    if status.thread is None or status.thread.taken != len(talk.errands):
        found.append(f"the thread tells of {status.thread}")
    evidence = Evidence(
        plan=talk.plan,
        key=f"{talk.run_id}/{execution.first_run_id}",
        outputs=_outputs(entries),
        unknown=status.unknown_outcomes,
        decided=status.decided,
    )
    found += complaints_about_transcript(talk.errands, entries)
    found += complaints_about_effects(evidence, books)
    found += [text async for text in _about_histories(client, talk.run_id)]
    return [f"{talk.run_id}: {text}" for text in found]


async def _about_histories(client: Client, run_id: str) -> AsyncIterator[str]:
    """No workflow task failed in any history, and each replays."""
    execution: str | None = None
    while execution != "":
        history = await insist(client.get_workflow_handle(run_id, run_id=execution).fetch_history)
        execution = history.events[0].workflow_execution_started_event_attributes.continued_execution_run_id
        for text in complaints_about_history(history):
            yield text
        replayed = await Replayer(
            workflows=[AgentRun], data_converter=data_converter, namespace="default"
        ).replay_workflow(history, raise_on_replay_failure=False)
        if replayed.replay_failure is not None:
            yield f"the history does not replay: {replayed.replay_failure}"


def complaints_about_strangers(runs: list[Ended | Talk], books: Books) -> Iterator[str]:
    """Nothing took effect that no plan has."""
    planned = {(call.tool, key_of(call, run.run_id)) for run in runs for call in run.plan.calls}
    for tool, key in books.effects:
        workflow_id, _, call_id = key.rsplit("/", 2) if tool != "settle" else (key, "", "")
        if (tool, f"{workflow_id}/{call_id}" if call_id else key) not in planned:
            yield f"{tool} took effect for {key}, which nobody planned"


def _outputs(entries: list[PageEntry]) -> dict[str, str]:
    items: list[dict[str, Any]] = [entry.item for entry in entries]
    return {item["call_id"]: item["output"] for item in items if item.get("type") == "function_call_output"}
