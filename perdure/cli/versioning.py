"""Which build of the code a worker is, for Temporal's worker versioning: runs stay with the build that they began on.

The variables are those that Temporal's Worker Controller for Kubernetes sets: `TEMPORAL_DEPLOYMENT_NAME` and
`TEMPORAL_WORKER_BUILD_ID`.
"""

from __future__ import annotations

import shlex

from temporalio.api.enums.v1 import WorkerDeploymentVersionStatus
from temporalio.api.workflowservice.v1 import DescribeWorkerDeploymentRequest
from temporalio.client import Client
from temporalio.common import WorkerDeploymentVersion
from temporalio.service import RPCError, RPCStatusCode

from perdure.errors import UserError

DEPLOYMENT_VARIABLE = "TEMPORAL_DEPLOYMENT_NAME"
BUILD_VARIABLE = "TEMPORAL_WORKER_BUILD_ID"
_TAKES_RUNS = {
    WorkerDeploymentVersionStatus.WORKER_DEPLOYMENT_VERSION_STATUS_CURRENT,
    WorkerDeploymentVersionStatus.WORKER_DEPLOYMENT_VERSION_STATUS_RAMPING,
}


def version_of(deployment: str | None, build_id: str | None) -> WorkerDeploymentVersion | None:
    """The version that a worker is told to be; `None`: it is not versioned.

    Raises:
        UserError: Only one half of it is told.
    """
    if not deployment and not build_id:
        return None
    if not deployment or not build_id:
        given, lacking = ("--build-id", "--deployment") if build_id else ("--deployment", "--build-id")
        raise UserError(
            f"A versioned worker needs both --deployment ({DEPLOYMENT_VARIABLE}) and --build-id ({BUILD_VARIABLE}); "
            f"{given} is given, {lacking} is not."
        )
    return WorkerDeploymentVersion(deployment, build_id)


async def version_gap(client: Client, version: WorkerDeploymentVersion) -> str | None:
    """What keeps new runs from a version that polls by now: nobody has made it current yet."""
    try:
        told = await client.workflow_service.describe_worker_deployment(
            DescribeWorkerDeploymentRequest(namespace=client.namespace, deployment_name=version.deployment_name)
        )
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return _not_current(version)
    known = {each.deployment_version.build_id: each.status for each in told.worker_deployment_info.version_summaries}
    return None if known.get(version.build_id) in _TAKES_RUNS else _not_current(version)


def _not_current(version: WorkerDeploymentVersion) -> str:
    name, build = shlex.quote(version.deployment_name), shlex.quote(version.build_id)
    return (
        f"Build {version.build_id!r} of deployment {version.deployment_name!r} is not current: it gets no new runs. "
        f"Make it so: `temporal worker deployment set-current-version --deployment-name {name} --build-id {build}`."
    )
