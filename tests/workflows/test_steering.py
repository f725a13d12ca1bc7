"""Runs that are paused, interrupted and told something at once, on a real server: by update, by signal, by `Run`."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError

from perdure import Agent, MessageOutputItem, Run, RunConfig, Runner, RunResultStreaming, UserError, function_tool
from perdure.client.host import Host
from perdure.testing import ScriptedModel, tool_call
from tests.agents import refund_call, scripted
from tests.workflows.test_long_runs import executions_of
from tests.workflows.test_messages import raw


class Halting(ScriptedModel):
    """Says the first words of its first answer, and no more; asked again it says all."""

    def __init__(self, answers: list[Any], words: int = 2) -> None:
        super().__init__(answers)
        self.halted = asyncio.Event()
        self._words = words
        self._is_first = True

    async def get_response(self, *args: Any, **options: Any) -> Any:
        if self._is_first:
            await self._halt()
        return await super().get_response(*args, **options)

    async def stream_response(self, *args: Any, **options: Any) -> AsyncGenerator[Any]:
        halts, words, self._is_first = self._is_first, 0, False
        async for event in super().stream_response(*args, **options):
            yield event
            words += event.type == "response.output_text.delta"
            if halts and words == self._words:
                await self._halt()

    async def _halt(self) -> None:
        self._is_first = False
        self.halted.set()
        await asyncio.Event().wait()


class Tools:
    """A tool that runs until it is let go."""

    def __init__(self) -> None:
        self.began, self.go = asyncio.Event(), asyncio.Event()
        self.calls = 0

    @property
    def work(self) -> Any:
        @function_tool
        async def work() -> str:
            """Work."""
            self.calls += 1
            self.began.set()
            await self.go.wait()
            return "worked"

        return work


async def handle_of(run: Run) -> WorkflowHandle[Any, Any]:
    client = (await Host.current().call(Host.current().connection())).client
    return client.get_workflow_handle(run.id)


async def update(run: Run, name: str, *values: Any) -> Any:
    handle = await handle_of(run)
    return await Host.current().call(handle.execute_update(name, args=list(values)))


async def signal(run: Run, name: str, *values: Any) -> None:
    handle = await handle_of(run)
    await Host.current().call(handle.signal(name, args=list(values)))


async def details(run: Run) -> str:
    handle = await handle_of(run)
    return (await Host.current().call(handle.query("__temporal_workflow_metadata"))).current_details


async def until(run: Run, phase: str) -> None:
    while (await run.status()).phase != phase:  # noqa: ASYNC110  a query wakes nobody
        await asyncio.sleep(0.05)


async def kinds(run: Run) -> list[str]:
    return [entry.kind for entry in await run.transcript()]


async def waiting_run(**options: Any) -> Run:
    run = await Runner.start(scripted(refund_call(), "done"), "please", **options)
    assert (await run.result_or_interruptions()).interruptions
    return run


async def test_a_paused_run_takes_decisions_and_goes_on_once_it_is_resumed() -> None:
    run = await waiting_run()
    assert (await run.pause(by="ana", reason="prices are wrong")).verdict == "accepted"
    status = await run.status()
    assert status.paused is not None
    assert (status.phase, status.paused.by, status.paused.reason) == ("waiting for approval", "ana", "prices are wrong")
    await run.approve("1.0")
    await until(run, "paused")
    assert "paused by ana at " in (await run.status()).why
    shown = await details(run)
    assert "### Paused by ana at " in shown
    assert "signal `resume`" in shown
    assert (await run.resume()).verdict == "accepted"
    assert (await run.result()).final_output == "done"


async def test_what_the_temporal_ui_sends_pauses_interrupts_and_resumes() -> None:
    run = await waiting_run()
    assert (await update(run, "pause", {"by": "ana"}))["verdict"] == "accepted"
    assert (await update(run, "pause", {"by": "ben"}))["explanation"] == "The run was paused already by ana."
    assert (await update(run, "interrupt", {}))["verdict"] == "accepted"
    status = await run.status()
    assert status.paused is not None
    assert status.interrupted is not None
    assert (await update(run, "resume", {"by": "ana"}))["verdict"] == "accepted"
    await signal(run, "pause", {"by": "ana"})
    await signal(run, "pause", {"by": "ben"})
    await signal(run, "pause", "now!")
    status = await run.status()
    assert status.paused is not None
    assert status.paused.by == "ana"
    assert len(status.ignored) == 2
    assert "pause by 'ben': repeated" in status.ignored[0]
    await signal(run, "resume", {})
    await run.reject("1.0")
    assert (await run.result()).final_output == "done"


async def test_the_temporal_ui_says_what_each_of_them_takes() -> None:
    run = await waiting_run()
    handle = await handle_of(run)
    told = (await Host.current().call(handle.query("__temporal_workflow_metadata"))).definition
    for definitions, names in (
        (told.signal_definitions, ("pause", "interrupt", "resume")),
        (told.update_definitions, ("pause", "interrupt", "resume", "send", "stop")),
    ):
        described = {each.name: each.description for each in definitions}
        assert all('"by": "you"' in described[name] for name in names)
    await run.reject("1.0")
    await run.result()


async def test_what_waits_is_shown_with_how_soon_it_is_to_be_heard() -> None:
    tools = Tools()
    agent = scripted(tool_call("work", {}), "done")
    agent.tools = [*agent.tools, tools.work]
    run = await Runner.start(agent, "please")
    await tools.began.wait()
    await run.send("in euros", when="after_tool", by="ana")
    assert [each.when for each in (await run.status()).inputs] == ["after_tool"]
    assert "- ana (after tool): in euros" in await details(run)
    tools.go.set()
    assert (await run.result()).final_output == "done"
    assert await kinds(run) == ["input", "answer", "output", "added", "answer"]


MALFORMED: dict[str, tuple[list[Any], str]] = {
    "no value": ([], "expected one JSON object"),
    "a text": (["please"], "should be a valid dictionary"),
    "an unknown field": ([{"by": "ana", "until": "noon"}], "until: Extra inputs"),
    "a long name": ([{"by": "x" * 300}], "by: "),
    "a long reason": ([{"reason": "x" * 2000}], "reason: "),
    "a number": ([{"by": 7}], "by: "),
    "half a surrogate": ([raw(b'{"by": "\\ud83d"}')], "cannot be read as JSON"),
}


@pytest.mark.parametrize("name", ["pause", "interrupt", "resume"])
async def test_a_malformed_word_is_an_error_to_its_sender_and_not_in_the_history(name: str) -> None:
    run = await waiting_run()
    host, handle = Host.current(), await handle_of(run)
    before = (await host.call(handle.describe())).history_length
    for values, text in MALFORMED.values():
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await update(run, name, *values)
        assert text in str(refused.value.cause)
    assert (await host.call(handle.describe())).history_length == before
    await run.approve("1.0")
    assert (await run.result()).final_output == "done"


async def test_when_is_one_of_three_words() -> None:
    run = await waiting_run()
    with pytest.raises(UserError, match='when=\'soon\' is none of "now", "after_tool" and "next_turn"'):
        await run.send("more", when="soon")  # pyright: ignore[reportArgumentType]
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await update(run, "send", {"message_id": "m", "input": "more", "when": "soon"})
    assert "when: " in str(refused.value.cause)
    with pytest.raises(UserError, match="This cannot be said to a run: by: "):
        await run.pause(by="x" * 300)
    with pytest.raises(UserError, match="This cannot be said to a run: withdraw: "):
        await run.stop(withdraw="no")  # pyright: ignore[reportArgumentType]
    with pytest.raises(UserError, match="The input is of type int"):
        await run.send(7)  # pyright: ignore[reportArgumentType]
    await run.approve("1.0")
    await run.result()


async def test_a_run_that_has_ended_is_neither_paused_nor_interrupted() -> None:
    run = await Runner.start(scripted("done"), "please")
    await run.result()
    for do in (run.pause, run.interrupt, run.resume):
        with pytest.raises(UserError, match="has ended; nothing can be said to it any more"):
            await do()


async def interrupted_run() -> tuple[Run, RunResultStreaming, asyncio.Task[list[Any]]]:
    """A run that was interrupted in the middle of an answer, and who watches it."""
    model = Halting(["it costs five dollars", "five euros"])
    run_id = f"interrupted-{uuid.uuid4().hex[:8]}"
    streamed = Runner.run_streamed(Agent(name="A", model=model), "how much?", run_id=run_id)

    async def read() -> list[Any]:
        return [event async for event in streamed.stream_events()]

    reading = asyncio.create_task(read())
    await model.halted.wait()
    run = await Runner.get(run_id)
    assert (await run.interrupt(by="ana")).verdict == "accepted"
    await until(run, "interrupted")
    return run, streamed, reading


async def test_a_model_is_stopped_in_the_middle_of_an_answer_and_the_run_waits_for_instructions() -> None:
    run, _, reading = await interrupted_run()
    why = await run.why()
    assert why.waits_for == "instructions"
    assert why.commands == [f"perdure send {run.id} WHAT", f"perdure resume {run.id}"]
    assert "interrupted by ana at " in why.sentence
    shown = await details(run)
    assert "### Interrupted by ana at " in shown
    assert json.dumps({"message_id": "a new name", "input": "what to do", "by": "your name"}, indent=2) in shown
    kept = (await run.transcript())[-1]
    assert (kept.kind, kept.turn, kept.item["status"]) == ("interrupted", 0, "incomplete")
    assert kept.item["content"][0]["text"] == "it costs"
    assert (await run.send("in euros, please", by="ana")).verdict == "accepted"
    await reading
    assert await kinds(run) == ["input", "interrupted", "added", "answer"]


async def test_who_watches_is_told_what_stays_and_that_the_next_answer_is_another_one() -> None:
    run, streamed, reading = await interrupted_run()
    await run.send("in euros, please")
    words: dict[int, str] = {}
    attempts: list[int] = []
    for event in await reading:
        if event.type == "raw_response_event":
            attempts.append(event.attempt)
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
            words[event.attempt] = words.get(event.attempt, "") + event.data.delta
    assert attempts == sorted(attempts)
    assert words == {1: "it costs", 2: streamed.final_output}
    messages = [item for item in streamed.new_items if isinstance(item, MessageOutputItem)]
    assert [item.data["status"] for item in messages] == ["incomplete", "completed"]
    told = [event async for event in run.events()]
    assert [event.offset for event in told] == ["0.0", "0.2", "1.1"]
    assert [event.offset async for event in run.events(after="0.2")] == ["1.1"]


async def test_a_model_that_nobody_watches_is_stopped_and_leaves_nothing() -> None:
    model = Halting(["five dollars"])
    run = await Runner.start(Agent(name="A", model=model), "how much?")
    await model.halted.wait()
    await run.interrupt()
    await until(run, "interrupted")
    assert await kinds(run) == ["input"]
    await run.resume()
    assert (await run.result()).final_output == "five dollars"
    assert await kinds(run) == ["input", "answer"]


async def test_what_is_said_now_is_heard_now() -> None:
    model = Halting(["five dollars"])
    run = await Runner.start(Agent(name="A", model=model), "how much?")
    await model.halted.wait()
    assert (await run.interrupt("use euros", by="ana")).verdict == "accepted"
    await run.result()
    assert await kinds(run) == ["input", "added", "answer"]


async def test_a_tool_that_runs_ends_and_is_recorded_whatever_is_said() -> None:
    tools = Tools()
    agent = scripted([tool_call("work", {}), refund_call()], "done")
    agent.tools = [*agent.tools, tools.work]
    run = await Runner.start(agent, "please")
    await tools.began.wait()
    await run.interrupt()
    status = await run.status()
    assert status.interrupted is not None
    assert status.phase == "running tools"
    tools.go.set()
    await until(run, "waiting for approval")
    await run.send("never mind", when="next_turn")
    assert (await run.result()).final_output == "done"
    outputs = [entry.item["output"] for entry in await run.transcript() if entry.kind == "output"]
    assert outputs == ["worked", "Not run: the user has said something in the meantime."]
    assert tools.calls == 1
    assert await kinds(run) == ["input", "answer", "answer", "output", "output", "added", "answer"]


async def test_what_is_said_after_tools_does_not_wait_for_a_decision() -> None:
    run = await waiting_run()
    receipt = await run.send("never mind", when="after_tool")
    assert "calls that wait for a decision are not made" in receipt.explanation
    assert (await run.result()).final_output == "done"
    assert await kinds(run) == ["input", "answer", "output", "added", "answer"]


async def test_a_run_stays_paused_in_new_histories() -> None:
    calls = [tool_call("look", {}) for _ in range(4)]
    agent = scripted(*calls, refund_call(), "done")
    agent.tools = [*agent.tools, look]
    run = await Runner.start(agent, "please", max_turns=None, run_config=RunConfig(history_events=20))
    await run.result_or_interruptions()
    await run.pause(by="ana")
    await run.approve("5.0")
    before = len(await executions_of(run.id))
    for number in range(15):
        await run.send("wait", message_id=f"m{number}")
    assert len(await executions_of(run.id)) > before
    status = await run.status()
    assert (status.phase, status.paused.by if status.paused else None) == ("paused", "ana")
    await run.resume()
    assert (await run.result()).final_output == "done"


@function_tool
def look() -> str:
    """Look."""
    return "seen"


async def test_a_state_of_a_paused_run_goes_on_in_a_new_one() -> None:
    run = await waiting_run()
    await run.pause()
    state = (await run.result_or_interruptions()).to_state()
    await run.cancel()
    frozen = state.to_json()
    assert "steering" not in str(frozen)


async def test_a_stop_ends_an_interrupted_run() -> None:
    model = Halting(["five dollars"])
    run = await Runner.start(Agent(name="A", model=model), "how much?")
    await model.halted.wait()
    await run.interrupt()
    await until(run, "interrupted")
    assert (await run.stop()).stopped
    assert (await run.result()).final_output is None
