"""What a state takes: options of the run that it is of, and items of that run."""

from __future__ import annotations

from typing import Any

from tests.conformance.answers import call
from tests.conformance.registry import scenario


@scenario("the options of the start come again with a state", 9, final="done", requests=2, killable=False)
async def options_again(sdk: Any, bench: Any) -> Any:
    class Hooks(sdk.RunHooks):
        async def on_tool_start(self, context: Any, agent: Any, tool: Any) -> None:
            bench.log("start of", tool.name)

    bench.script(call("pay"), "done")
    agent = bench.agent(tools=[bench.tool("pay", needs_approval=True)])
    options: dict[str, Any] = {
        "hooks": Hooks(),
        "config": {"output_guardrails": [bench.output_guardrail()], "model_settings": sdk.ModelSettings(top_p=0.5)},
    }
    return await bench.approve_all(agent, await bench.run(agent, **options), **options)


@scenario(
    "an output guardrail that comes only with a state", 9, raises="OutputGuardrailTripwireTriggered", killable=False
)
async def guardrail_with_state(sdk: Any, bench: Any) -> Any:
    bench.script(call("pay"), "done")
    agent = bench.agent(tools=[bench.tool("pay", needs_approval=True)])
    config = {"output_guardrails": [bench.output_guardrail(trip=True)]}
    return await bench.approve_all(agent, await bench.run(agent), config=config)


@scenario("an item of another run decides nothing", 115, requests=2, killable=False)
async def foreign_item(sdk: Any, bench: Any) -> Any:
    bench.script(call("pay", text="7"), call("pay", text="7"), "never")
    agent = bench.agent(tools=[bench.tool("pay", needs_approval=True)])
    first, second = await bench.run(agent), await bench.run(agent)
    state = first.to_state()
    try:
        state.approve(second.interruptions[0])
    except sdk.UserError:  # the Agents SDK takes the decision, and has no call for it
        return first
    return await bench.run(agent, state)
