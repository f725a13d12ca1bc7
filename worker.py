"""The composition root: puts workflows, activities and the user's agents together into a Temporal worker.

`python worker.py myshop.agents` serves every `Agent` in the module by name; `perdure worker` is the same command.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.worker import Worker, WorkerDeploymentConfig

from perdure.blobs import BlobStore
from perdure.event_hub import EventHub
from perdure.limits import HEARTBEAT_SECONDS, STICKY_TIMEOUT_SECONDS
from perdure.rooms import load_room
from perdure.served import ServedAgents

_WATCH_CACHE = 4  # workflows: the one that is asked, and those before it that have just ended
_MAX_ACTIVITIES = 200  # at once; model calls wait for the network, tools run elsewhere


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """How a worker works.

    Attributes:
        task_queue: Which runs it serves.
        graceful_seconds: How long a step under way may go on after the worker was told to stop.
        activities: Whether it takes steps; without them it answers queries, signals and updates.
        max_cached_workflows: Runs kept in memory, 0 replays each from its history at every step; `None` for what
            the environment's `PERDURE_MAX_CACHED_WORKFLOWS` says, or 1000.
        version: The build that runs are pinned to which begin on this worker; `None`: any worker goes on with them.
    """

    task_queue: str
    graceful_seconds: float = 0.0
    activities: bool = True
    max_cached_workflows: int | None = None
    version: WorkerDeploymentVersion | None = None


def build_worker(
    client: Client,
    served: ServedAgents,
    blobs: BlobStore | None,
    settings: WorkerSettings,
    events: EventHub | None = None,
) -> Worker:
    """A worker for runs of agents, ready to run; `events` carries what models stream to who watches."""
    return Worker(
        client,
        task_queue=settings.task_queue,
        workflows=[load_room("workflows.agent_run").AgentRun, load_room("workflows.effect").Effect],
        activities=_activities(client, served, blobs, events) if settings.activities else _declining(),
        no_remote_activities=not settings.activities,
        interceptors=[
            load_room("activities.step_spans").StepSpans(),
            load_room("activities.patience").Patience(),
            load_room("workflows.offering").OfferedAround(),
        ],
        unsandboxed_workflow_runner=load_room("workflows.runner").CommittedRunner(),
        max_cached_workflows=_max_cached(settings),
        max_concurrent_activities=_MAX_ACTIVITIES,
        max_concurrent_local_activities=_MAX_ACTIVITIES,
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=STICKY_TIMEOUT_SECONDS),
        max_heartbeat_throttle_interval=timedelta(seconds=HEARTBEAT_SECONDS),
        graceful_shutdown_timeout=timedelta(seconds=settings.graceful_seconds),
        deployment_config=None if settings.version is None else _pinned(settings.version),
    )


def build_watch_worker(client: Client, task_queue: str, events: EventHub) -> Worker:
    """A worker at which other processes ask what models of this one say; it keeps one workflow, in memory."""
    room = load_room("workflows.watch")
    return Worker(
        client,
        task_queue=task_queue,
        workflows=[room.Watch],
        interceptors=[room.Answering(events.outbox)],
        max_cached_workflows=_WATCH_CACHE,
        max_concurrent_workflow_task_polls=2,
    )


def _pinned(version: WorkerDeploymentVersion) -> WorkerDeploymentConfig:
    return WorkerDeploymentConfig(version, True, default_versioning_behavior=VersioningBehavior.PINNED)


def _max_cached(settings: WorkerSettings) -> int:
    if settings.max_cached_workflows is not None:
        return settings.max_cached_workflows
    return int(os.environ.get("PERDURE_MAX_CACHED_WORKFLOWS", "1000"))


def _activities(
    client: Client, served: ServedAgents, blobs: BlobStore | None, events: EventHub | None = None
) -> list[Callable[..., Any]]:
    names = (
        "call_model",
        "conversations",
        "definitions",
        "ledger",
        "live_tools",
        "resolve_effect",
        "seal_transcript",
        "snapshot_agents",
        "surroundings",
        "transcripts",
        "user_steps",
    )
    room = {name: load_room(f"activities.{name}") for name in names}
    definitions = room["definitions"].Definitions(client)
    conversations = room["conversations"].Conversations(client, blobs)
    around = room["surroundings"].Surroundings(served, conversations, blobs)
    providers = load_room("activities.providers.dispatch").Providers(served)
    ledger = room["ledger"].Ledger(client)
    tools = room["live_tools"].LiveTools(served, blobs)
    transcripts = room["transcripts"].Transcripts(client, blobs)
    return [
        room["call_model"].CallModel(around, definitions, providers, events, transcripts).call_model,
        room["user_steps"].UserSteps(around, tools, transcripts, ledger).do,
        room["resolve_effect"].ResolveEffect(around, tools, ledger).resolve_effect,
        room["snapshot_agents"].SnapshotAgents(served, definitions).snapshot_agents,
        room["seal_transcript"].SealTranscript(client, blobs).seal_transcript,
    ]


def _declining() -> list[Callable[..., Any]]:
    """A worker that takes no steps still has runs, whose local steps it must answer."""
    return [load_room("activities.user_steps").decline]


def main(arguments: list[str]) -> int:
    """Serves the agents of a module until it is told to stop."""
    from perdure.cli.worker import serve_command

    return serve_command(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
