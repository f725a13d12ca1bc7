"""Runs of agents by name: workers come, go and change, the run keeps what it was started with."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path

import pytest

from perdure import Runner, ToolCallOutputItem, UserError
from tests.end_to_end.workers import worker

AGENTS = '''
from perdure import Agent, function_tool
from perdure.testing import ScriptedModel, tool_call

@function_tool(needs_approval=True)
async def pay(amount: float) -> str:
    """Pay."""
    return f"paid {amount:g}"

payer = Agent(name="Payer", model=ScriptedModel([tool_call("pay", {"amount": 5}), "done"]), tools=[pay])
'''
CHANGED = AGENTS.replace("amount: float", "amount: float, currency: str").replace("{amount:g}", "{amount:g} {currency}")


@pytest.fixture
def queue() -> str:
    return f"test-{uuid.uuid4().hex[:8]}"


@pytest.mark.thorough
async def test_a_run_by_name_waits_for_a_worker_and_goes_on_when_one_comes(tmp_path: Path, queue: str) -> None:
    run = await Runner.start("Payer", "pay", task_queue=queue)
    async with worker(tmp_path, "payer_agents", AGENTS, queue):
        paused = await run.result_or_interruptions()
        assert [item.tool_name for item in paused.interruptions] == ["pay"]
        await run.approve("1.0", by="ana")
        assert (await run.result()).final_output == "done"


@pytest.mark.thorough
async def test_a_run_whose_worker_is_killed_while_it_waits_answers_and_goes_on(tmp_path: Path, queue: str) -> None:
    run = await Runner.start("Payer", "pay", task_queue=queue)
    async with worker(tmp_path, "payer_agents", AGENTS, queue) as first:
        await run.result_or_interruptions()
        first.kill()
        await first.wait()
    assert (await run.status()).phase == "waiting for approval"
    await run.approve("1.0", by="ana")
    async with worker(tmp_path, "payer_agents", AGENTS, queue):
        assert (await run.result()).final_output == "done"


@pytest.mark.thorough
async def test_a_tool_changed_by_a_deploy_is_not_run_until_one_has_it_as_it_was(tmp_path: Path, queue: str) -> None:
    run = await Runner.start("Payer", "pay", task_queue=queue)
    async with worker(tmp_path / "old", "payer_agents", AGENTS, queue):
        await run.result_or_interruptions()
    async with worker(tmp_path / "new", "payer_agents", CHANGED, queue):
        await run.approve("1.0", by="ana")
        async with asyncio.timeout(20):
            while not (await run.status()).warnings:  # noqa: ASYNC110  a warning is no event
                await asyncio.sleep(0.2)
        (warning,) = (await run.status()).warnings
        assert "Call 1.0 waits for a worker: Tool 'pay' of this worker has definition" in warning
    async with worker(tmp_path / "old", "payer_agents", AGENTS, queue):
        result = await run.result()
    assert [item.output for item in result.new_items if isinstance(item, ToolCallOutputItem)] == ["paid 5"]


async def test_an_unknown_agent_is_an_error_that_says_who_is_served(tmp_path: Path, queue: str) -> None:
    async with worker(tmp_path, "payer_agents", AGENTS, queue):
        run = await Runner.start("Payor", "pay", task_queue=queue)
        with pytest.raises(UserError, match=r"no agent 'Payor' \(it serves: Payer\)"):
            await run.result()


async def test_a_run_started_by_hand_with_nonsense_fails_with_a_type(queue: str, tmp_path: Path) -> None:
    from temporalio.client import WorkflowFailureError

    from perdure.client.host import Host

    host = Host.current()
    client = (await host.call(host.connection())).client
    async with worker(tmp_path, "payer_agents", AGENTS, queue):
        for position, given in enumerate(
            [[], ["x"], [{"agent": "Payer"}], [{"agent": "Payer", "input": [], "engine": 9}]]
        ):
            handle = await host.call(
                client.start_workflow("AgentRun", args=given, id=f"{queue}-{position}", task_queue=queue)
            )
            with pytest.raises(WorkflowFailureError) as failed:
                await host.call(handle.result())
            assert getattr(failed.value.cause, "type", None) == "UserError"


DEADLY_AGENTS = """
import asyncio
import os
import signal
from pathlib import Path
from perdure import Agent
from perdure.testing import ScriptedModel

HEALED = Path(__file__).with_name("healed")


class Deadly(ScriptedModel):
    async def get_response(self, *args, **options):
        if not HEALED.exists():
            await asyncio.sleep(1.0)  # the worker gets to say that it is ready
            os.kill(os.getpid(), signal.SIGKILL)
        return await super().get_response(*args, **options)

clerk = Agent(name="Clerk", model=Deadly(["done"]))
"""


@pytest.mark.thorough
@pytest.mark.timeout(300)
async def test_a_step_that_kills_ten_workers_costs_no_eleventh_until_the_run_is_resumed(
    tmp_path: Path, queue: str
) -> None:
    run = await Runner.start("Clerk", "go", task_queue=queue)
    for _ in range(10):
        async with worker(tmp_path, "agents", DEADLY_AGENTS, queue) as killed:
            await asyncio.wait_for(killed.wait(), 60)
    async with worker(tmp_path, "agents", DEADLY_AGENTS, queue) as living:
        while (diagnosis := await run.why()).waits_for != "resume":  # noqa: ASYNC110  the run is elsewhere
            await asyncio.sleep(0.2)
        assert "lost with its worker ten times" in diagnosis.sentence
        assert living.returncode is None
        (tmp_path / "healed").touch()
        await run.resume(by="ana")
        assert (await run.result()).final_output == "done"
