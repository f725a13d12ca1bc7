"""Runs under way that are spoken to, to be kept: paused, interrupted, told something, stopped."""

from __future__ import annotations

import asyncio

from perdure import Agent, Run, RunConfig, Runner, function_tool
from perdure.testing import tool_call
from tests.agents import refund_call, scripted
from tests.workflows.test_steering import Halting, Tools, signal, until


async def steered() -> list[str]:
    """Speaks to one run of each kind; gives their ids, each of which says what it shows."""
    speaking = (
        _interrupted_and_told, _interrupted_while_watched, _interrupted_by_signal_and_stopped, _told_now,
        _interrupted_in_a_tool, _paused_and_told, _paused_in_new_histories, _an_agent_as_a_tool_that_is_left, _stopped,
    )  # fmt: skip
    return [run.id for run in await asyncio.gather(*(speak() for speak in speaking))]


@function_tool
def look(at: str) -> str:
    """Look."""
    return f"seen {at}"


async def _interrupted_and_told() -> Run:
    run = await _halted("interrupted-and-told")
    await run.interrupt(by="ana")
    await run.send("in euros")
    return await _ended(run)


async def _interrupted_while_watched() -> Run:
    """What was said until then stays."""
    model = Halting(["it costs five dollars"])
    streamed = Runner.run_streamed(Agent(name="A", model=model), "how much?", run_id="interrupted-while-watched")

    async def watch() -> None:
        async for _ in streamed.stream_events():
            pass

    watching = asyncio.create_task(watch())
    await model.halted.wait()
    run = await Runner.get("interrupted-while-watched")
    await run.interrupt(by="ana")
    await until(run, "interrupted")
    await run.send("in euros, please", by="ana")
    await watching
    return run


async def _interrupted_by_signal_and_stopped() -> Run:
    run = await _halted("interrupted-by-signal-and-stopped")
    await signal(run, "interrupt", {"by": "ana"})
    await until(run, "interrupted")
    await run.stop()
    return await _ended(run)


async def _told_now() -> Run:
    run = await _halted("told-now")
    await run.interrupt("use euros", by="ana")
    return await _ended(run)


async def _interrupted_in_a_tool() -> Run:
    """The tool ends; the call that has not begun is not made."""
    tools = Tools()
    agent = scripted([tool_call("work", {}), refund_call()], "done")
    agent.tools = [*agent.tools, tools.work]
    run = await Runner.start(agent, "please", run_id="interrupted-in-a-tool")
    await tools.began.wait()
    await run.interrupt()
    tools.go.set()
    await until(run, "waiting for approval")
    await run.send("never mind", when="next_turn")
    return await _ended(run)


async def _paused_and_told() -> Run:
    agent = scripted([tool_call("look", {"at": "price"}), refund_call()], refund_call("8"), "done")
    agent.tools = [*agent.tools, look]
    run = await Runner.start(agent, "please", run_id="paused-and-told")
    await run.result_or_interruptions()
    await run.pause(by="ana")
    await run.send("never mind", when="after_tool")
    await signal(run, "resume", {"by": "ana"})
    await run.result_or_interruptions()
    await run.send("really", when="now")
    return await _ended(run)


async def _paused_in_new_histories() -> Run:
    calls = [tool_call("look", {"at": str(number)}) for number in range(4)]
    agent = scripted(*calls, refund_call(), "done")
    agent.tools = [*agent.tools, look]
    config = RunConfig(history_events=20)
    run = await Runner.start(agent, "please", run_id="paused-in-new-histories", max_turns=None, run_config=config)
    await run.result_or_interruptions()
    await signal(run, "pause", {"by": "ana", "reason": "prices are wrong"})
    await run.approve("5.0")
    for number in range(12):
        await run.send("wait", message_id=f"m{number}")
    await run.resume()
    return await _ended(run)


async def _an_agent_as_a_tool_that_is_left() -> Run:
    inner = scripted(refund_call(), "never asked", name="Inner")
    agent = scripted(tool_call("ask", {"input": "refund"}), "done", tools=[inner.as_tool("ask", "Ask.")])
    run = await Runner.start(agent, "please", run_id="an-agent-as-a-tool-that-is-left")
    await run.result_or_interruptions()
    await run.send("never mind", when="after_tool")
    return await _ended(run)


async def _stopped() -> Run:
    agent = scripted(refund_call(), "never asked")
    run = await Runner.start(agent, "please", run_id="stopped-after-its-turn")
    await run.result_or_interruptions()
    await run.stop()
    await run.approve("1.0")
    return await _ended(run)


async def _halted(run_id: str) -> Run:
    """A run whose model says nothing when it is asked for the first time."""
    model = Halting(["five dollars"])
    run = await Runner.start(Agent(name="A", model=model), "how much?", run_id=run_id)
    await model.halted.wait()
    return run


async def _ended(run: Run) -> Run:
    await run.result()
    return run
