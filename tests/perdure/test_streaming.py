"""Runs that are watched by the program that started them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from perdure import Agent, Model, ModelBehaviorError, ModelResponse, RunCancelled, Runner, RunResultStreaming, UserError
from perdure.client.host import Host
from perdure.testing import ScriptedModel, tool_call
from perdure.testing.scripted_stream import stream_of
from perdure.usage import Usage
from tests.agents import add, refund_call, scripted

SUM = tool_call("add", {"a": 1, "b": 2})


async def lines(result: RunResultStreaming) -> list[str]:
    """The events of a run in short."""
    return [line(event) async for event in result.stream_events()]


def line(event: Any) -> str:
    if event.type == "raw_response_event":
        return event.data.type.removeprefix("response.")
    return event.name if event.type == "run_item_stream_event" else event.new_agent.name


def texts(events: list[Any]) -> dict[int, str]:
    """What each attempt said."""
    said: dict[int, str] = {}
    for event in events:
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
            said[event.attempt] = said.get(event.attempt, "") + event.data.delta
    return said


class Stumbling(ScriptedModel):
    """Breaks off its first stream in the middle, by an error or without one."""

    def __init__(self, error: Exception | None) -> None:
        super().__init__(["one two three"])
        self._error = error
        self._is_broken = False

    async def stream_response(self, *args: Any, **options: Any) -> AsyncGenerator[Any]:
        async for event in super().stream_response(*args, **options):
            yield event
            if event.type == "response.output_text.delta" and not self._is_broken:
                self._is_broken = True
                if self._error is not None:
                    raise self._error
                return


class Whole(ScriptedModel):
    """Does not stream; the script's own `stream_response` is not called."""

    stream_response = Model.stream_response


class Counting(ScriptedModel):
    """Counts how it is asked."""

    streams = 0

    async def stream_response(self, *args: Any, **options: Any) -> AsyncGenerator[Any]:
        self.streams += 1
        async for event in super().stream_response(*args, **options):
            yield event


async def kinds_of(run_id: str) -> list[int]:
    """The kinds of the events in a run's history."""
    host = Host.current()

    async def kinds() -> list[int]:
        handle = (await host.connection()).client.get_workflow_handle(run_id)
        return [event.event_type async for event in handle.fetch_history_events()]

    return await host.call(kinds())


async def test_a_run_is_told_as_it_goes_on() -> None:
    result = Runner.run_streamed(scripted(SUM, "it is three"), "go")
    assert (result.is_complete, result.current_turn, result.final_output) == (False, 0, None)
    answer = ["created", "output_item.added"]
    called = [*answer, "function_call_arguments.delta", "function_call_arguments.done", "output_item.done", "completed"]
    words = ["content_part.added", *["output_text.delta"] * 3, "output_text.done", "content_part.done"]
    assert await lines(result) == [
        "Scripted", *called, "tool_called", "tool_output", *answer, *words, "output_item.done", "completed",
        "message_output_created",
    ]  # fmt: skip
    assert (result.is_complete, result.current_turn, result.final_output) == (True, 2, "it is three")


async def test_what_a_model_streamed_is_what_the_transcript_says() -> None:
    result = Runner.run_streamed(scripted("one two three"), "go")
    events = [event async for event in result.stream_events()]
    assert texts(events) == {1: result.final_output}


@pytest.mark.parametrize("error", [ConnectionError("lost"), None], ids=["by an error", "silently"])
async def test_an_attempt_that_broke_off_is_followed_by_another_and_is_no_answer(error: Exception | None) -> None:
    result = Runner.run_streamed(Agent(name="A", model=Stumbling(error)), "go")
    events = [event async for event in result.stream_events()]
    assert texts(events) == {1: "one", 2: "one two three"}
    begun = [event.attempt for event in events if line(event) == "created"]
    assert begun == [1, 2]
    assert [item.type for item in result.new_items] == ["message_output_item"]


async def test_a_model_that_does_not_stream_is_asked_for_a_whole_answer() -> None:
    assert await lines(Runner.run_streamed(Agent(name="A", model=Whole(["x"])), "go")) == [
        "A",
        "message_output_created",
    ]


async def test_nothing_of_a_run_that_nobody_watches_changes() -> None:
    model = Counting([SUM, "three"])
    result = await Runner.run(Agent(name="A", model=model, tools=[add]), "go")
    assert model.streams == 0
    watched = Runner.run_streamed(Agent(name="A", model=Counting([SUM, "three"]), tools=[add]), "go")
    await lines(watched)
    assert await kinds_of(watched.run_id) == await kinds_of(result.run_id)


async def test_a_reader_that_is_cancelled_does_not_stop_the_run() -> None:
    result = Runner.run_streamed(scripted(SUM, "it is three"), "go")
    reading = asyncio.create_task(lines(result))
    await asyncio.sleep(0)
    reading.cancel()
    await result.run_loop_task
    assert result.final_output == "it is three"


async def test_a_run_that_is_attached_to_is_told_from_its_beginning() -> None:
    first = Runner.run_streamed(scripted(SUM, "it is three"), "go", run_id="streamed-twice")
    told = [each for each in await lines(first) if "_" in each and "." not in each]
    again = Runner.run_streamed(scripted(SUM, "it is three"), "go", run_id="streamed-twice")
    assert await lines(again) == ["Scripted", *told]
    assert again.final_output == "it is three"


async def test_a_run_that_is_cancelled_is_cancelled_for_all() -> None:
    result = Runner.run_streamed(scripted(refund_call(), "never"), "go", run_id="streamed-and-cancelled")
    async for event in result.stream_events():
        if line(event) == "tool_called":
            result.cancel()
    with pytest.raises(RunCancelled):
        await (await Runner.get("streamed-and-cancelled")).result()
    assert (result.is_complete, result.final_output) == (True, None)
    with pytest.raises(UserError, match="has no state to go on from"):
        result.to_state()


async def test_who_cancels_before_the_run_has_started_watches_it_no_more() -> None:
    result = Runner.run_streamed(scripted("it is three"), "go", run_id="cancelled-at-once")
    result.cancel()
    await result.run_loop_task
    assert [event async for event in result.stream_events()] == []
    assert not Host.current().events.is_watched_here("cancelled-at-once")


async def test_another_way_to_cancel_is_refused() -> None:
    result = Runner.run_streamed(scripted("x"), "go")
    with pytest.raises(ValueError, match="'later'"):
        result.cancel("later")  # pyright: ignore[reportArgumentType]  what is tested
    await result.run_loop_task


async def test_what_cannot_work_is_refused_before_anything_starts() -> None:
    with pytest.raises(UserError, match="max_turns is -1"):
        Runner.run_streamed(scripted("x"), "go", max_turns=-1)


async def test_an_error_comes_after_all_events_and_again_for_who_reads_again() -> None:
    result = Runner.run_streamed(scripted(tool_call("nothing", {})), "go")
    for _ in range(2):
        with pytest.raises(ModelBehaviorError, match="nothing"):
            await lines(result)
    assert isinstance(result.run_loop_exception, ModelBehaviorError)


async def test_a_run_that_was_stopped_elsewhere_ends_the_stream() -> None:
    first = Runner.run_streamed(scripted(refund_call(), "never"), "go", run_id="streamed-and-stopped")
    await lines(first)
    run = await Runner.get("streamed-and-stopped")
    await run.stop()
    [approval] = await run.approvals()
    await run.approve(approval)
    result = await run.result()
    assert (result.final_output, len(result.new_items)) == (None, 2)
    assert (await Runner.run(scripted(refund_call(), "gone on"), result.to_state())).final_output == "gone on"


async def test_events_from_elsewhere_are_those_of_the_stream() -> None:
    streamed = Runner.run_streamed(scripted(SUM, "it is three"), "go", run_id="streamed-and-watched")
    told = [each for each in await lines(streamed) if "." not in each and each not in ("created", "completed")]
    run = await Runner.get("streamed-and-watched")
    events = [event async for event in run.events()]
    assert [line(each.event) for each in events] == told
    for place, seen in enumerate(events):
        assert [each.offset async for each in run.events(after=seen.offset)] == [
            each.offset for each in events[place + 1 :]
        ]


@pytest.mark.parametrize("offset", ["7.1", "1.9", "2.2", "0.1"])
async def test_an_offset_that_never_was_is_refused(offset: str) -> None:
    await Runner.run(scripted(SUM, "it is three"), "go", run_id="with-few-events")
    run = await Runner.get("with-few-events")
    with pytest.raises(UserError, match=r"No event of run 'with-few-events' has the offset"):
        await anext(run.events(after=offset))


async def test_events_of_a_run_under_way_come_as_they_happen() -> None:
    run = await Runner.start(scripted(refund_call(), "done"), "go")
    events = run.events()
    assert [line((await anext(events)).event) for _ in range(2)] == ["Scripted", "tool_called"]
    await run.approve((await run.approvals())[0])
    assert [line(each.event) async for each in events] == ["tool_output", "message_output_created"]


def test_a_model_response_is_what_a_script_streams() -> None:

    items = [
        {"type": "message", "id": "m", "role": "assistant", "content": [{"type": "output_text", "text": " a  b "}]}
    ]
    events = list(stream_of(ModelResponse(items, Usage.of_request(1, 1), "resp_1")))
    assert "".join(event.delta for event in events if event.type.endswith("delta")) == " a  b "
    assert events[-1].response.output[0].content[0].text == " a  b "
