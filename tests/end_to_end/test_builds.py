"""Worker versioning: a run stays with the build of the code that it began on, until a new history of it begins."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import socket
import sys
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.workflowservice.v1 import SetWorkerDeploymentCurrentVersionRequest
from temporalio.client import Client
from temporalio.common import WorkerDeploymentVersion
from temporalio.service import RPCError

from perdure import Agent, RunConfig, Runner, function_tool
from perdure.cli.versioning import version_gap
from perdure.client.deploying import Deployed, check_deployment
from perdure.client.host import Host, blob_store
from perdure.connection import connect
from perdure.contracts.converter import data_converter
from perdure.served import ServedAgents
from perdure.testing import ScriptedModel, tool_call
from worker import WorkerSettings, build_worker

CURRENT_SECONDS = 60.0


class Shop:
    """A deployment of its own: a task queue, and builds whose tools tell which build they are."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.name = f"builds-{uuid.uuid4().hex[:8]}"
        self.models: dict[str, ScriptedModel] = {}
        self.agents: dict[str, Agent[Any]] = {}

    @contextlib.asynccontextmanager
    async def build(
        self, build_id: str, *, calls: int = 1, needs_approval: bool = True, client: Client | None = None
    ) -> AsyncIterator[None]:
        """A worker that is this build, once it is current; `client` is its own."""

        @function_tool(needs_approval=needs_approval)
        async def tell() -> str:
            """Tell the build."""
            return f"build {build_id}"

        answers: list[Any] = [*[tool_call("tell", {})] * calls, f"said by {build_id}"]
        self.models[build_id] = ScriptedModel(answers * 3)
        clerk = self.agents[build_id] = Agent(name="Clerk", model=self.models[build_id], tools=[tell])
        version = WorkerDeploymentVersion(self.name, build_id)
        served = ServedAgents()
        served.serve([clerk], asyncio.get_running_loop())
        settings = WorkerSettings(self.name, version=version)
        async with build_worker(client or self.client, served, blob_store(await connect()), settings):
            await self._make_current(version)
            yield

    async def _make_current(self, version: WorkerDeploymentVersion) -> None:
        wanted = SetWorkerDeploymentCurrentVersionRequest(
            namespace=self.client.namespace, deployment_name=version.deployment_name, build_id=version.build_id
        )
        async with asyncio.timeout(CURRENT_SECONDS):
            while await version_gap(self.client, version) is not None:
                with contextlib.suppress(RPCError):  # the server has not seen it poll yet
                    await self.client.workflow_service.set_worker_deployment_current_version(wanted)
                await asyncio.sleep(0.1)

    async def check(self, build_id: str) -> dict[str, str]:
        """What a check of this build's deployment says of each run; it has no agents that differ."""
        clerk = self.agents[build_id]
        deployed = Deployed([clerk], self.name, build=(self.name, build_id))
        return {each.run_id: each.verdict for each in await check_deployment(self.client, deployed, lambda text: None)}

    async def execution(self, run_id: str) -> str:
        """The id of the run's newest history."""
        return (await self.client.get_workflow_handle(run_id).describe()).run_id


async def shop() -> Shop:
    host = Host.current()
    await host.call(host.serve_effects())
    connection = await connect()
    return Shop(await Client.connect(connection.address, data_converter=data_converter))


def outputs(result: Any) -> list[str]:
    return [item["output"] for item in result.to_input_list() if item.get("type") == "function_call_output"]


async def said(shop: Shop, thread: str, text: str) -> Any:
    """How a message of a thread ends."""
    return await (await Runner.start("Clerk", text, task_queue=shop.name, thread=thread)).result()


async def test_a_run_stays_with_its_build_and_a_new_run_gets_the_new_one() -> None:
    mine = await shop()
    async with mine.build("one"):
        old = await Runner.start("Clerk", "go", task_queue=mine.name)
        await old.result_or_interruptions()
        async with mine.build("two"):
            new = await Runner.start("Clerk", "go", task_queue=mine.name)
            await new.result_or_interruptions()
            foretold = await mine.check("two")
            for run in (old, new):
                await run.approve("1.0", by="ana")
            ended = [await run.result() for run in (old, new)]
    assert foretold == {new.id: "unaffected", old.id: "pinned"}
    assert [outputs(result) for result in ended] == [["build one"], ["build two"]]
    assert [result.final_output for result in ended] == ["said by one", "said by two"]


@pytest.mark.thorough
async def test_a_run_that_goes_on_in_a_new_history_comes_to_the_current_build() -> None:
    mine = await shop()
    config = RunConfig(history_events=30)
    async with mine.build("one", calls=3):
        run = await Runner.start("Clerk", "go", task_queue=mine.name, run_config=config)
        await run.result_or_interruptions()
        first = await mine.execution(run.id)
        async with mine.build("two", calls=0):
            for call in ("1.0", "2.0", "3.0"):
                if await mine.execution(run.id) != first:
                    break
                await run.approve(call, by="ana")
                await run.result_or_interruptions()
            result = await run.result()
    assert await mine.execution(run.id) != first
    assert outputs(result)[0] == "build one"
    assert result.final_output == "said by two"


async def test_a_thread_comes_to_the_current_build_with_its_next_message() -> None:
    mine = await shop()
    thread = f"thread-{mine.name}"
    async with mine.build("one", needs_approval=False):
        first = await said(mine, thread, "go")
        again = await said(mine, thread, "go on")
        async with mine.build("two", needs_approval=False):
            assert list((await mine.check("two")).values()) == ["unaffected"], "it comes to this build, and can"
            asked = len(mine.models["one"].requests)
            later = await said(mine, thread, "and now")
    assert [each.final_output for each in (first, again, later)] == ["said by one", "said by one", "said by two"]
    assert len(mine.models["one"].requests) == asked, "the first build is asked nothing any more"


@pytest.mark.thorough
async def test_why_names_the_build_that_a_run_waits_for_and_moving_it_helps() -> None:
    mine = await shop()
    address = (await connect()).address
    ended = await asyncio.create_subprocess_exec("true")
    await ended.wait()
    name = f"{ended.pid}@{socket.gethostname()}"  # else this process would pass for a worker of the build that has gone
    gone = await Client.connect(address, data_converter=data_converter, identity=name)
    async with mine.build("one", client=gone):
        run = await Runner.start("Clerk", "go", task_queue=mine.name)
        await run.result_or_interruptions()
    async with mine.build("two"):
        await mine.client.get_workflow_handle(run.id).signal("approve", {"call_id": "1.0", "by": "ana"})
        why = await run.why()
        assert why.waits_for == "worker"
        assert f"build 'one' of deployment {mine.name!r}, to which it is pinned" in why.sentence
        worker, move = why.commands
        assert worker.endswith(f"--deployment {mine.name} --build-id one")
        temporal = Path(sys.executable).with_name("temporal")
        moved = await asyncio.create_subprocess_exec(temporal, *shlex.split(move)[1:], "--address", address)
        assert await moved.wait() == 0
        assert outputs(await run.result()) == ["build two"]


async def test_a_build_that_is_not_current_is_named_with_the_command() -> None:
    mine = await shop()
    async with mine.build("one"):
        assert await version_gap(mine.client, WorkerDeploymentVersion(mine.name, "one")) is None
        gap = await version_gap(mine.client, WorkerDeploymentVersion(mine.name, "two"))
    assert gap is not None
    assert f"set-current-version --deployment-name {mine.name} --build-id two" in gap
    nobody = await version_gap(mine.client, WorkerDeploymentVersion("nobody-deploys-this", "one"))
    assert nobody is not None
