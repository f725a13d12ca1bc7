"""A run that is paused or interrupted stays so, whoever dies meanwhile; what is said while nobody is there holds."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path

import pytest

from perdure import Run, Runner
from perdure.contracts.messages import StatusView
from tests.end_to_end.test_watching import until_asked
from tests.end_to_end.workers import worker

AGENTS = '''
import asyncio
from pathlib import Path

from perdure import Agent, function_tool
from perdure.testing import ScriptedModel, tool_call


class Thinking(ScriptedModel):
    """Never ends to think about its first answer, and says so in a file."""

    async def get_response(self, *args, **options):
        if not Path("asked").exists():
            Path("asked").touch()
            await asyncio.Event().wait()
        return await super().get_response(*args, **options)


@function_tool(needs_approval=True)
async def pay() -> str:
    """Pay."""
    Path("paid").open("a").write("paid\\n")
    return "paid"


payer = Agent(name="Payer", model=ScriptedModel([tool_call("pay", {}), "done"]), tools=[pay])
thinker = Agent(name="Thinker", model=Thinking(["five euros"]))
'''


OTHER_TOOL = AGENTS.replace("async def pay() -> str:", "async def pay(currency: str = 'EUR') -> str:")
NO_MODEL = AGENTS.replace('model=ScriptedModel([tool_call("pay", {}), "done"])', 'model="gpt-5.5-mini"')


@pytest.fixture
def queue() -> str:
    return f"steered-{uuid.uuid4().hex[:8]}"


async def until(run: Run, phase: str) -> StatusView:
    async with asyncio.timeout(30):
        while (status := await run.status()).phase != phase:  # noqa: ASYNC110  a phase is no event
            await asyncio.sleep(0.1)
    return status


@pytest.mark.thorough
async def test_a_run_whose_worker_is_killed_stays_paused_with_the_next_one(tmp_path: Path, queue: str) -> None:
    run = await Runner.start("Payer", "pay", task_queue=queue)
    async with worker(tmp_path, "steered_agents", AGENTS, queue) as first:
        await run.result_or_interruptions()
        await run.pause(by="ana")
        first.kill()
        await first.wait()
    await run.approve("1.0", by="ben")
    async with worker(tmp_path, "steered_agents", AGENTS, queue):
        why = await run.why()
        assert (why.waits_for, why.commands) == ("resume", [f"perdure resume {run.id}"])
        assert "paused by ana at " in why.sentence
        assert not (tmp_path / "paid").exists()
        await run.resume()
        assert (await run.result()).final_output == "done"
    assert (tmp_path / "paid").read_text() == "paid\n"


@pytest.mark.thorough
async def test_a_worker_that_is_killed_while_its_model_is_stopped_leaves_a_run_that_waits(
    tmp_path: Path, queue: str
) -> None:
    run = await Runner.start("Thinker", "how much?", task_queue=queue)
    async with worker(tmp_path, "steered_agents", AGENTS, queue) as first:
        await until_asked(tmp_path)
        await run.interrupt(by="ana")
        first.kill()
        await first.wait()
    async with worker(tmp_path, "steered_agents", AGENTS, queue):
        status = await until(run, "interrupted")
        assert status.interrupted is not None
        assert status.interrupted.by == "ana"
        await run.send("in euros")
        assert (await run.result()).final_output == "five euros"
    assert [entry.kind for entry in await run.transcript()] == ["input", "added", "answer"]


@pytest.mark.thorough
async def test_a_run_that_nobody_serves_is_paused_all_the_same(tmp_path: Path, queue: str) -> None:
    run = await Runner.start("Payer", "pay", task_queue=queue)
    assert (await run.pause(by="ana")).verdict in ("accepted", "repeated", "sent")  # this process answers for it
    async with worker(tmp_path, "steered_agents", AGENTS, queue):
        status = await until(run, "paused")
        assert (status.turn, status.items) == (0, 1)
        await run.resume()
        assert (await run.result_or_interruptions()).interruptions
        await run.reject("1.0")
        assert (await run.result()).final_output == "done"


async def test_a_pause_goes_as_a_signal_where_the_server_takes_no_update(
    tmp_path: Path, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from temporalio.client import WorkflowHandle
    from temporalio.service import RPCError, RPCStatusCode

    async def refused(*arguments: object, **options: object) -> None:
        raise RPCError("no more updates", RPCStatusCode.RESOURCE_EXHAUSTED, b"")

    run = await Runner.start("Payer", "pay", task_queue=queue)
    with monkeypatch.context() as patched:
        patched.setattr(WorkflowHandle, "execute_update", refused)
        receipt = await run.pause(by="ana")
    assert (receipt.verdict, receipt.explanation[:38]) == ("sent", "The server takes no update (no more up")
    async with worker(tmp_path, "steered_agents", AGENTS, queue):
        await until(run, "paused")
    await run.cancel()


async def until_declined(run: Run) -> None:
    async with asyncio.timeout(30):
        while not (await run.status()).declined:  # noqa: ASYNC110  that a step waits is no event
            await asyncio.sleep(0.1)


@pytest.mark.thorough
async def test_a_call_that_workers_declined_is_not_offered_again_while_its_run_is_paused(
    tmp_path: Path, queue: str
) -> None:
    run = await Runner.start("Payer", "pay", task_queue=queue)
    async with worker(tmp_path / "old", "steered_agents", AGENTS, queue):
        await run.result_or_interruptions()
    async with worker(tmp_path / "new", "steered_agents", OTHER_TOOL, queue):
        await run.approve("1.0")
        await until_declined(run)
        await run.pause()
        assert (await until(run, "paused")).declined == []
    async with worker(tmp_path / "old", "steered_agents", AGENTS, queue):
        assert (await run.why()).waits_for == "resume"
        assert not (tmp_path / "old" / "paid").exists()
        await run.resume()
        assert (await run.result()).final_output == "done"
    assert (tmp_path / "old" / "paid").read_text() == "paid\n"


@pytest.mark.thorough
async def test_what_is_said_now_does_not_wait_for_a_worker_that_has_the_model(tmp_path: Path, queue: str) -> None:
    run = await Runner.start("Payer", "pay", task_queue=queue)
    async with worker(tmp_path / "old", "steered_agents", AGENTS, queue):
        await run.result_or_interruptions()
    async with worker(tmp_path / "new", "steered_agents", NO_MODEL, queue):
        await run.reject("1.0")
        await until_declined(run)
        await run.send("never mind", when="now")
        async with asyncio.timeout(30):
            while (await run.status()).inputs:  # noqa: ASYNC110  as above
                await asyncio.sleep(0.1)
        assert [entry.kind for entry in await run.transcript()] == ["input", "answer", "output", "added"]
    async with worker(tmp_path / "old", "steered_agents", AGENTS, queue):
        assert (await run.result()).final_output == "done"
