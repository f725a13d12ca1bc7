"""Replays tell nothing, and what a workflow task tells that the server refuses is told by the task that counts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from temporalio.bridge.proto.workflow_activation import RemoveFromCache, WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from perdure.contracts.converter import data_converter
from perdure.contracts.run import RunSettings
from perdure.definition import RunRules
from perdure.loop.records import Transcript
from perdure.loop.state import Frame, LoopState
from perdure.telemetry import add_span_processor, pipeline
from tests.replay.archive import archive_of, read
from tests.replaying import NAMESPACE
from tests.thoroughness import is_sampled
from workflows.agent_run import AgentRun
from workflows.effect import Effect
from workflows.observing import observed
from workflows.runner import CommittedRunner


@pytest.fixture
def heard() -> Any:
    exporter = InMemorySpanExporter()
    processor = SimpleSpanProcessor(exporter)
    add_span_processor(processor)
    yield lambda: [span.name for span in exporter.get_finished_spans()]
    pipeline._added.remove(processor)


@pytest.mark.thorough
@pytest.mark.timeout(600)
async def test_histories_run_again_where_runs_are_traced_and_tell_nothing(heard: Callable[[], list[str]]) -> None:
    kept = [each for each in read(archive_of(version("perdure"))) if is_sampled(each.name, 20)]
    assert kept

    async def histories() -> AsyncIterator[WorkflowHistory]:
        for each in kept:
            yield each.history()

    replayer = Replayer(
        workflows=[AgentRun, Effect],
        data_converter=data_converter,
        namespace=NAMESPACE,
        unsandboxed_workflow_runner=CommittedRunner(),
    )
    assert not (await replayer.replay_workflows(histories(), raise_on_replay_failure=False)).replay_failures
    pipeline.close()
    assert heard() == []


class Instance:
    """A workflow instance that ends in its first task."""

    def __init__(self) -> None:
        transcript = Transcript("")
        frame = Frame(path="", agent="Agent", rules=RunRules(), record=transcript, shown=transcript)
        self.run = SimpleNamespace(state=LoopState("Agent", frame), settings=RunSettings())

    def workflow_instance(self) -> Any:
        return self.run

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        completion = WorkflowActivationCompletion()
        completion.successful.commands.add().complete_workflow_execution.SetInParent()
        return completion


def ended_task() -> Any:
    began = datetime.now(UTC)
    ids = {"workflow_id": "run", "run_id": "1", "first_execution_run_id": "1", "namespace": "default"}
    info = SimpleNamespace(**ids, workflow_start_time=began, continued_run_id=None)
    instance = observed(Instance(), SimpleNamespace(info=info))
    act = WorkflowActivation(is_replaying=False)
    act.timestamp.FromDatetime(began)
    act.jobs.add().initialize_workflow.SetInParent()
    instance.activate(act)
    return instance


def evicted(instance: Any, reason: RemoveFromCache.EvictionReason.ValueType) -> None:
    act = WorkflowActivation()
    act.jobs.add().remove_from_cache.reason = reason
    instance.activate(act)


def test_a_task_that_the_server_refuses_tells_nothing(heard: Callable[[], list[str]]) -> None:
    evicted(ended_task(), RemoveFromCache.UNHANDLED_COMMAND)
    pipeline.close()
    assert heard() == []


def test_a_task_that_it_takes_tells_what_ended_once_the_run_is_forgotten(heard: Callable[[], list[str]]) -> None:
    instance = ended_task()
    assert heard() == []
    evicted(instance, RemoveFromCache.WORKFLOW_EXECUTION_ENDING)
    assert heard() == ["invoke_agent Agent"]
