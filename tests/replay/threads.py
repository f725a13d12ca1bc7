"""Threads, to be kept: their messages, approvals, ends, new histories, and agents that change."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from typing import Any

from perdure import Agent, MaxTurnsExceeded, RunCancelled, RunConfig, Runner, Thread, handoff
from perdure.limits import MAX_LISTENERS
from perdure.testing import tool_call
from tests.agents import add, refund_call, scripted
from tests.end_to_end.redeploying import worker_with
from tests.workflows.threads import echo, handle_of, update

SHORT_HISTORIES = RunConfig(history_events=20)


async def thread_of_each_kind() -> list[str]:
    """Speaks in one thread of each kind; gives their ids, each of which says what it shows."""
    speaking = (
        _several_messages, _closed_with_messages_left, _an_approval, _a_decision_by_signal, _failures, _many_histories,
        _a_wait_over_histories, _other_agents, _a_handoff, _by_name, _cancelled, _spoken_to, _asked_too_often,
    )  # fmt: skip
    return [f"thread/{name}" for name in await asyncio.gather(*(speak() for speak in speaking))]


async def _several_messages() -> str:
    """Three, of which the second waits for the first; the last one is sent three times."""
    name = "of-several-messages"
    agent = scripted(tool_call("add", {"a": 1, "b": 2}), "three", "four", "five")
    first, second = [await Runner.start(agent, text, thread=name) for text in ("1 + 2?", "And 4?")]
    await asyncio.gather(first.result(), second.result())
    await asyncio.gather(*(Runner.run(agent, "5?", thread=name, message_id="m5") for _ in range(3)))
    return await _closed(name)


async def _closed_with_messages_left() -> str:
    name = "closed-with-messages-left"
    agent = scripted(refund_call(), "done", "and more")
    await Runner.run(agent, "refund", thread=name)
    behind = await Runner.start(agent, "then", thread=name)
    thread = await Runner.thread(name)
    await thread.close(by="ana")
    await thread.close()
    await thread.approve("1.0", by="ana")
    await behind.result()
    return name


async def _an_approval() -> str:
    """Decided through the state, with a standing decision, while another message waits."""
    name = "with-an-approval"
    agent = scripted(refund_call("7"), refund_call("8"), "done", refund_call("9"), "again", "last")
    paused = await Runner.run(agent, "refund", thread=name, context={"who": "ana"})
    behind = await Runner.start(agent, "then", thread=name)
    state = paused.to_state()
    state.approve(paused.interruptions[0], always_approve=True)
    await Runner.run(agent, state)
    thread = await Runner.thread(name)
    await behind.result_or_interruptions()
    [waiting] = await thread.approvals()
    await thread.reject(waiting, by="ana", reason="too much")
    await behind.result()
    await (await thread.message((await thread.send("more", message_id="m3")).sequence)).result()
    return await _closed(name)


async def _a_decision_by_signal() -> str:
    name = "decided-by-signal"
    agent = scripted([refund_call("7", call_id="one"), refund_call("8", call_id="two")], "done", "more")
    await Runner.run(agent, "refund", thread=name)
    handle = await handle_of(name)
    await handle.signal("approve", {"call_id": "9.9"})
    await handle.signal("approve", {"call_id": "1.0", "by": "ana"})
    await handle.signal("reject", {"call_id": "1.1", "by": "ana", "reason": "too much"})
    await Runner.run(agent, "then", thread=name)
    return await _closed(name)


async def _failures() -> str:
    """One fails at the limit of turns, one by its model; the third is answered."""
    name = "with-messages-that-fail"
    looks = [tool_call("add", {"a": 1, "b": 2})]
    agent = scripted(looks, looks, RuntimeError("the model is gone"), "at last")
    with contextlib.suppress(MaxTurnsExceeded):
        await Runner.run(agent, "add", thread=name, max_turns=2)
    with contextlib.suppress(Exception):
        await Runner.run(agent, "add", thread=name)
    await Runner.run(agent, "add", thread=name)
    return await _closed(name)


async def _many_histories() -> str:
    """Long in its messages, and in one message; who waits is told early that the thread goes on in a new history."""
    name, agent = "over-many-histories", echo()
    for number in range(12):
        await Runner.run(agent, f"{number} {'word ' * 300}", thread=name, run_config=SHORT_HISTORIES)
    calls = [tool_call("add", {"a": number, "b": number}) for number in range(12)]
    adding = scripted(*calls, "done", "and more", name="Adding")
    runs = [await Runner.start(adding, text, thread=name, max_turns=None) for text in ("go", "then")]
    await asyncio.gather(*(run.result() for run in runs))
    return await _closed(name)


async def _a_wait_over_histories() -> str:
    name = "with-a-wait-over-histories"
    calls = [tool_call("add", {"a": number, "b": 1}) for number in range(8)]
    agent = scripted(*calls, refund_call(), "done", "more")
    await Runner.run(agent, "go", thread=name, max_turns=99, run_config=SHORT_HISTORIES)
    behind = await Runner.start(agent, "then", thread=name)
    thread = await Runner.thread(name)
    await thread.approve("9.0", by="ana")
    await behind.result()
    return await _closed(name)


async def _other_agents() -> str:
    """The agent has another prompt, another tool and another name from message to message, and the context changes."""
    name = "whose-agents-change"
    first = scripted("one", name="Desk", instructions="Be kind.")
    adds = [tool_call("add", {"a": 1, "b": 2}), "two", "again"]
    second = scripted(*adds, name="Desk", instructions="Be brief.", tools=[add])
    third = scripted("three", name="Clerk")
    await Runner.run(first, "1", thread=name, context={"who": "ana"})
    await Runner.run(second, "2", thread=name)
    await Runner.run(second, "2", thread=name, message_id="again", max_turns=None)
    await Runner.run(third, "3", thread=name, context={"who": "bob"})
    return await _closed(name)


async def _a_handoff() -> str:
    """Who took over goes on; a filter takes items out that the thread keeps."""
    name = "with-a-handoff"
    billing = scripted("billing here", "still billing", name="Billing")
    edited = handoff(billing, input_filter=lambda data: data.clone(input_history=(), pre_handoff_items=()))
    desk = scripted("hello", tool_call("transfer_to_billing", {}), name="Desk", handoffs=[edited])
    for text in ("hi", "my bill", "and that one"):
        await Runner.run(desk, text, thread=name)
    return await _closed(name)


async def _by_name() -> str:
    """A worker takes the snapshot for each message, with an agent that is deployed anew between two."""
    name, queue = "of-an-agent-by-name", f"named-{uuid.uuid4().hex[:8]}"
    for instructions in ("Be kind.", "Be brief."):
        agent: Agent[Any] = echo(instructions=instructions)
        async with worker_with(queue, [agent]):
            for text in ("one", "two"):
                await (await Runner.start("Echo", text, thread=name, task_queue=queue)).result()
            if instructions == "Be brief.":
                await _closed(name)
    return name


async def _cancelled() -> str:
    name = "that-is-cancelled"
    agent = scripted(refund_call(), "done")
    await Runner.run(agent, "refund", thread=name)
    behind = await Runner.start(agent, "then", thread=name)
    await (await Runner.thread(name)).cancel()
    with contextlib.suppress(RunCancelled):
        await behind.result()
    return name


async def _spoken_to() -> str:
    """A message under way is paused and told something, while another one waits."""
    name = "that-is-spoken-to"
    agent = scripted(refund_call(), refund_call("8"), "done", "more")
    await Runner.run(agent, "refund", thread=name)
    behind = await Runner.start(agent, "then", thread=name)
    thread = await Runner.thread(name)
    await thread.pause(by="ana", reason="prices are wrong")
    first = await thread.message(1)
    await first.send("in euros", when="after_tool", message_id="s1")
    await thread.resume(by="ana")
    await first.result_or_interruptions()
    await thread.approve("2.0", by="ana")
    await behind.result()
    return await _closed(name)


async def _asked_too_often() -> str:
    """More wait for an outcome than may."""
    name = "that-is-asked-too-often"
    agent = scripted(refund_call(), "done", "later")
    await Runner.run(agent, "refund", thread=name)
    behind = await Runner.start(agent, "more", thread=name)
    handle = await handle_of(name)
    asked = [asyncio.ensure_future(update(handle, "outcome", {"sequence": 2})) for _ in range(MAX_LISTENERS + 2)]
    await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
    await (await Runner.thread(name)).approve("1.0")
    await asyncio.gather(behind.result(), *asked)
    return await _closed(name)


async def _closed(name: str) -> str:
    thread: Thread = await Runner.thread(name)
    await thread.close(by="ana")
    return name
