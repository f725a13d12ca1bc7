"""Agents that cannot be made, and what an agent tells of itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.conformance.registry import scenario

_WRONG: list[tuple[str, Any]] = [
    ("name", 5), ("handoff_description", 5), ("tools", ()), ("mcp_servers", None), ("mcp_config", []),
    ("instructions", 5), ("prompt", 5), ("handoffs", None), ("model", 5), ("model_settings", 5),
    ("model_settings", {"bogus": 1}), ("input_guardrails", None), ("output_guardrails", ()), ("output_type", 5),
    ("output_type", "Answer"), ("hooks", object()), ("tool_use_behavior", "bogus"), ("tool_use_behavior", 5),
    ("reset_tool_choice", "yes"),
]  # fmt: skip


def _made(make: Callable[[], Any]) -> str:
    try:
        make()
    except Exception as error:  # noqa: BLE001  its class is what is compared
        return type(error).__name__
    return "made"


@scenario("agents that cannot be made", 170)
async def wrong_fields(sdk: Any, bench: Any) -> Any:
    for field, value in _WRONG:
        bench.log(field, repr(value), _made(lambda field=field, value=value: bench.agent(**{field: value})))
    bench.log("hooks of a run", _made(lambda: bench.agent(hooks=sdk.RunHooks())))
    bench.expect(lambda: all(line.endswith("TypeError") for line in bench.log.lines))


@scenario("fields of an agent that are fine", 170)
async def right_fields(sdk: Any, bench: Any) -> Any:
    for field, value in (("output_type", list[int]), ("prompt", {"id": "p"}), ("tool_use_behavior", max)):
        bench.log(field, _made(lambda field=field, value=value: bench.agent(**{field: value})))
    bench.log(bench.agent(model_settings={"top_p": 0.5}).model_settings.top_p)
    bench.expect(
        lambda: bench.log.lines == [*(f"{each} made" for each in ("output_type", "prompt", "tool_use_behavior")), "0.5"]
    )


@scenario("what an agent tells of itself", 170)
async def told_of_itself(sdk: Any, bench: Any) -> Any:
    async def instructions(context: Any, agent: Any) -> str:
        return f"{agent.name} of {context.context}"

    def prompt(data: Any) -> Any:
        return {"id": data.agent.name, "version": "2"}

    async def is_enabled(context: Any, agent: Any) -> bool:
        return False

    tools = [bench.tool("on"), bench.tool("off", is_enabled=False), bench.tool("asked", is_enabled=is_enabled)]
    agent = bench.agent(instructions=instructions, prompt=prompt, tools=tools)
    context = sdk.RunContextWrapper("shop")
    bench.log(await agent.get_system_prompt(context))
    bench.log({name: value for name, value in dict(await agent.get_prompt(context)).items() if value is not None})
    bench.log([tool.name for tool in await agent.get_all_tools(context)], await agent.get_mcp_tools(context))
    wrong = bench.agent(instructions=lambda context: "no")
    bench.log(type(await bench.raised(wrong.get_system_prompt(context))).__name__)
    bench.expect(lambda: bench.log.lines == ["A of shop", "{'id': 'A', 'version': '2'}", "['on'] []", "TypeError"])


@scenario("a mode of the input list that does not exist", 108, requests=1)
async def unknown_mode(sdk: Any, bench: Any) -> Any:
    bench.script("done")
    result = await bench.run(bench.agent())
    bench.log(_made(lambda: result.to_input_list(mode="bogus")))
    bench.expect(lambda: bench.log.lines == ["ValueError"])
    return result
