"""Who serves a task queue."""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple, TypeAlias

from temporalio.api.enums.v1 import TaskQueueType, VersioningBehavior
from temporalio.api.taskqueue.v1 import PollerInfo, TaskQueue
from temporalio.api.workflow.v1 import WorkflowExecutionInfo
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

from perdure.client.host import Host

Kind: TypeAlias = Literal["workflow", "activity"]

_KINDS: dict[Kind, TaskQueueType.ValueType] = {
    "workflow": TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,  # answers queries, signals, updates
    "activity": TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,  # takes steps
}


class Build(NamedTuple):
    """A build of the code that runs may be pinned to."""

    deployment: str
    build_id: str

    def __str__(self) -> str:
        return f"{self.build_id!r} of deployment {self.deployment!r}"


def pinned_build(info: WorkflowExecutionInfo) -> Build | None:
    """The build whose workers alone go on with a run, if it is pinned to one."""
    told = info.versioning_info
    version = told.deployment_version
    if told.HasField("versioning_override") and told.versioning_override.HasField("pinned"):
        version = told.versioning_override.pinned.version
    elif told.behavior != VersioningBehavior.VERSIONING_BEHAVIOR_PINNED or told.versioning_override.auto_upgrade:
        return None
    return Build(version.deployment_name, version.build_id)


async def workers_of(
    client: Client,
    queue: str,
    kind: Kind,
    build: Build | None = None,
    *,
    seen_within: timedelta = timedelta(minutes=5),
) -> list[str]:
    """The workers that poll the queue, by identity; of one build, if that is given.

    The server forgets a worker only five minutes after its last poll; one of this host whose process has ended is
    left out at once.
    """
    answer = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace, task_queue=TaskQueue(name=queue), task_queue_type=_KINDS[kind]
        )
    )
    since = datetime.now(UTC) - seen_within
    seen = [each for each in answer.pollers if each.last_access_time.ToDatetime(UTC) >= since]
    return [
        poller.identity
        for poller in seen
        if not has_ended(poller.identity) and (build is None or _build_of(poller) == build)
    ]


def _build_of(poller: PollerInfo) -> Build:
    return Build(poller.deployment_options.deployment_name, poller.deployment_options.build_id)


async def make_sure_it_answers(host: Host, queue: str) -> None:
    """Lets this process answer for the runs of a queue that nobody serves; that takes no code of the user."""
    if host.serves(queue):
        return
    client = (await host.connection()).client
    if not await workers_of(client, queue, "workflow"):
        await host.answer_for(queue)


def has_ended(identity: str) -> bool:
    """Whether this is a process of this host that has ended, by temporalio's default identity `pid@host`."""
    pid, _, host = identity.partition("@")
    if host != socket.gethostname() or not pid.isdecimal():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # it lives, as another user's
        return False
    return False
