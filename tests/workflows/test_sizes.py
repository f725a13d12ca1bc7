"""Sizes: what is large travels by reference, what is too large is refused or cut, and nothing wedges a run."""

from __future__ import annotations

import json
import random
from base64 import b64encode
from typing import Any

import pytest

from perdure import (
    ContextNotPortableError,
    RunCancelled,
    RunConfig,
    RunContextWrapper,
    Runner,
    RunState,
    ToolCallOutputItem,
    ToolGuardrailFunctionOutput,
    ToolOutputGuardrailData,
    UserError,
    function_tool,
    tool_output_guardrail,
)
from perdure.client.host import Host
from perdure.limits import MAX_ITEM_BYTES
from perdure.testing import ScriptedModel, tool_call
from tests.agents import refund, refund_call, scripted


async def history_bytes(run_id: str) -> int:
    host = Host.current()
    client = (await host.call(host.connection())).client
    description = await host.call(client.get_workflow_handle(run_id).describe())
    return description.raw_description.workflow_execution_info.history_size_bytes


def large_tool(text: str) -> Any:
    @function_tool
    def read() -> str:
        """Read a lot."""
        return text

    return read


async def test_a_large_output_reaches_model_and_caller_whole_and_stays_out_of_the_history() -> None:
    text = "0123456789abcdef" * 64 * 1024  # 1 MiB
    model = ScriptedModel([tool_call("read", {}), "done"])
    agent = scripted(tools=[large_tool(text)])
    agent.model = model
    result = await Runner.run(agent, "read")
    assert model.requests[1].input[-1]["output"] == text
    assert [item.output for item in result.new_items if isinstance(item, ToolCallOutputItem)] == [text]
    assert await history_bytes(result.run_id) < 20_000


async def test_of_ten_megabytes_of_output_the_model_is_shown_the_beginning_and_the_caller_has_the_whole() -> None:
    model = ScriptedModel([tool_call("read", {}), "done"])
    text = "x" * 10 * 1024 * 1024
    agent = scripted(tools=[large_tool(text)])
    agent.model = model
    run = await Runner.start(agent, "read")
    result = await run.result()
    seen = model.requests[1].input[-1]["output"]
    assert len(seen) <= MAX_ITEM_BYTES
    assert seen.endswith("of 10485760 bytes; the rest is kept with the run]")
    assert result.to_input_list()[-2]["output"] == seen
    assert [item.output for item in result.new_items if isinstance(item, ToolCallOutputItem)] == [text]
    told = (await run.transcript())[-2]
    assert (told.item["output"], (told.whole or {})["output"]) == (seen, text)
    assert await history_bytes(result.run_id) < 20_000


async def test_a_run_says_how_much_of_an_output_the_model_may_see() -> None:
    @function_tool
    def rows() -> list[int]:
        """Read many rows."""
        return list(range(10_000))

    agent = scripted(tool_call("rows", {}), refund_call(), "done", tools=[rows, refund])
    run = await Runner.start(agent, "read", run_config=RunConfig(tool_output_bytes=2000))
    paused = await run.result_or_interruptions()
    assert [item.output for item in paused.new_items if isinstance(item, ToolCallOutputItem)] == [[*range(10_000)]]
    assert isinstance(agent.model, ScriptedModel)
    seen = agent.model.requests[1].input[-1]["output"]
    assert seen.startswith("[0,1,2,3,")
    assert 1800 < len(seen) <= 2000
    document = paused.to_state().to_json()
    assert len(json.dumps(document)) < 50_000
    await run.cancel()
    with pytest.raises(RunCancelled):
        await run.result()
    state = await RunState.from_json(agent, document)
    state.approve(state.get_interruptions()[0])
    again = await Runner.run(agent, state, run_id=f"{run.id}-again")
    assert agent.model.requests[2].input[2]["output"] == seen
    outputs = [item.output for item in again.new_items if isinstance(item, ToolCallOutputItem)]
    assert outputs == [[*range(10_000)], "refunded 40 for 7"]


async def test_what_judges_an_output_gets_the_whole_of_it() -> None:
    judged: list[Any] = []

    @tool_output_guardrail
    def check(data: ToolOutputGuardrailData) -> ToolGuardrailFunctionOutput:
        judged.append(data.output)
        return ToolGuardrailFunctionOutput.allow()

    @function_tool(tool_output_guardrails=[check])
    def rows() -> list[int]:
        """Read many rows."""
        return list(range(10_000))

    agent = scripted(tool_call("rows", {}), tools=[rows], tool_use_behavior="stop_on_first_tool")
    result = await Runner.run(agent, "read", run_config=RunConfig(tool_output_bytes=2000))
    assert judged == [[*range(10_000)]]
    assert json.loads(result.final_output) == [*range(10_000)]


@pytest.mark.parametrize("size", [0, 1023, 8 * 1024 * 1024 + 1])
def test_a_bound_that_is_none_is_refused(size: int) -> None:
    with pytest.raises(UserError, match="tool_output_bytes is"):
        RunConfig(tool_output_bytes=size)


async def test_five_parallel_calls_with_a_megabyte_of_arguments_each() -> None:
    lengths: list[int] = []

    @function_tool
    def write(text: str) -> int:
        """Write a lot."""
        lengths.append(len(text))
        return len(text)

    calls = [tool_call("write", {"text": str(n) * 1_000_000}) for n in range(5)]
    result = await Runner.run(scripted(calls, "done", tools=[write]), "write")
    assert lengths == [1_000_000] * 5
    assert await history_bytes(result.run_id) < 50_000


async def test_what_does_not_fit_one_workflow_task_goes_with_the_next_ones() -> None:
    chance = random.Random(7)  # what repeats itself would be compressed, and fit

    @function_tool
    async def look(ctx: RunContextWrapper[dict[str, str]]) -> int:
        """Look into the context, which each call is given."""
        return len(ctx.context["map"])

    context = {"map": b64encode(chance.randbytes(150_000)).decode()}
    calls = [tool_call("look", {}) for _ in range(40)]
    result = await Runner.run(scripted(calls, "done", tools=[look]), "look", context=context)
    assert [item.output for item in result.new_items if isinstance(item, ToolCallOutputItem)] == [200_000] * 40


async def test_a_large_input_goes_through_the_blob_store() -> None:
    model = ScriptedModel(["done"])
    agent = scripted()
    agent.model = model
    items: list[Any] = [{"role": "user", "content": f"{n}" + "y" * 50_000} for n in range(60)]
    result = await Runner.run(agent, items)
    assert model.requests[0].input == items
    assert result.to_input_list()[:60] == items


async def test_a_long_conversation_is_told_in_pages() -> None:
    answers = [tool_call("read", {}) for _ in range(30)]
    run = await Runner.start(scripted(*answers, "done", tools=[large_tool("z" * 50_000)]), "go", max_turns=None)
    result = await run.result()
    outputs = [item for item in result.new_items if isinstance(item, ToolCallOutputItem)]
    assert len(outputs) == 30
    assert len(await run.transcript()) == 62


async def test_without_a_blob_store_what_is_too_large_is_cut_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from perdure.blobs import store_item

    item = store_item({"type": "function_call_output", "call_id": "c", "output": "ü" * 1_000_000}, None)
    assert "[cut: the first part of" in item["output"]
    with pytest.raises(UserError, match="set PERDURE_BLOBS"):
        store_item({"role": "user", "content": "x" * 1_000_000}, None)


@pytest.mark.parametrize(
    ("context", "said"),
    [
        (object(), "context of type object cannot travel"),
        ({"connection": object()}, "Field 'connection' of the context"),
        ({"data": "x" * 300_000}, "takes 3000.. bytes as JSON; at most 262144"),
    ],
)
async def test_a_context_that_cannot_travel_is_refused_before_the_run_starts(context: Any, said: str) -> None:
    with pytest.raises(ContextNotPortableError, match=said):
        await Runner.run(scripted("never"), "go", context=context, run_id="never-started")


async def test_what_is_not_json_in_the_input_is_refused() -> None:
    with pytest.raises(UserError, match="type set is not JSON"):
        await Runner.run(scripted("never"), [{"role": "user", "content": {1, 2}}])


async def test_a_context_that_grows_too_large_together_ends_the_run_and_says_so() -> None:
    @function_tool
    async def note(ctx: RunContextWrapper[dict[str, Any]], name: str) -> str:
        """Note a lot."""
        ctx.context[name] = name * 100_000
        return "noted"

    calls = [tool_call("note", {"name": letter}) for letter in "abcdefghij"]
    context: dict[str, Any] = dict.fromkeys("abcdefghij", "")
    with pytest.raises(ContextNotPortableError, match="With what the calls of turn 1 changed, the context takes"):
        await Runner.run(scripted(calls, "never", tools=[note]), "go", context=context)
