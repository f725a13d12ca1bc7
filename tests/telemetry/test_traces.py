"""What of a run a collector gets: each span once, in its place, whatever is replayed and whoever goes on."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any

import pytest
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

from perdure import (
    Agent,
    GuardrailFunctionOutput,
    InputGuardrailTripwireTriggered,
    MaxTurnsExceeded,
    ModelTracing,
    RunConfig,
    Runner,
    SQLiteSession,
    UserError,
    function_tool,
    input_guardrail,
)
from perdure.client.host import Host
from perdure.prices import Price, set_prices
from perdure.telemetry import add_span_processor, pipeline
from perdure.testing import ScriptedModel, tool_call
from tests.agents import add, refund, refund_call, scripted
from tests.telemetry.collector import Collector, http_collector
from tests.workflows.test_steering import Halting

CANARY = "canary-4711"


def team() -> Agent[Any]:
    """Asks an agent as a tool, hands over to one that needs an approval."""
    inner = Agent(name="Inner", model=ScriptedModel([tool_call("add", {"a": 1, "b": 1}), "two"]), tools=[add])
    billing = Agent(name="Billing", model=ScriptedModel([refund_call(), "done"]), tools=[refund])
    answers = [tool_call("ask", {"input": "1+1"}), tool_call("transfer_to_billing", {})]
    tools = [inner.as_tool("ask", "Asks.")]
    return Agent(name="Triage", model=ScriptedModel(answers), tools=tools, handoffs=[billing])


TEAM = [
    "invoke_agent Triage",
    "invoke_agent Triage > approval refund",
    *["invoke_agent Triage > chat ScriptedModel"] * 4,
    "invoke_agent Triage > execute_tool ask",
    "invoke_agent Triage > execute_tool ask > invoke_agent Inner",
    *["invoke_agent Triage > execute_tool ask > invoke_agent Inner > chat ScriptedModel"] * 2,
    "invoke_agent Triage > execute_tool ask > invoke_agent Inner > execute_tool add",
    "invoke_agent Triage > execute_tool refund",
    "invoke_agent Triage > handoff Billing",
]


async def of_team(**config: Any) -> str:
    run = await Runner.start(team(), "hi", run_config=RunConfig(**config))
    paused = await run.result_or_interruptions()
    await run.approve(paused.interruptions[0], by="ana")
    assert (await run.result()).final_output == "done"
    pipeline.close()
    return run.id


async def executions(run_id: str) -> int:
    host = Host.current()

    async def count() -> int:
        client = (await host.connection()).client
        handle, found = client.get_workflow_handle(run_id), 1
        run = (await handle.describe()).raw_description.workflow_execution_info
        while (run_id_before := run.first_run_id) and run.execution.run_id != run_id_before and found < 2:
            found += 1
        return found

    return await host.call(count())


async def test_each_span_of_a_run_comes_once_and_in_its_place(collector: Collector) -> None:
    await of_team()
    assert collector.tree() == sorted(TEAM)
    assert len({span.span_id for span in collector.spans}) == len(TEAM)
    assert len({span.trace_id for span in collector.spans}) == 1
    assert {span.resource["service.name"] for span in collector.spans} == {"perdure"}


async def test_a_run_that_goes_on_in_new_histories_is_one_trace(collector: Collector) -> None:
    run_id = await of_team(history_events=20)
    assert await executions(run_id) > 1
    assert [path for path in collector.tree() if not path.endswith("seal_transcript")] == sorted(TEAM)
    assert len({span.trace_id for span in collector.spans}) == 1
    (run,) = collector.named("invoke_agent Triage")
    assert all(run.began_ns <= span.began_ns for span in collector.spans if span.name.startswith("approval"))


async def test_spans_travel_by_http_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    with http_collector() as collector:
        for name, value in collector.environment.items():
            monkeypatch.setenv(name, value)
        await of_team()
        assert collector.tree() == sorted(TEAM)


async def test_spans_tell_who_did_what_with_which_tokens(collector: Collector) -> None:
    run_id = await of_team(workflow_name="Refunds", group_id="chat-1", trace_metadata={"shop": 7, "tags": ["a"]})
    (run,) = collector.named("invoke_agent Triage")
    assert run.attributes == {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "Triage",
        "gen_ai.workflow.name": "Refunds",
        "gen_ai.conversation.id": "chat-1",
        "gen_ai.usage.input_tokens": 60,
        "gen_ai.usage.output_tokens": 30,
        "gen_ai.usage.cache_read.input_tokens": 0,
        "gen_ai.usage.reasoning.output_tokens": 0,
        "perdure.cost.unpriced": 6,
        "perdure.metadata.shop": 7,
        "perdure.metadata.tags": '["a"]',
        "perdure.requests": 6,
        "perdure.run.id": run_id,
        "perdure.turns": 4,
    }
    (inner,) = collector.named("invoke_agent Inner")
    assert inner.attributes["perdure.turns"] == 2
    assert (inner.attributes["perdure.requests"], inner.attributes["gen_ai.usage.input_tokens"]) == (2, 20)
    chat = min(collector.named("chat ScriptedModel"), key=lambda span: span.began_ns)
    assert chat.attributes["gen_ai.usage.input_tokens"] == 10
    assert chat.attributes["gen_ai.response.finish_reasons"] == ["tool_calls"]
    assert (chat.attributes["gen_ai.agent.name"], chat.attributes["perdure.attempt"]) == ("Triage", 1)
    (tool,) = collector.named("execute_tool refund")
    assert (tool.attributes["gen_ai.agent.name"], tool.attributes["perdure.call.id"]) == ("Billing", "3.0")
    (approval,) = collector.named("approval refund")
    assert approval.attributes["perdure.approval.decision"] == "approved"
    assert approval.attributes["perdure.approval.by"] == "ana"
    waited = (approval.ended_ns - approval.began_ns) / 1e9
    assert approval.attributes["perdure.approval.waited_seconds"] == pytest.approx(waited)
    assert {span.attributes["gen_ai.conversation.id"] for span in collector.spans} == {"chat-1"}
    assert {span.attributes["perdure.run.id"] for span in collector.spans} == {run_id}
    by = {span.name: span.attributes["gen_ai.agent.name"] for span in collector.spans}
    assert (by["execute_tool ask"], by["execute_tool add"], by["handoff Billing"]) == ("Triage", "Inner", "Triage")


async def test_spans_tell_what_answers_agents_and_runs_cost(collector: Collector) -> None:
    set_prices({"ScriptedModel": Price(input=500, output=1000)})
    try:
        await of_team(history_events=20)
    finally:
        set_prices(None)
    costs = {
        name: [each.attributes["perdure.cost.usd"] for each in collector.named(name)]
        for name in ("invoke_agent Triage", "invoke_agent Inner", "chat ScriptedModel")
    }
    assert costs == {"invoke_agent Triage": [0.06], "invoke_agent Inner": [0.02], "chat ScriptedModel": [0.01] * 6}
    assert not any("perdure.cost.unpriced" in each.attributes for each in collector.spans)


async def test_a_run_that_is_started_in_a_trace_is_part_of_it(collector: Collector) -> None:
    tracer = TracerProvider().get_tracer("a program")
    with tracer.start_as_current_span("request") as request:
        await Runner.run(scripted("hello"), "hi", run_config=RunConfig(trace_id="another"))
    pipeline.close()
    (run,) = collector.named("invoke_agent Scripted")
    above = request.get_span_context()
    assert (run.trace_id, run.parent_id) == (f"{above.trace_id:032x}", f"{above.span_id:016x}")


async def test_a_caller_whose_trace_is_not_recorded_gets_no_spans(collector: Collector) -> None:
    from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

    tracer = TracerProvider(sampler=ALWAYS_OFF).get_tracer("a program")
    with tracer.start_as_current_span("request"):
        await Runner.run(scripted("hello"), "hi")
    pipeline.close()
    assert collector.tree() == []


async def test_a_sampler_says_which_traces_are_recorded(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.5")
    for half in ("00", "ff"):  # a trace's id decides, wherever its spans are made
        await Runner.run(scripted("hello"), "hi", run_config=RunConfig(trace_id=f"trace_{half * 15}01"))
    pipeline.close()
    assert collector.tree() == ["invoke_agent Scripted", "invoke_agent Scripted > chat ScriptedModel"]


async def test_a_trace_id_of_the_settings_is_the_trace_s(collector: Collector) -> None:
    await Runner.run(scripted("hello"), "hi", run_config=RunConfig(trace_id=f"trace_{'ab' * 16}"))
    await Runner.run(scripted("hello"), "hi", run_config=RunConfig(trace_id="order 7"))
    await Runner.run(scripted("hello"), "hi", run_config=RunConfig(trace_id="order 7"))
    pipeline.close()
    first, second, third = collector.named("invoke_agent Scripted")
    assert first.trace_id == "ab" * 16
    assert second.trace_id == third.trace_id != first.trace_id
    assert second.attributes["perdure.trace.id"] == "order 7"


async def test_a_run_that_goes_on_from_another_s_state_is_part_of_its_trace(collector: Collector) -> None:
    agent, tracer = scripted("one", "two", "three", "four", "five"), TracerProvider().get_tracer("a program")
    with tracer.start_as_current_span("request") as request:
        run = await Runner.start(agent, "hi")
    first = await run.result()
    second = await Runner.run(agent, first.to_state())
    third = await (await run.fork(at=1)).result()
    with tracer.start_as_current_span("later") as later:
        fourth = await Runner.run(agent, second.to_state())
    fifth = await Runner.run(agent, second.to_state(), run_config=RunConfig(trace_id="order 7"))
    pipeline.close()
    runs = {each.attributes["perdure.run.id"]: each for each in collector.named("invoke_agent Scripted")}
    told = [runs[each.run_id] for each in (first, second, third, fourth, fifth)]
    caller, other = (f"{each.get_span_context().span_id:016x}" for each in (request, later))
    assert [each.parent_id for each in told] == [caller, told[0].span_id, told[0].span_id, other, ""]
    assert {each.trace_id for each in told[:3]} == {f"{request.get_span_context().trace_id:032x}"}
    assert told[4].attributes["perdure.trace.id"] == "order 7"
    assert [each.attributes["perdure.requests"] for each in told] == [1] * 5  # each its own


async def test_what_goes_on_from_a_run_in_many_histories_is_part_of_its_trace(collector: Collector) -> None:
    agent = scripted(*[tool_call("add", {"a": 1, "b": 1})] * 3, "done", "more")
    result = await Runner.run(agent, "hi", run_config=RunConfig(history_events=20))
    assert await executions(result.run_id) > 1
    await Runner.run(agent, result.to_state())
    pipeline.close()
    first, more = collector.named("invoke_agent Scripted")
    assert (more.trace_id, more.parent_id) == (first.trace_id, first.span_id)


async def history_of(run_id: str) -> str:
    host = Host.current()

    async def fetched() -> str:
        client = (await host.connection()).client
        return (await client.get_workflow_handle(run_id).fetch_history()).to_json()

    return await host.call(fetched())


async def test_nothing_of_traces_enters_the_history_of_a_run_that_is_not_traced() -> None:
    result = await Runner.run(scripted("hello"), "hi")
    assert "_tracer-data" not in await history_of(result.run_id)


async def test_a_run_with_tracing_disabled_is_not_traced(collector: Collector) -> None:
    with TracerProvider().get_tracer("a program").start_as_current_span("request"):
        result = await Runner.run(scripted("hello"), "hi", run_config=RunConfig(tracing_disabled=True))
    traced = await Runner.run(scripted("hello"), "hi")
    pipeline.close()
    assert "_tracer-data" not in await history_of(result.run_id)
    assert "_tracer-data" in await history_of(traced.run_id)
    assert collector.tree() == ["invoke_agent Scripted", "invoke_agent Scripted > chat ScriptedModel"]


async def test_otel_sdk_disabled_switches_all_of_it_off(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    pipeline.close()
    await Runner.run(scripted("hello"), "hi")
    pipeline.close()
    assert collector.tree() == []


@function_tool
def whisper(secret: str) -> str:
    """Tell a secret."""
    return f"heard {secret}"


@function_tool(failure_error_function=None)
def break_down() -> str:
    """Fail."""
    raise LookupError(f"nothing is known of {CANARY}")


async def test_what_was_said_does_not_leave_with_the_spans(collector: Collector) -> None:
    said = tool_call("whisper", {"secret": CANARY})
    agent = scripted(said, f"answer {CANARY}", tools=[whisper], instructions=f"know {CANARY}")
    await Runner.run(agent, f"question {CANARY}")
    with pytest.raises(UserError):
        await Runner.run(scripted(tool_call("break_down", {}), tools=[break_down]), f"question {CANARY}")
    pipeline.close()
    assert len(collector.spans) == 7
    assert CANARY not in repr(collector.spans)


async def test_what_was_said_is_told_where_that_is_asked_for(collector: Collector) -> None:
    said = tool_call("whisper", {"secret": CANARY})
    agent = scripted(said, "an answer", tools=[whisper], instructions="be quiet")
    await Runner.run(agent, "a question", run_config=RunConfig(trace_include_sensitive_data=True))
    pipeline.close()
    (tool,) = collector.named("execute_tool whisper")
    assert json.loads(tool.attributes["gen_ai.tool.call.arguments"]) == {"secret": CANARY}
    assert tool.attributes["gen_ai.tool.call.result"] == f"heard {CANARY}"
    chat = max(collector.named("chat ScriptedModel"), key=lambda span: span.began_ns)
    asked = json.loads(chat.attributes["gen_ai.input.messages"])
    assert [message["role"] for message in asked] == ["user", "assistant", "tool"]
    assert asked[0]["parts"] == [{"type": "text", "content": "a question"}]
    assert json.loads(chat.attributes["gen_ai.system_instructions"]) == [{"type": "text", "content": "be quiet"}]
    answer = json.loads(chat.attributes["gen_ai.output.messages"])
    assert answer == [{"role": "assistant", "parts": [{"type": "text", "content": "an answer"}]}]


@function_tool
def stumble() -> str:
    """Fail, and let the model know."""
    raise KeyError("lost")


async def test_errors_are_told_by_status_and_type(collector: Collector) -> None:
    with pytest.raises(UserError):
        await Runner.run(scripted(tool_call("break_down", {}), tools=[break_down]), "go")
    with pytest.raises(MaxTurnsExceeded):
        await Runner.run(scripted(tool_call("stumble", {}), "never", tools=[stumble]), "go", max_turns=1)
    pipeline.close()
    failed = sorted((span.name, span.attributes["error.type"]) for span in collector.spans if span.error)
    assert failed == [
        ("execute_tool break_down", "LookupError"),
        ("execute_tool stumble", "KeyError"),
        ("invoke_agent Scripted", "MaxTurnsExceeded"),
        ("invoke_agent Scripted", "UserError"),
    ]


class Flaky(ScriptedModel):
    """Fails once in a way that passes."""

    failed = False

    async def get_response(self, *args: Any, **kwargs: Any) -> Any:
        if not self.failed:
            self.failed = True
            raise ConnectionError("reset")
        return await super().get_response(*args, **kwargs)


async def test_each_attempt_of_a_model_call_is_a_span(collector: Collector) -> None:
    agent = Agent(name="Flaky", model=Flaky(["hello"]))
    await Runner.run(agent, "hi")
    pipeline.close()
    chats = sorted(collector.named("chat Flaky"), key=lambda span: span.attributes["perdure.attempt"])
    assert [(span.attributes["perdure.attempt"], span.error) for span in chats] == [(1, True), (2, False)]
    assert [name for span in chats for name in span.attributes if name.startswith("gen_ai.usage.input")] == [
        "gen_ai.usage.input_tokens"
    ]


class Telling(ScriptedModel):
    """Keeps what it is told of tracing."""

    def __init__(self) -> None:
        super().__init__(["hello"] * 3)
        self.told: list[ModelTracing] = []

    async def get_response(self, *args: Any, **kwargs: Any) -> Any:
        self.told += [each for each in args if isinstance(each, ModelTracing)]
        return await super().get_response(*args, **kwargs)


async def test_a_model_of_one_s_own_is_told_whether_it_is_traced(collector: Collector) -> None:
    model = Telling()
    for config in (RunConfig(), RunConfig(trace_include_sensitive_data=True), RunConfig(tracing_disabled=True)):
        await Runner.run(Agent(name="Agent", model=model), "hi", run_config=config)
    assert model.told == [ModelTracing.ENABLED_WITHOUT_DATA, ModelTracing.ENABLED, ModelTracing.DISABLED]


@input_guardrail(run_in_parallel=False)
async def strict(context: Any, agent: Any, given: Any) -> GuardrailFunctionOutput:
    return GuardrailFunctionOutput(output_info="no", tripwire_triggered=True)


async def test_guardrails_and_sessions_have_spans(collector: Collector, tmp_path: Any) -> None:
    session = SQLiteSession("ana", str(tmp_path / "sessions.db"))
    await Runner.run(scripted("hello"), "hi", session=session)
    with pytest.raises(InputGuardrailTripwireTriggered):
        await Runner.run(scripted("hello", input_guardrails=[strict]), "hi")
    pipeline.close()
    assert [path for path in collector.tree() if not path.endswith("Model")] == [
        *["invoke_agent Scripted"] * 2,
        "invoke_agent Scripted > guardrail strict",
        "invoke_agent Scripted > session read",
        *["invoke_agent Scripted > session write"] * len(collector.named("session write")),
    ]
    (checked,) = collector.named("guardrail strict")
    assert checked.attributes["perdure.guardrail.outcome"] == "raise"
    assert {span.attributes["gen_ai.conversation.id"] for span in collector.named("session read")} == {"ana"}


async def test_a_rejected_and_an_expired_approval_say_so(collector: Collector) -> None:
    run = await Runner.start(scripted(refund_call(), "ok"), "go")
    await run.result_or_interruptions()
    await run.reject("1.0", by="bob", reason=CANARY)
    await run.result()
    late = await Runner.start(scripted(refund_call(), "ok"), "go", run_config=RunConfig(approval_timeout_seconds=0.5))
    await late.result()
    pipeline.close()
    told = [span.attributes for span in collector.named("approval refund")]
    assert [each["perdure.approval.decision"] for each in told] == ["rejected", "rejected"]
    assert [each.get("perdure.approval.by") for each in told] == ["bob", None]
    assert CANARY not in repr(told)


async def test_a_cancelled_run_has_its_span(collector: Collector) -> None:
    run = await Runner.start(scripted(refund_call(), "ok"), "go")
    await run.result_or_interruptions()
    await run.cancel()
    with pytest.raises(Exception, match="cancel"):
        await run.result()
    pipeline.close()
    (ended,) = collector.named("invoke_agent Scripted")
    assert ended.attributes["error.type"] == "Cancelled"
    assert [span.attributes["perdure.approval.decision"] for span in collector.named("approval refund")] == [
        "abandoned"
    ]


class Failing(SpanProcessor):
    """Raises wherever it can."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def on_end(self, span: Any) -> None:
        self.heard.append(span.name)
        raise RuntimeError("broken")


async def test_a_processor_of_one_s_own_hears_of_spans_and_harms_no_run() -> None:
    processor = Failing()
    add_span_processor(processor)
    try:
        assert (await Runner.run(scripted("hello"), "hi")).final_output == "hello"
        pipeline.close()
        assert sorted(processor.heard) == ["chat ScriptedModel", "invoke_agent Scripted"]
    finally:
        pipeline._added.remove(processor)


async def test_a_span_of_the_program_s_own_in_a_tool_is_part_of_the_tool_s(collector: Collector) -> None:
    seen: list[Any] = []

    @function_tool
    async def traced() -> str:
        """Look at the trace."""
        from opentelemetry import trace

        await asyncio.sleep(0)
        seen.append(trace.get_current_span().get_span_context())
        return uuid.uuid4().hex

    await Runner.run(scripted(tool_call("traced", {}), "done", tools=[traced]), "go")
    pipeline.close()
    (tool,) = collector.named("execute_tool traced")
    assert [f"{each.span_id:016x}" for each in seen] == [tool.span_id]


@function_tool
def spell() -> str:
    """Say half of a pair."""
    raise type("Odd\ud83d", (Exception,), {})("half \ud83d")


async def test_what_no_collector_can_be_sent_is_told_in_other_words(collector: Collector) -> None:
    given = {"big": 10**30, "none": None, "flag": True}
    config = RunConfig(trace_metadata=given, trace_include_sensitive_data=True)
    agent = scripted(tool_call("spell", {}), "half a pair \ud83d", tools=[spell])
    await Runner.run(agent, "hi \ud83d", run_config=config)
    pipeline.close()
    (run,) = [span for span in collector.spans if not span.parent_id]
    assert (run.attributes["perdure.metadata.big"], run.attributes["perdure.metadata.flag"]) == (2**63 - 1, True)
    assert len(collector.spans) == 4


async def test_a_header_that_anybody_may_write_harms_no_run(collector: Collector) -> None:
    from temporalio.client import Client, Interceptor, OutboundInterceptor, StartWorkflowInput

    from perdure.contracts.converter import data_converter
    from perdure.contracts.run import RunInput
    from perdure.telemetry.links import HEADER, written

    told: dict[str, Any] = {}

    class Telling(OutboundInterceptor):
        async def start_workflow(self, input: StartWorkflowInput) -> Any:
            input.headers = {**input.headers, HEADER: written(told)}
            return await super().start_workflow(input)

    class Told(Interceptor):
        def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
            return Telling(next)

    link = f"00-{'1' * 32}-{'2' * 16}-01"
    lies = [
        {"traceparent": 7, "perdure_parent": [], "perdure_began": []},
        {"traceparent": link, "perdure_parent": "x", "perdure_began": {"": 10**30, "1.0": "x"}},
    ]
    host, runs = Host.current(), [await Runner.start(scripted("unused"), "hi") for _ in lies]
    connection = await host.call(host.connection())
    for run, lie in zip(runs, lies, strict=True):
        await run.result()
        told = lie
        value = RunInput(agent="Nobody", input=[])
        queue = await host.call(host.own_queue())

        async def start(value: RunInput = value, queue: str = queue) -> Any:
            client = await Client.connect(connection.address, data_converter=data_converter, interceptors=[Told()])
            handle = await client.start_workflow("AgentRun", value, id=f"lie-{uuid.uuid4().hex}", task_queue=queue)
            return await handle.result()

        with pytest.raises(Exception, match="failed"):
            await host.call(start())
    pipeline.close()
    lied = collector.named("invoke_agent Nobody")
    assert [span.error for span in lied] == [True, True]
    assert [span.parent_id for span in lied] == ["", ""]


async def test_a_model_that_was_stopped_has_no_error(collector: Collector) -> None:
    model = Halting(["never said", "said instead"])
    run = await Runner.start(Agent(name="Agent", model=model), "hi")
    await model.halted.wait()
    await run.interrupt("something else", by="ana")
    await run.result()
    pipeline.close()
    first, second = sorted(collector.named("chat Halting"), key=lambda span: span.began_ns)
    assert (first.attributes["gen_ai.response.finish_reasons"], first.error) == (["stopped"], False)
    assert second.attributes["gen_ai.response.finish_reasons"] == ["stop"]
