"""The doors by which others reach a run, without any client between: Temporal's own service, payloads as they are."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import timedelta

from google.protobuf.duration_pb2 import Duration
from temporalio.api.common.v1 import Payload, Payloads, WorkflowExecution, WorkflowType
from temporalio.api.enums.v1 import UpdateWorkflowExecutionLifecycleStage
from temporalio.api.query.v1 import WorkflowQuery
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.update.v1 import Input, Meta, Request, WaitPolicy
from temporalio.api.workflowservice.v1 import (
    QueryWorkflowRequest,
    SignalWorkflowExecutionRequest,
    StartWorkflowExecutionRequest,
    UpdateWorkflowExecutionRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

_REFUSED = (RPCStatusCode.INVALID_ARGUMENT, RPCStatusCode.RESOURCE_EXHAUSTED, RPCStatusCode.FAILED_PRECONDITION)
_ANSWER_TIMEOUT = timedelta(seconds=30)
_QUESTIONS = 5  # the server says after 20 seconds that there is no answer yet


class Doors:
    """Temporal's service, without converters, codecs or types."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.refused = 0

    async def start(self, queue: str, payloads: Sequence[Payload]) -> str | None:
        """Starts a run with this input; `None` if the server refuses it."""
        run_id = f"fuzz-{uuid.uuid4().hex}"
        request = StartWorkflowExecutionRequest(
            namespace=self._client.namespace,
            workflow_id=run_id,
            workflow_type=WorkflowType(name="AgentRun"),
            task_queue=TaskQueue(name=queue),
            input=Payloads(payloads=payloads),
            workflow_task_timeout=Duration(seconds=5),
            request_id=uuid.uuid4().hex,
        )
        try:
            await self._client.workflow_service.start_workflow_execution(request)
        except RPCError as error:
            self._refuse(error)
            return None
        return run_id

    async def signal(self, run_id: str, name: str, payloads: Sequence[Payload]) -> None:
        """Sends a signal; the server may refuse it."""
        request = SignalWorkflowExecutionRequest(
            namespace=self._client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=run_id),
            signal_name=name,
            input=Payloads(payloads=payloads),
            request_id=uuid.uuid4().hex,
        )
        try:
            await self._client.workflow_service.signal_workflow_execution(request)
        except RPCError as error:
            self._refuse(error, RPCStatusCode.CANCELLED)  # as a server does that has too much to do

    async def update(self, run_id: str, name: str, payloads: Sequence[Payload]) -> None:
        """Sends an update and waits for its answer, whatever that is."""
        stage = UpdateWorkflowExecutionLifecycleStage.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED
        request = UpdateWorkflowExecutionRequest(
            namespace=self._client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=run_id),
            wait_policy=WaitPolicy(lifecycle_stage=stage),
            request=Request(
                meta=Meta(update_id=uuid.uuid4().hex),
                input=Input(name=name, args=Payloads(payloads=payloads)),
            ),
        )
        service = self._client.workflow_service  # tried again, as the server may abort an update
        try:
            for _ in range(_QUESTIONS):
                answer = await service.update_workflow_execution(request, retry=True, timeout=_ANSWER_TIMEOUT)
                if answer.outcome.WhichOneof("value") is not None:
                    return
        except RPCError as error:
            self._refuse(error, RPCStatusCode.NOT_FOUND)  # the run goes on in a new history, or has ended
        else:
            raise AssertionError(f"the update {name!r} got no answer")

    async def query(self, run_id: str, name: str, payloads: Sequence[Payload]) -> None:
        """Asks and waits for the answer, whatever that is."""
        request = QueryWorkflowRequest(
            namespace=self._client.namespace,
            execution=WorkflowExecution(workflow_id=run_id),
            query=WorkflowQuery(query_type=name, query_args=Payloads(payloads=payloads)),
        )
        try:
            await self._client.workflow_service.query_workflow(request, timeout=_ANSWER_TIMEOUT)
        except RPCError as error:
            self._refuse(error)

    def _refuse(self, error: RPCError, *also: RPCStatusCode) -> None:
        if error.status not in (*_REFUSED, *also):
            raise error
        self.refused += 1
