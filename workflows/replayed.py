"""Replays runs' histories on the code at hand, and tells what each run knows at the end of it; no server is asked."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, cast

from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.client import Client, WorkflowHistory
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner, WorkflowInstance, WorkflowInstanceDetails

from perdure.contracts.run import RunSettings
from perdure.loop.state import LoopState

from .agent_run import AgentRun


@dataclass(frozen=True, slots=True)
class Replayed:
    """A run as this code has it after its history.

    Attributes:
        history: The history that was replayed.
        state: All that the run knows; `None` if it has not begun.
        settings: What it was started with.
        failure: Why the history does not run again, if it does not.
    """

    history: WorkflowHistory
    state: LoopState | None
    settings: RunSettings
    failure: Exception | None


async def replay(client: Client, histories: AsyncIterator[WorkflowHistory]) -> AsyncIterator[Replayed]:
    """Replays histories of `AgentRun`, as the client's worker would: with its converter, in its namespace."""
    reader = _Reader()
    replayer = Replayer(
        workflows=[AgentRun],
        data_converter=client.data_converter,
        namespace=client.namespace,
        unsandboxed_workflow_runner=reader,
    )
    async with replayer.workflow_replay_iterator(histories) as results:
        async for result in results:
            state, settings = reader.read.pop(result.history.run_id, (None, RunSettings()))
            yield Replayed(result.history, state, settings, result.replay_failure)


class _Reader(UnsandboxedWorkflowRunner):
    """Reads each run before it is forgotten, which ends what the run was waiting in."""

    def __init__(self) -> None:
        super().__init__()
        self.read: dict[str, tuple[LoopState | None, RunSettings]] = {}

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """A workflow instance whose run is read when it ends or is forgotten."""
        instance: Any = super().create_instance(det)
        given = instance.activate

        def activate(act: WorkflowActivation) -> WorkflowActivationCompletion:
            if any(job.HasField("remove_from_cache") for job in act.jobs):
                self._note(det.info.run_id, instance.workflow_instance())
            return given(act)

        instance.activate = activate
        return cast("WorkflowInstance", instance)

    def _note(self, execution: str, run: Any) -> None:
        if isinstance(run, AgentRun):
            self.read[execution] = copy.deepcopy(run.state), run.settings
