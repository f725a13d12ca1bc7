"""`on_stream` of an agent as a tool: told what its agent says and does, in order, in the process that serves it."""

from __future__ import annotations

import asyncio
from typing import Any

import agents as sdk
import pytest

from perdure import Agent, AgentToolStreamEvent, Runner
from perdure.testing import ScriptedModel, tool_call
from tests.agents import add
from tests.workflows.test_steering import Halting, until

SUM = tool_call("add", {"a": 1, "b": 2})


def line(event: Any) -> str:
    if event.type == "raw_response_event":
        return event.data.type
    return event.name if event.type == "run_item_stream_event" else event.new_agent.name


class Listener:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[AgentToolStreamEvent] = []

    async def __call__(self, event: AgentToolStreamEvent) -> None:
        self.told.append(event)

    @property
    def lines(self) -> list[str]:
        return [line(each["event"]) for each in self.told]

    @property
    def in_short(self) -> list[str]:
        """Without what the model says in between."""
        return [each for each in self.lines if not each.startswith("response.")]


def outer(inner: Agent[Any], **options: Any) -> Agent[Any]:
    tool = inner.as_tool("ask", "Asks.", **options)
    return Agent(name="Outer", model=ScriptedModel([tool_call("ask", {"input": "one and two?"}), "bye"]), tools=[tool])


def inner(*answers: Any, **options: Any) -> Agent[Any]:
    return Agent(name="Inner", model=ScriptedModel(answers), **{"tools": [add], **options})


async def test_a_listener_is_told_all_events_with_the_agent_and_the_call() -> None:
    listener = Listener()
    result = await Runner.run(outer(inner(SUM, "three"), on_stream=listener), "go")
    assert result.final_output == "bye"
    assert listener.in_short == ["Inner", "tool_called", "tool_output", "message_output_created"]
    assert listener.lines.count("response.completed") == 2
    assert listener.lines.index("tool_called") > listener.lines.index("response.completed")
    assert {each["agent"].name for each in listener.told} == {"Inner"}
    assert {each["tool_call"].name for each in listener.told} == {"ask"}
    assert {each["tool_call"].arguments for each in listener.told} == {'{"input": "one and two?"}'}


async def test_the_events_are_those_of_the_agents_sdk_in_its_order() -> None:
    listener = Listener()
    await Runner.run(outer(inner(SUM, "three"), on_stream=listener), "go")
    assert listener.in_short == await _theirs()


async def _theirs() -> list[str]:
    """What the Agents SDK tells of the same conversation, but for what models say."""
    from openai.types.responses import Response, ResponseCompletedEvent, ResponseFunctionToolCall

    told: list[str] = []

    class Model(sdk.Model):
        def __init__(self, *answers: list[Any]) -> None:
            self.answers = list(answers)

        async def get_response(self, *args: Any, **options: Any) -> Any:
            return sdk.ModelResponse(output=self.answers.pop(0), usage=sdk.Usage(), response_id=None)

        async def stream_response(self, *args: Any, **options: Any) -> Any:
            response = Response.construct(
                id="r", created_at=0, model="m", object="response", output=self.answers.pop(0), usage=None
            )
            yield ResponseCompletedEvent.construct(type="response.completed", response=response, sequence_number=0)

    @sdk.function_tool
    def add(a: int, b: int) -> int:
        return a + b

    def call(name: str, arguments: str) -> Any:
        return ResponseFunctionToolCall(type="function_call", call_id=name, name=name, arguments=arguments)

    def message(text: str) -> Any:
        from openai.types.responses import ResponseOutputMessage, ResponseOutputText

        part = ResponseOutputText(type="output_text", text=text, annotations=[])
        return ResponseOutputMessage(id="m", type="message", role="assistant", status="completed", content=[part])

    model = Model([call("add", '{"a": 1, "b": 2}')], [message("three")])
    asked = sdk.Agent(name="Inner", model=model, tools=[add])
    tool = asked.as_tool("ask", "Asks.", on_stream=lambda each: told.append(line(each["event"])))
    both = Model([call("ask", '{"input": "one and two?"}')], [message("bye")])
    await sdk.Runner.run(sdk.Agent(name="Outer", model=both, tools=[tool]), "go")
    return [each for each in told if not each.startswith("response.")]


async def test_a_listener_that_raises_is_logged_and_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def raising(event: AgentToolStreamEvent) -> None:
        raise ValueError("nobody listens")

    result = await Runner.run(outer(inner("three"), on_stream=raising), "go")
    outputs = [item.output for item in result.new_items if item.type == "tool_call_output_item"]
    assert (result.final_output, outputs) == ("bye", ["three"])
    assert "on_stream raised ValueError: nobody listens" in caplog.text


async def test_who_watches_the_run_is_told_nothing_of_it() -> None:
    listener = Listener()
    streamed = Runner.run_streamed(outer(inner(SUM, "three"), on_stream=listener), "go")
    events = [line(event) async for event in streamed.stream_events()]
    assert [each for each in events if not each.startswith("response.")] == [
        *("Outer", "tool_called", "tool_output", "message_output_created"),
    ]
    assert len(listener.in_short) == 4


async def test_outputs_that_end_the_agent_s_run_are_told_too() -> None:
    listener = Listener()
    stopping = inner(SUM, tool_use_behavior="stop_on_first_tool")
    result = await Runner.run(outer(stopping, on_stream=listener), "go")
    assert listener.in_short == ["Inner", "tool_called", "tool_output"]
    outputs = [item.output for item in result.new_items if item.type == "tool_call_output_item"]
    assert outputs == ["3"]


async def test_a_handoff_is_told_and_who_took_over() -> None:
    listener = Listener()
    other = Agent(name="Other", model=ScriptedModel(["three"]))
    handing = inner(tool_call("transfer_to_other", {}), handoffs=[other], tools=[])
    await Runner.run(outer(handing, on_stream=listener), "go")
    assert listener.in_short == ["Inner", "handoff_requested", "handoff_occured", "Other", "message_output_created"]
    assert listener.told[-1]["agent"] is other


async def test_a_slow_listener_with_too_many_events_before_it_fails_the_agent_s_run() -> None:
    listening = asyncio.Event()

    async def slow(event: AgentToolStreamEvent) -> None:
        listening.set()
        await asyncio.sleep(0.2)

    class Patient(ScriptedModel):
        async def stream_response(self, *args: Any, **options: Any) -> Any:
            async for event in super().stream_response(*args, **options):
                await listening.wait()
                yield event

    agent = Agent(name="Inner", model=Patient(["one two three four"]))
    result = await Runner.run(outer(agent, on_stream=slow, on_stream_max_pending_events=2), "go")
    [output] = [item.output for item in result.new_items if item.type == "tool_call_output_item"]
    assert "events wait for on_stream of agent 'Inner', as many as on_stream_max_pending_events allows" in output


async def test_an_agent_to_whom_nobody_listens_is_asked_for_whole_answers() -> None:
    class Whole(ScriptedModel):
        async def stream_response(self, *args: Any, **options: Any) -> Any:
            raise AssertionError("nobody listens")
            yield

    agent = Agent(name="Inner", model=Whole(["three"]))
    assert (await Runner.run(outer(agent), "go")).final_output == "bye"


async def test_a_listener_hears_what_stays_of_an_answer_that_was_stopped() -> None:
    listener = Listener()
    model = Halting(["it costs five dollars"])
    run = await Runner.start(outer(Agent(name="Inner", model=model), on_stream=listener), "go")
    await model.halted.wait()
    await run.interrupt()
    await until(run, "interrupted")
    await run.resume()
    assert (await run.result()).final_output == "bye"
    assert listener.in_short == ["Inner", "message_output_created", "message_output_created"]
    said = [each["event"].item.data["status"] for each in listener.told if line(each["event"]).startswith("message")]
    assert said == ["incomplete", "completed"]


async def test_an_agent_that_is_asked_in_two_calls_is_heard_in_both() -> None:
    listener = Listener()
    tool = inner("three").as_tool("ask", "Asks.", on_stream=listener)
    calls = [tool_call("ask", {"input": "one"}), tool_call("ask", {"input": "two"})]
    await Runner.run(Agent(name="Outer", model=ScriptedModel([calls, "bye"]), tools=[tool]), "go")
    heard = {each["tool_call"].arguments for each in listener.told}
    assert heard == {'{"input": "one"}', '{"input": "two"}'}
