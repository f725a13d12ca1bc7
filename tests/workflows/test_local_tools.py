"""A local tool is called where its run is, within the workflow task; what such a call does not settle, a step does."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType

from perdure import (
    Agent,
    RunCancelled,
    RunConfig,
    RunContextWrapper,
    Runner,
    ToolCallOutputItem,
    UserError,
    function_tool,
)
from perdure.client.host import Host
from perdure.limits import MAX_LOCAL_CALLS, MAX_LOCAL_RESULT_BYTES
from perdure.snapshot import snapshot
from perdure.testing import ScriptedModel, tool_call
from tests.agents import scripted
from tests.end_to_end.workers import worker


async def steps(run_id: str) -> Counter[str]:
    """How often each kind of step was scheduled, by activity type; local ones count as `local`."""
    host = Host.current()
    client = (await host.call(host.connection())).client
    history = await host.call(client.get_workflow_handle(run_id).fetch_history())
    found: Counter[str] = Counter()
    for event in history.events:
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            found[event.activity_task_scheduled_event_attributes.activity_type.name] += 1
        elif event.event_type == EventType.EVENT_TYPE_MARKER_RECORDED:
            found["local"] += 1
    return found


def outputs(result: Any) -> list[Any]:
    return [item.output for item in result.new_items if isinstance(item, ToolCallOutputItem)]


@function_tool(local=True)
def double(number: int) -> int:
    """Double a number."""
    return 2 * number


async def test_a_local_call_is_no_step_of_its_own() -> None:
    result = await Runner.run(scripted(tool_call("double", {"number": 4}), "done", tools=[double]), "go")
    assert (outputs(result), result.final_output) == ([8], "done")
    assert await steps(result.run_id) == {"call_model": 2, "local": 1}


async def test_of_many_calls_a_workflow_task_takes_a_few_and_the_others_are_steps() -> None:
    calls = [tool_call("double", {"number": number}) for number in range(20)]
    result = await Runner.run(scripted(calls, calls[:3], "done", tools=[double]), "go")
    assert outputs(result) == [2 * number for number in [*range(20), *range(3)]]
    assert await steps(result.run_id) == {
        "call_model": 3,
        "local": MAX_LOCAL_CALLS + 3,
        "tool.double": 20 - MAX_LOCAL_CALLS,
    }


async def test_calls_with_large_inputs_are_local_as_far_as_all_of_them_could_become_steps() -> None:
    @function_tool(local=True)
    def look(ctx: RunContextWrapper[dict[str, Any]], number: int) -> int:
        """Look."""
        return number + len(ctx.context["text"])

    calls = [tool_call("look", {"number": number}) for number in range(8)]
    result = await Runner.run(scripted(calls, "done", tools=[look]), "go", context={"text": "x" * 250_000})
    assert outputs(result) == [250_000 + number for number in range(8)]
    assert await steps(result.run_id) == {"call_model": 2, "local": 4, "tool.look": 4}


async def test_what_a_local_tool_raises_is_told_to_the_model_once() -> None:
    tried: list[int] = []

    @function_tool(local=True)
    async def divide(by: int) -> float:
        """Divide."""
        tried.append(by)
        return 1 / by

    result = await Runner.run(scripted(tool_call("divide", {"by": 0}), "done", tools=[divide]), "go")
    assert "division by zero" in outputs(result)[0]
    assert (tried, await steps(result.run_id)) == ([0], {"call_model": 2, "local": 1})


async def test_an_error_that_ends_the_run_ends_it() -> None:
    @function_tool(local=True, failure_error_function=None)
    async def divide(by: int) -> float:
        """Divide."""
        return 1 / by

    with pytest.raises(UserError, match="division by zero"):
        await Runner.run(scripted(tool_call("divide", {"by": 0}), "done", tools=[divide]), "go")


async def test_a_local_tool_changes_the_context() -> None:
    @function_tool(local=True)
    def note(ctx: RunContextWrapper[dict[str, Any]], word: str) -> str:
        """Note a word."""
        ctx.context["words"] = [*ctx.context["words"], word]
        return "noted"

    context: dict[str, Any] = {"words": []}
    calls = [tool_call("note", {"word": word}) for word in ("a", "b")]
    await Runner.run(scripted(*calls, "done", tools=[note]), "go", context=context)
    assert context == {"words": ["a", "b"]}


async def test_a_call_that_says_too_much_for_a_workflow_task_is_made_again_as_a_step() -> None:
    @function_tool(local=True)
    def grow(ctx: RunContextWrapper[dict[str, Any]]) -> str:
        """Grow."""
        ctx.context["text"] = "x" * (MAX_LOCAL_RESULT_BYTES + 1)
        return "grown"

    result = await Runner.run(scripted(tool_call("grow", {}), "done", tools=[grow]), "go", context={"text": ""})
    assert outputs(result) == ["grown"]
    assert await steps(result.run_id) == {"call_model": 2, "local": 1, "tool.grow": 1}


async def test_a_large_output_of_a_local_call_is_kept_outside_the_history() -> None:
    @function_tool(local=True)
    def read() -> str:
        """Read a lot."""
        return "0123456789abcdef" * 64 * 1024

    result = await Runner.run(scripted([tool_call("read", {})] * 5, "done", tools=[read]), "go")
    assert [len(each) for each in outputs(result)] == [1024 * 1024] * 5
    assert await steps(result.run_id) == {"call_model": 2, "local": 5}


@pytest.mark.thorough
@pytest.mark.skipif(
    os.environ.get("PERDURE_MAX_CACHED_WORKFLOWS") == "0", reason="what no worker has in memory it asks"
)
async def test_a_run_hears_and_answers_while_a_local_call_takes_longer_than_a_workflow_task() -> None:
    begun = asyncio.Event()

    @function_tool(local=True)
    async def linger() -> str:
        """Take longer than two workflow tasks may."""
        begun.set()
        await asyncio.sleep(9)
        return "rested"

    run = await Runner.start(scripted(tool_call("linger", {}), "done", tools=[linger]), "go")
    await begun.wait()
    assert (await run.status()).phase == "running tools"
    result = await run.result()
    assert (outputs(result), await steps(run.id)) == (["rested"], {"call_model": 2, "local": 1})


async def test_a_run_is_cancelled_in_the_middle_of_a_local_call() -> None:
    begun, stopped = asyncio.Event(), asyncio.Event()

    @function_tool(local=True)
    async def linger() -> str:
        """Take long."""
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            stopped.set()
        return "rested"

    run = await Runner.start(scripted(tool_call("linger", {}), "done", tools=[linger]), "go")
    await begun.wait()
    asked = time.monotonic()
    await run.cancel()
    with pytest.raises(RunCancelled):
        await run.result()
    await asyncio.wait_for(stopped.wait(), 10)
    assert time.monotonic() - asked < 30
    assert (await steps(run.id))["tool.linger"] == 0


AGENTS = '''
import os
import signal
from pathlib import Path
from perdure import Agent, function_tool
from perdure.testing import ScriptedModel, tool_call

CALLED = Path(__file__).with_name("called")


@function_tool(local=True)
def look() -> str:
    """Look, and die the first time."""
    first = not CALLED.exists()
    with CALLED.open("a") as file:
        file.write("looked\\n")
    if first:
        os.kill(os.getpid(), signal.SIGKILL)
    return "seen"

clerk = Agent(name="Clerk", model=ScriptedModel([tool_call("look", {}), "done"]), tools=[look])
'''


async def test_a_local_call_whose_worker_dies_is_made_again_by_another(tmp_path: Path) -> None:
    queue = f"test-{uuid.uuid4().hex[:8]}"
    async with worker(tmp_path, "agents", AGENTS, queue) as first:
        run = await Runner.start("Clerk", "go", task_queue=queue)
        assert await asyncio.wait_for(first.wait(), 30) == -signal.SIGKILL
        async with worker(tmp_path, "agents", AGENTS, queue):
            assert (await run.result()).final_output == "done"
    assert (tmp_path / "called").read_text().split() == ["looked"] * 2


def test_a_script_s_local_call_waits_while_no_loop_of_its_own_runs() -> None:
    """The process answers for its runs between two of its loops, and takes no steps."""
    begun = threading.Event()

    @function_tool(local=True)
    async def linger() -> str:
        """Take a second, or the rest of the loop's life."""
        begun.set()
        await asyncio.sleep(1.0)
        return "rested"

    agent = scripted(tool_call("linger", {}), "done", tools=[linger])
    run_id = f"between-{uuid.uuid4().hex[:8]}"

    async def leave() -> None:
        await Runner.start(agent, "go", run_id=run_id)
        await asyncio.to_thread(begun.wait)

    async def come_back() -> Any:
        return await Runner.run(agent, "go", run_id=run_id)

    asyncio.run(leave())
    time.sleep(2.0)
    assert outputs(asyncio.run(come_back())) == ["rested"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"needs_approval": True}, "once only"),
        ({"effect": "once"}, "once only"),
        ({"timeout": 61.0}, "at most 60 s"),
    ],
)
def test_what_must_not_be_repeated_or_takes_long_is_not_local(options: dict[str, Any], said: str) -> None:
    async def pay() -> str:
        """Pay."""
        return "paid"

    with pytest.raises(UserError, match=said):
        function_tool(pay, local=True, **options)


def test_an_agent_is_no_local_tool() -> None:
    tool = Agent(name="Inner", model=ScriptedModel(["done"])).as_tool("inner", "Ask it.")
    tool.local = True
    with pytest.raises(UserError, match="is an agent"):
        tool.__post_init__()


def test_where_a_tool_runs_is_no_part_of_its_fingerprint() -> None:
    def look() -> str:
        """Look."""
        return "seen"

    made = [snapshot(scripted(tools=[function_tool(look, local=local)]), RunConfig()) for local in (False, True)]
    elsewhere, here = (each.agents["Scripted"].tools[0] for each in made)
    assert (elsewhere.local, here.local) == (False, True)
    assert elsewhere.fingerprint == here.fingerprint
