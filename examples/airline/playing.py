"""Plays a recorded conversation: a thread for the customer, a message for each, each approval answered by signal."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from temporalio.client import WorkflowHandle

from perdure import AgentsException, Run, Runner, RunResult, ToolApprovalItem, Usage
from perdure.connection import Connection, run_url

from . import store
from .agent import airline
from .comparing import differences
from .conversations import Conversation
from .killing import (
    MODEL_CALL,
    Step,
    ThinkingModel,
    completed_attempts,
    count_effects,
    frozen_at_next_effect,
    locked,
    step_under_way,
)
from .telling import Teller
from .workers import Workers

APPROVER = "perdure demo"
_T = TypeVar("_T")


@dataclass
class Played:
    """What became of a conversation.

    Attributes:
        outputs: The recorded model's counts of what it was sent.
        killed: The steps in whose middle a worker was killed.
        survived: Those of them that another worker completed.
        problems: What was not as recorded, in sentences; none if all was.
        thread: The customer's thread; `url`: its page in the Temporal UI.
    """

    conversation: Conversation
    thread: str
    messages: int = 0
    turns: int = 0
    approvals: int = 0
    usage: Usage = field(default_factory=Usage)
    history_events: int = 0
    history_bytes: int = 0
    killed: list[Step] = field(default_factory=list[Step])
    survived: list[Step] = field(default_factory=list[Step])
    changes: list[str] = field(default_factory=list[str])
    outputs: dict[str, Any] = field(default_factory=dict[str, Any])
    problems: list[str] = field(default_factory=list[str])
    url: str | None = None

    @property
    def equal(self) -> bool:
        """Whether all outputs were compared and equal, and the conversation ended as recorded."""
        return not self.problems


@dataclass
class Stage:
    """What conversations are played on.

    Attributes:
        stamp: Tells this demo's runs from those of others.
        kills: Whether a worker is killed in each conversation.
    """

    connection: Connection
    workers: Workers
    model: ThinkingModel
    database: Path
    data_dir: Path
    stamp: str
    kills: bool


async def play(conversation: Conversation, stage: Stage, teller: Teller) -> Played:
    """Play one conversation on a fresh database and compare it with its recording."""
    store.build(stage.database, stage.data_dir)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", conversation.id)[:80]
    player = _Player(stage, teller, Played(conversation, f"airline-{name}-{stage.stamp}"))
    await player.play()
    played = player.played
    played.changes = store.changes(stage.database, stage.data_dir)
    played.outputs = stage.model.comparisons[conversation.id].report()
    played.problems += differences(played.outputs, conversation)
    return played


class _Player:
    """Plays one conversation."""

    def __init__(self, stage: Stage, teller: Teller, played: Played) -> None:
        self._stage = stage
        self._teller = teller
        self._conversation = played.conversation
        self._thinking_turn = _turn_to_kill_in(self._conversation) if stage.kills else None
        self.played = played

    async def play(self) -> None:
        """Say what the customer said, message after message, until the end or an error; then close the thread."""
        await self._talk()
        if self.played.messages:
            thread = await Runner.thread(self.played.thread)
            await self._measure(self._stage.connection.client.get_workflow_handle(thread.id))
            await thread.close()

    async def _talk(self) -> None:
        for number, turn in enumerate(self._conversation.turns, start=1):
            self._teller.customer(turn.user)
            if turn.ends_conversation:
                return
            if number - 1 == self._thinking_turn and not self.played.killed:
                self._stage.model.think_after(len(turn.steps) - 1)
            result = await self._answer(number, turn.user)
            if result is None:
                return
            if result.final_output != turn.steps[-1].text:
                self.played.problems.append(f"message {number} was answered otherwise than recorded")

    async def _answer(self, number: int, said: str) -> RunResult | None:
        """What the agent answers to a message of the customer; None if it fails."""
        queue, thread = self._stage.workers.queue, self.played.thread
        run = await Runner.start(
            airline.name, said, thread=thread, message_id=str(number), task_queue=queue, max_turns=None
        )
        self.played.messages += 1
        self.played.url = run_url(self._stage.connection, run.id)
        handle = self._stage.connection.client.get_workflow_handle(run.id)
        company = [self._stage.workers.watch(), self._kill_when_the_model_thinks(handle)]
        try:
            result = await _beside(self._finish(run, handle), company)
        except AgentsException as error:
            self.played.problems.append(f"message {number} failed: {type(error).__name__}: {error}")
            result = None
        else:
            self.played.turns += len(result.raw_responses)
            self.played.usage.add(result.context_wrapper.usage)
        finally:
            self._stage.model.go_on()
        return result

    async def _finish(self, run: Run, handle: WorkflowHandle[Any, Any]) -> RunResult:
        told = 0
        while True:
            result = await run.result_or_interruptions()
            told = self._tell_new(result, told)
            if not result.interruptions:
                return result
            for approval in result.interruptions:
                await self._approve(handle, approval)

    def _tell_new(self, result: RunResult, told: int) -> int:
        """Tell what the run has said since, as far as nothing before it is still open."""
        for item in result.new_items[told:]:
            if isinstance(item, ToolApprovalItem):
                break
            self._teller.item(item.data)
            told += 1
        return told

    async def _approve(self, handle: WorkflowHandle[Any, Any], approval: ToolApprovalItem) -> None:
        """Answer by signal, as an operator in the Temporal UI would; the first two times with a kill in the step."""
        message = {"call_id": approval.id, "by": APPROVER, "digest": approval.digest}
        self._teller.approval(approval.tool_name, approval.arguments, message)
        self.played.approvals += 1
        activity = f"tool.{approval.tool_name}"
        kills = len(self.played.killed)
        if self._stage.kills and kills == 0:
            await self._kill_before_the_change(handle, message, activity)
        elif self._stage.kills and kills == 1:
            await self._kill_after_the_change(handle, message, activity)
        else:
            await handle.signal("approve", message)

    async def _kill_before_the_change(
        self, handle: WorkflowHandle[Any, Any], message: dict[str, Any], activity: str
    ) -> None:
        with locked(self._stage.database):
            await handle.signal("approve", message)
            step = await step_under_way(handle, activity)
            if step is not None:
                await self._kill(step, "before it could change the database")
        if step is not None:
            await self._start_another()

    async def _kill_after_the_change(
        self, handle: WorkflowHandle[Any, Any], message: dict[str, Any], activity: str
    ) -> None:
        known = count_effects(self._stage.database)
        with locked(self._stage.database):
            await handle.signal("approve", message)
            step = await step_under_way(handle, activity)
            if step is not None:
                self._stage.workers.freeze()
        if step is not None and frozen_at_next_effect(self._stage.workers, self._stage.database, known):
            await self._kill(step, "after it had changed the database and before it could say so")
            await self._start_another()

    async def _kill_when_the_model_thinks(self, handle: WorkflowHandle[Any, Any]) -> None:
        await self._stage.model.wait_until_it_thinks()
        step = None if self.played.killed else await step_under_way(handle, MODEL_CALL)
        if step is not None:
            await self._kill(step, "while the model thinks")
        self._stage.model.go_on()
        if step is not None:
            await self._start_another()

    async def _kill(self, step: Step, moment: str) -> None:
        pid = self._stage.workers.pid
        self.played.killed.append(step)
        await self._stage.workers.kill()
        self._teller.killed(step, pid, moment)

    async def _start_another(self) -> None:
        await self._stage.workers.start()
        self._teller.note("worker", f"process {self._stage.workers.pid} takes over")

    async def _measure(self, handle: WorkflowHandle[Any, Any]) -> None:
        description = await handle.describe()
        self.played.history_events += description.history_length
        self.played.history_bytes += description.raw_description.workflow_execution_info.history_size_bytes
        completed = await completed_attempts(handle)
        for step in list(self.played.killed):
            attempt = completed.get(step.activity_id, 0)
            if attempt > step.attempt:
                self.played.survived.append(step)
            elif attempt == step.attempt:  # the worker's report was faster than the signal that killed it
                self.played.killed.remove(step)
                self._teller.note("kill", f"came too late for {step.activity}, which had just been reported")


def _turn_to_kill_in(conversation: Conversation) -> int | None:
    """Which answer the model shall think about, should no worker have been killed in a tool before.

    The last one if tools wait for approval in this conversation, for those are killed in first; else one in the middle.
    """
    answered = [index for index, turn in enumerate(conversation.turns) if turn.steps]
    if not answered:
        return None
    approved = {tool.name for tool in airline.tools if getattr(tool, "needs_approval", False)}
    called = {call.name for turn in conversation.turns for step in turn.steps for call in step.calls}
    return answered[-1] if approved & called else answered[len(answered) // 2]


async def _beside(work: Coroutine[Any, Any, _T], company: Sequence[Coroutine[Any, Any, None]]) -> _T:
    """Do the work; what goes wrong beside it ends it, too."""
    working = asyncio.create_task(work)
    others = {asyncio.create_task(each) for each in company}
    pending: set[asyncio.Task[Any]] = {working, *others}
    try:
        while not working.done():
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in done - {working}:
                task.result()
        return working.result()
    finally:
        for task in (working, *others):
            task.cancel()
        await asyncio.gather(working, *others, return_exceptions=True)
