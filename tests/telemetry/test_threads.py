"""What of a thread a collector gets: each message is a run, and so a trace, of its own or of whoever sent it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from temporalio.client import WorkflowFailureError

from perdure import Agent, MaxTurnsExceeded, ModelBehaviorError, RunConfig, Runner
from perdure.client.host import Host
from perdure.telemetry import pipeline
from perdure.testing import ScriptedModel
from tests.agents import add, refund, refund_call
from tests.telemetry.collector import Collector
from tests.telemetry.test_traces import TEAM, executions, team
from tests.workflows.threads import echo, handle_of, new_name

tracer = TracerProvider().get_tracer("a program")


async def test_each_message_is_a_trace_of_its_own_and_the_thread_has_no_span(collector: Collector) -> None:
    name, agent = new_name(), echo()
    for said in ("a", "b"):
        await Runner.run(agent, said, thread=name)
    await (await Runner.thread(name)).close()
    pipeline.close()
    assert collector.tree() == ["invoke_agent Echo"] * 2 + ["invoke_agent Echo > chat EchoModel"] * 2
    first, second = collector.named("invoke_agent Echo")
    assert first.trace_id != second.trace_id
    assert [each.attributes["perdure.message.number"] for each in (first, second)] == [1, 2]
    assert [each.attributes["perdure.turns"] for each in (first, second)] == [1, 1]
    assert [each.attributes["gen_ai.usage.input_tokens"] for each in (first, second)] == [10, 10]
    assert {each.attributes["gen_ai.conversation.id"] for each in collector.spans} == {name}
    assert first.ended_ns <= second.began_ns


async def test_a_message_that_is_sent_in_a_trace_is_part_of_it(collector: Collector) -> None:
    name, agent = new_name(), echo()
    with tracer.start_as_current_span("first") as first:
        await Runner.run(agent, "a", thread=name)
    with tracer.start_as_current_span("second") as second:
        await Runner.run(agent, "b", thread=name, run_config=RunConfig(group_id="chat-1"))
    await Runner.run(agent, "c", thread=name, run_config=RunConfig(trace_id=f"trace_{'ab' * 16}"))
    thread = await Runner.thread(name)
    with tracer.start_as_current_span("fourth") as fourth:  # as a message that leaves all else as it was
        await (await thread.message((await thread.send("d")).sequence)).result()
    pipeline.close()
    runs = collector.named("invoke_agent Echo")
    above = [each.get_span_context() for each in (first, second, fourth)]
    named = [(f"{each.trace_id:032x}", f"{each.span_id:016x}") for each in above]
    named.insert(2, ("ab" * 16, ""))
    assert [(each.trace_id, each.parent_id) for each in runs] == named
    assert runs[1].attributes["gen_ai.conversation.id"] == "chat-1"


async def test_messages_that_wait_for_their_turn_keep_their_traces(collector: Collector) -> None:
    name = new_name()
    agent = Agent(name="Payer", model=ScriptedModel([refund_call(), "paid", "two", "three"]), tools=[refund])
    with tracer.start_as_current_span("one") as one:
        paused = await Runner.run(agent, "1", thread=name, run_config=RunConfig(history_events=20))
    sent: list[asyncio.Task[Any]] = []
    spans: list[Any] = [one]
    for said in ("2", "3"):
        with tracer.start_as_current_span(said) as span:
            spans.append(span)
            sent.append(asyncio.create_task(Runner.run(agent, said, thread=name)))
            while (await (await Runner.thread(name)).status()).thread.queued < len(sent):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    state = paused.to_state()
    state.approve(paused.interruptions[0])
    await Runner.run(agent, state)
    await asyncio.gather(*sent)
    pipeline.close()
    runs = sorted(collector.named("invoke_agent Payer"), key=lambda each: each.began_ns)
    assert [each.trace_id for each in runs] == [f"{each.get_span_context().trace_id:032x}" for each in spans]
    (approval,) = collector.named("approval refund")
    assert (approval.trace_id, approval.attributes["gen_ai.conversation.id"]) == (runs[0].trace_id, name)
    assert [each.attributes["perdure.requests"] for each in runs] == [2, 1, 1]


async def test_a_message_over_several_histories_is_one_trace_and_told_once(collector: Collector) -> None:
    name, agent = new_name(), team()
    config = RunConfig(history_events=20)
    paused = await Runner.run(agent, "hi", thread=name, run_config=config)
    state = paused.to_state()
    state.approve(paused.interruptions[0])
    assert (await Runner.run(agent, state)).final_output == "done"
    pipeline.close()
    assert await executions(f"thread/{name}") > 1
    assert [path for path in collector.tree() if not path.endswith("seal_transcript")] == sorted(TEAM)
    assert len({span.trace_id for span in collector.spans}) == 1
    (inner,) = collector.named("invoke_agent Inner")
    assert inner.attributes["perdure.requests"] == 2


async def test_a_message_that_fails_is_an_error_and_the_next_one_is_not(collector: Collector) -> None:
    name = new_name()
    agent = Agent(name="Payer", model=ScriptedModel([ModelBehaviorError("odd"), "well"]), tools=[add])
    with pytest.raises(ModelBehaviorError):
        await Runner.run(agent, "1", thread=name)
    await Runner.run(agent, "2", thread=name)
    pipeline.close()
    first, second = collector.named("invoke_agent Payer")
    assert (first.error, first.attributes["error.type"], second.error) == (True, "ModelBehaviorError", False)


async def test_a_message_that_ends_before_it_asks_a_model_is_told_too(collector: Collector) -> None:
    name, agent = new_name(), echo()
    with tracer.start_as_current_span("above") as above, pytest.raises(MaxTurnsExceeded):
        await Runner.run(agent, "1", thread=name, max_turns=0)
    await Runner.run(agent, "2", thread=name)
    pipeline.close()
    first, second = collector.named("invoke_agent Echo")
    assert (first.error, first.trace_id) == (True, f"{above.get_span_context().trace_id:032x}")
    assert (second.error, second.attributes["perdure.message.number"]) == (False, 2)


async def test_a_message_with_tracing_disabled_is_not_traced_and_others_are(collector: Collector) -> None:
    name, agent = new_name(), echo()
    with tracer.start_as_current_span("request"):
        await Runner.run(agent, "1", thread=name, run_config=RunConfig(tracing_disabled=True))
    await Runner.run(agent, "2", thread=name)
    pipeline.close()
    assert sorted(collector.tree()) == ["invoke_agent Echo", "invoke_agent Echo > chat EchoModel"]


async def test_a_thread_that_is_cancelled_tells_of_the_message_under_way(collector: Collector) -> None:
    name = new_name()
    agent = Agent(name="Payer", model=ScriptedModel([refund_call(), "done"]), tools=[refund])
    await Runner.run(agent, "1", thread=name)
    handle = await handle_of(name)
    await Host.current().call(handle.cancel())
    with pytest.raises(WorkflowFailureError):
        await Host.current().call(handle.result())
    pipeline.close()
    (message,) = collector.named("invoke_agent Payer")
    (approval,) = collector.named("approval refund")
    assert (message.error, message.attributes["error.type"]) == (True, "Cancelled")
    assert (approval.parent_id, approval.attributes["perdure.approval.decision"]) == (message.span_id, "abandoned")


async def test_a_thread_that_nobody_traces_has_nothing_of_traces_in_its_history() -> None:
    name = new_name()
    await Runner.run(echo(), "a", thread=name)
    history = (await Host.current().call((await handle_of(name)).fetch_history())).to_json()
    assert "_tracer-data" not in history
