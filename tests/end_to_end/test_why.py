"""A run says why it does not go on: whom it waits for, which step and its last error, or who is missing."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import time
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import Worker

from perdure import Model, Run, Runner, UserError, function_tool
from perdure.client.diagnosis import Diagnosis
from perdure.client.host import Host
from perdure.testing import tool_call
from tests.agents import refund_call, scripted
from tests.end_to_end.workers import worker

AGENTS = '''
import asyncio

from perdure import Agent, function_tool
from perdure.testing import ScriptedModel, tool_call

@function_tool(needs_approval=True)
async def pay(amount: float) -> str:
    """Pay."""
    return f"paid {amount:g}"

payer = Agent(name="Payer", model=ScriptedModel([tool_call("pay", {"amount": 5}), "done"]), tools=[pay])
'''
CHANGED = AGENTS.replace("amount: float", "amount: float, currency: str = ''")
WITHOUT = AGENTS.replace("tools=[pay]", "tools=[]")
LOOK_SECONDS = 0.1


class Busy(Exception):
    """What a provider answers that is asked too often."""

    status_code = 429
    headers = {"retry-after": "40"}


class Slow(Model):
    """A model that thinks for long."""

    def __init__(self, hang: Callable[[], Any]) -> None:
        self._hang = hang

    async def get_response(self, *_: Any, **__: Any) -> Any:
        await self._hang()


@workflow.defn(name="AgentRun", sandboxed=False)
class BrokenRun:
    """An incompatible version of the run's workflow."""

    @workflow.run
    async def run(self, _: Any) -> None:
        raise KeyError("the field\x1b[2J 'engine' is unknown")


@pytest.fixture
def queue() -> str:
    return f"test-{uuid.uuid4().hex[:8]}"


@pytest.fixture
async def client() -> Client:
    host = Host.current()
    connection = await host.call(host.connection())
    return await Client.connect(connection.address, data_converter=connection.client.data_converter)


@pytest.fixture
async def hang() -> AsyncIterator[Callable[[], Any]]:
    """What lasts until the test is over."""
    over = asyncio.Event()
    yield over.wait
    over.set()


async def why_once(run: Run, holds: Callable[[Diagnosis], object]) -> Diagnosis:
    """The first answer of which this holds."""
    async with asyncio.timeout(30):
        while not holds(found := await run.why()):  # noqa: ASYNC110  what the server tells is no event
            await asyncio.sleep(LOOK_SECONDS)
    return found


def waits_for(kind: str) -> Callable[[Diagnosis], bool]:
    return lambda found: found.waits_for == kind


async def test_a_call_that_waits_for_a_decision_is_named_with_its_times_and_the_commands_that_decide() -> None:
    run = await Runner.start(scripted(refund_call(), "done"), "please")
    await run.result_or_interruptions()
    found = await run.why()
    (approval,) = await run.approvals()
    assert found.waits_for == "decision"
    assert found.sentence == (
        'Waits for a decision about call 1.0 (refund {"order_id": "7", "amount": 40.0}) of agent \'Scripted\', since '
        f"{approval.since} and until {approval.expires}, which anybody who reaches the run may make."
    )
    assert found.commands == [f"perdure approve {run.id} 1.0", f"perdure reject {run.id} 1.0 --reason WHY"]
    await run.cancel()


async def test_a_call_whose_outcome_nobody_knows_is_named_with_what_happened() -> None:
    key = f"pay {uuid.uuid4().hex}"

    @function_tool(effect="once", key=key)
    async def pay() -> str:
        """Pay."""
        raise ConnectionError("the bank hung up")

    await Runner.run(scripted(tool_call("pay", {}), "sorry", tools=[pay]), "please")
    run = await Runner.start(scripted(tool_call("pay", {}), "done", tools=[pay]), "please")
    found = await why_once(run, waits_for("outcome"))
    assert found.sentence == (
        "Waits for somebody who says what became of call 1.0 (pay {}): It raised ConnectionError: the bank hung up."
    )
    assert found.commands == [f"perdure resolve {run.id} 1.0 happened|not-happened|retry"]
    await run.cancel()


async def test_a_model_call_under_way_is_named_with_its_attempt_and_worker(hang: Callable[[], Any]) -> None:
    agent = scripted("done")
    agent.model = Slow(hang)
    run = await Runner.start(agent, "please")
    found = await why_once(run, waits_for("model"))
    assert found.sentence.startswith("Waits for the model (model.1): attempt 1 of 10 runs since ")
    assert found.sentence.endswith(f" s) on worker {os.getpid()}@{socket.gethostname()}.")
    await run.cancel()


async def test_a_model_call_that_was_refused_is_named_with_the_error_and_the_next_attempt() -> None:
    run = await Runner.start(scripted(Busy("slow\x1b[2J down\nplease"), "done"), "please")
    found = await why_once(run, lambda each: each.waits_for == "next attempt" and "429" in each.sentence)
    assert found.seen is not None
    (step,) = found.seen.steps
    assert step.next_attempt is not None
    assert re.match(r"Waits for attempt \d of 10 of the model \(model\.1\) in ", found.sentence)
    assert f"at {step.next_attempt.isoformat(timespec='seconds')}" in found.sentence
    assert found.sentence.endswith(
        "the last attempt failed: Busy: The model provider answered 429: slow [2J down please."
    )
    await run.cancel()


async def test_a_tool_that_runs_is_named_with_its_call(hang: Callable[[], Any]) -> None:
    @function_tool
    async def dig() -> str:
        """Dig."""
        await hang()
        return ""

    run = await Runner.start(scripted(tool_call("dig", {}), "done", tools=[dig]), "please")
    found = await why_once(run, waits_for("tool"))
    assert found.sentence.startswith("Waits for tool dig (call 1.0): attempt 1 of 10 runs since ")
    await run.cancel()


DEPLOYED = {
    "changed": (
        CHANGED,
        r"Tool 'pay' of this worker has definition \w+, the run knows \w+: its name, description, schema",
    ),
    "missing": (WITHOUT, r"Agent 'Payer' of this worker has no tool 'pay'; deploy one that has it\.$"),
}


@pytest.mark.parametrize("deployed", DEPLOYED)
async def test_a_call_that_the_deployed_worker_declines_is_named_with_what_that_lacks(
    deployed: str, tmp_path: Path, queue: str
) -> None:
    source, reason = DEPLOYED[deployed]
    run = await Runner.start("Payer", "pay", task_queue=queue)
    async with worker(tmp_path / "old", "payer_agents", AGENTS, queue):
        await run.result_or_interruptions()
    async with worker(tmp_path / "new", "payer_agents", source, queue):
        await run.approve("1.0", by="ana")
        found = await why_once(run, waits_for("other worker"))
    assert re.match(
        r"Waits for a worker that can do call 1\.0 of tool 'pay', which was declined (once|\d times) and is offered "
        rf"again within \d+ s: {reason}",
        found.sentence,
    )
    await run.cancel()


async def test_a_run_that_nobody_has_taken_up_is_told_by_the_server_alone_and_not_moved(queue: str) -> None:
    run = await Runner.start("Payer", "pay", task_queue=queue)
    begin = time.monotonic()
    found = await run.why()
    assert time.monotonic() - begin < 6, "it takes some 5 seconds at most"
    assert found.waits_for == "worker"
    assert found.sentence == f"Waits for a worker: nobody takes steps of task queue '{queue}'."
    assert found.commands == [f"perdure worker MODULE --queue {queue}"]
    assert found.seen is not None
    assert found.seen.task_is_due
    await run.cancel()


@pytest.mark.thorough
async def test_a_run_whose_worker_is_gone_says_what_it_waits_for_and_who_is_missing(tmp_path: Path, queue: str) -> None:
    run = await Runner.start("Payer", "pay", task_queue=queue)
    async with worker(tmp_path, "payer_agents", AGENTS, queue):
        await run.result_or_interruptions()
    found = await why_once(run, lambda found: "nobody" in found.sentence)
    assert found.waits_for == "decision"
    assert found.sentence.endswith(f"; and then waits for a worker: nobody takes steps of task queue '{queue}'.")
    assert found.commands[-1] == f"perdure worker MODULE --queue {queue}"
    await run.approve("1.0", by="ana")
    found = await why_once(run, waits_for("worker"))
    assert "nobody takes steps" in found.sentence
    await run.cancel()


async def test_a_run_whose_code_fails_is_named_with_the_error_and_the_worker(queue: str, client: Client) -> None:
    run = await Runner.start("Payer", "pay", task_queue=queue)
    async with Worker(client, task_queue=queue, workflows=[BrokenRun], identity="1@old-host"):
        found = await why_once(run, waits_for("workflow code"))
    assert found.sentence.startswith(
        "Waits for a worker whose code fits: its workflow task fails on worker 1@old-host, attempt "
    )
    assert "KeyError: \"the field\\x1b[2J 'engine' is unknown\"" in found.sentence
    await client.get_workflow_handle(run.id).terminate(reason="tested")


async def test_a_run_that_has_ended_says_how(client: Client) -> None:
    finished = await Runner.start(scripted("done"), "please")
    await finished.result()
    assert (await finished.why()).sentence.startswith("Waits for nothing: it finished at ")

    failed = await Runner.start(scripted(UserError("no\nluck")), "please")
    with pytest.raises(UserError):
        await failed.result()
    told = await failed.why()
    assert (told.execution, told.waits_for, told.commands) == ("failed", "nothing", [f"perdure show {failed.id}"])
    assert told.sentence.endswith(" with UserError: no luck.")

    cancelled = await Runner.start(scripted(refund_call()), "please")
    await cancelled.result_or_interruptions()
    await cancelled.cancel()
    found = await why_once(cancelled, lambda found: found.execution != "running")
    assert found.sentence.startswith("Waits for nothing: it was cancelled at ")

    terminated = await Runner.start(scripted(refund_call()), "please")
    await terminated.result_or_interruptions()
    await client.get_workflow_handle(terminated.id).terminate(reason="out of budget")
    found = await terminated.why()
    assert found.sentence.startswith("Waits for nothing: it was terminated at ")
    assert found.sentence.endswith(": out of budget.")
