"""Sizes: what is large travels by reference, what is too large is refused or cut, and nothing wedges a run."""

from __future__ import annotations

from typing import Any

import pytest

from perdure import ContextNotPortableError, RunContextWrapper, Runner, ToolCallOutputItem, UserError, function_tool
from perdure.client.host import Host
from perdure.limits import MAX_ITEM_BYTES
from perdure.testing import ScriptedModel, tool_call
from tests.agents import scripted


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


async def test_ten_megabytes_of_output_are_cut_and_the_model_is_told() -> None:
    model = ScriptedModel([tool_call("read", {}), "done"])
    agent = scripted(tools=[large_tool("x" * 10 * 1024 * 1024)])
    agent.model = model
    await Runner.run(agent, "read")
    seen = model.requests[1].input[-1]["output"]
    assert len(seen) < MAX_ITEM_BYTES
    assert "[cut:" in seen[-200:]


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


async def test_a_hundred_calls_of_sixty_kilobytes_do_not_fit_one_task_and_all_run() -> None:
    @function_tool
    async def write(text: str) -> int:
        """Write some."""
        return len(text)

    calls = [tool_call("write", {"text": f"{n:03}" + "x" * 60_000}) for n in range(100)]
    result = await Runner.run(scripted(calls, "done", tools=[write]), "write")
    assert sum(isinstance(item, ToolCallOutputItem) for item in result.new_items) == 100


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
