"""Handoffs: which is taken, what the model is told, who is called."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from tests.conformance.answers import call, refuse, say, transfer
from tests.conformance.registry import scenario


class Reason(BaseModel):
    why: str
    urgent: bool = False


@scenario("a handoff", 72, 77, final="from B", requests=2)
async def plain_handoff(sdk: Any, bench: Any) -> Any:
    bench.script(transfer("B"), "from B")
    second = bench.agent("B", instructions="You are B.", handoff_description="Knows B.")
    return await bench.run(bench.agent(handoffs=[second], instructions="You are A."))


@scenario("tools run before the handoff of their response", 69, final="from B", log=["tool t -"])
async def tools_then_handoff(sdk: Any, bench: Any) -> Any:
    bench.script([transfer("B"), call("t")], "from B")
    return await bench.run(bench.agent(tools=[bench.tool("t")], handoffs=[bench.agent("B")]))


@scenario("a handoff wins over a message", 70, final="from B")
async def handoff_over_message(sdk: Any, bench: Any) -> Any:
    bench.script([say("final?"), transfer("B")], "from B")
    return await bench.run(bench.agent(handoffs=[bench.agent("B")]))


@scenario("a handoff wins over a refusal and a structured answer", 70, final="from B", requests=3)
async def handoff_over_refusal(sdk: Any, bench: Any) -> Any:
    bench.script([refuse("no"), transfer("C")], [say('{"why": "x"}'), transfer("B")], "from B")
    third = bench.agent("C", output_type=Reason, handoffs=[bench.agent("B")])
    return await bench.run(bench.agent(handoffs=[third]))


@scenario("a handoff wins over a tool that stops", 70, final="from B", log=["tool t -"])
async def handoff_over_stop(sdk: Any, bench: Any) -> Any:
    bench.script([call("t"), transfer("B")], "from B")
    agent = bench.agent(tools=[bench.tool("t")], handoffs=[bench.agent("B")], tool_use_behavior="stop_on_first_tool")
    return await bench.run(agent)


@scenario("two handoffs in one response", 71, final="from B", requests=2)
async def two_handoffs(sdk: Any, bench: Any) -> Any:
    bench.script([transfer("B"), transfer("C")], "from B")
    others = [bench.agent("B"), bench.agent("C")]
    result = await bench.run(bench.agent(handoffs=others), hooks=bench.run_hooks())
    bench.expect(lambda: [line for line in bench.log.lines if "handoff" in line] == ["run:handoff A B"])
    return result


@scenario("the names of handoffs", 72, final="hi")
async def handoff_names(sdk: Any, bench: Any) -> Any:
    bench.script("hi")
    others = [
        bench.agent("Data Expert", handoff_description="Counts."),
        sdk.handoff(bench.agent("Étienne 2!")),
        sdk.handoff(bench.agent("C"), tool_name_override="go_to_c", tool_description_override="Go."),
    ]
    return await bench.run(bench.agent(handoffs=others))


@scenario(
    "the order in a handoff", 73, 74, final="from B",
    log=["on_handoff Reason(why='x', urgent=False)", "run:handoff A B", "of A:handoff A B", "filter", "run:start B"],
)  # fmt: skip
async def order_in_a_handoff(sdk: Any, bench: Any) -> Any:
    class RunHooks(sdk.RunHooks):
        async def on_handoff(self, context: Any, from_agent: Any, to_agent: Any) -> None:
            bench.log("run:handoff", from_agent.name, to_agent.name)

        async def on_agent_start(self, context: Any, agent: Any) -> None:
            if agent.name == "B":
                bench.log("run:start B")

    def hooks_of(label: str) -> Any:
        class Hooks(sdk.AgentHooks):
            async def on_handoff(self, context: Any, agent: Any, source: Any) -> None:
                bench.log(f"{label}:handoff", source.name, agent.name)

        return Hooks()

    async def callback(context: Any, reason: Reason) -> None:
        bench.log("on_handoff", repr(reason))

    def shape(data: Any) -> Any:
        bench.log("filter")
        return data

    bench.script(transfer("B", why="x"), "from B")
    second = bench.agent("B", hooks=hooks_of("of B"))
    to_b = sdk.handoff(second, on_handoff=callback, input_type=Reason, input_filter=shape)
    return await bench.run(bench.agent(handoffs=[to_b], hooks=hooks_of("of A")), hooks=RunHooks())


@scenario("a handoff's arguments that do not fit", 75, raises="ModelBehaviorError", log=[], requests=1)
async def bad_handoff_input(sdk: Any, bench: Any) -> Any:
    def callback(context: Any, reason: Reason) -> None:
        bench.log("called")

    class Hooks(sdk.RunHooks):
        async def on_handoff(self, context: Any, from_agent: Any, to_agent: Any) -> None:
            bench.log("hook")

    bench.script(transfer("B", urgent="x"), "never")
    to_b = sdk.handoff(bench.agent("B"), on_handoff=callback, input_type=Reason)
    return await bench.run(bench.agent(handoffs=[to_b]), hooks=Hooks())


@scenario("a handoff's arguments that nobody wants", 75, final="from B", log=["called"])
async def unwanted_handoff_input(sdk: Any, bench: Any) -> Any:
    def callback(context: Any) -> None:
        bench.log("called")

    bench.script(call("transfer_to_b", _raw="{not json"), "from B")
    return await bench.run(bench.agent(handoffs=[sdk.handoff(bench.agent("B"), on_handoff=callback)]))


@scenario("handoffs that cannot be defined", 75)
async def bad_definitions(sdk: Any, bench: Any) -> Any:
    def none() -> None:
        return None

    def one(context: Any) -> None:
        return None

    found = []
    for options in ({"input_type": Reason}, {"on_handoff": none}, {"on_handoff": one, "input_type": Reason}):
        try:
            found.append(type(sdk.handoff(bench.agent("B"), **options)).__name__)
        except Exception as error:  # noqa: BLE001  its class is what is compared
            found.append(type(error).__name__)
    bench.expect(lambda: found == ["UserError"] * 3)
    return found


@scenario("a handoff that is switched off", 76, final="done")
async def disabled_handoff(sdk: Any, bench: Any) -> Any:
    async def enabled(context: Any, agent: Any) -> bool:
        return agent.name != "A"

    bench.script("done")
    others = [sdk.handoff(bench.agent("B"), is_enabled=False), sdk.handoff(bench.agent("C"), is_enabled=enabled)]
    result = await bench.run(bench.agent(handoffs=[*others, bench.agent("D")]))
    bench.expect(lambda: [tool["name"] for tool in bench.bodies()[0]["tools"]] == ["transfer_to_d"])
    return result


@scenario("a call of a handoff that is switched off", 76, raises="ModelBehaviorError", requests=1)
async def disabled_handoff_called(sdk: Any, bench: Any) -> Any:
    bench.script(transfer("B"), "never")
    return await bench.run(bench.agent(handoffs=[sdk.handoff(bench.agent("B"), is_enabled=False)]))


@scenario("the last agent's output type and end hook count", 77, log=["B:end B Reason(why='x', urgent=False)"])
async def last_agent_counts(sdk: Any, bench: Any) -> Any:
    def ends(label: str) -> Any:
        class Hooks(sdk.AgentHooks):
            async def on_end(self, context: Any, agent: Any, output: Any) -> None:
                bench.log(f"{label}:end", agent.name, repr(output))

        return Hooks()

    bench.script(transfer("B"), '{"why": "x", "urgent": false}')
    second = bench.agent("B", output_type=Reason, hooks=ends("B"))
    return await bench.run(bench.agent(handoffs=[second], hooks=ends("A"), output_type=list[str]))


@scenario("there and back", 72, 77, final="end", requests=3)
async def there_and_back(sdk: Any, bench: Any) -> Any:
    bench.script([say("to B"), transfer("B")], transfer("A"), "end")
    first, second = bench.agent(instructions="A"), bench.agent("B", instructions="B")
    first.handoffs, second.handoffs = [second], [first]
    return await bench.run(first)


@scenario("a handoff that chooses its agent", 72, final="from C")
async def dynamic_handoff(sdk: Any, bench: Any) -> Any:
    known = {"b": bench.agent("B"), "c": bench.agent("C")}

    async def invoke(context: Any, arguments: str) -> Any:
        return known["c" if '"c"' in arguments else "b"]

    schema = {
        "type": "object",
        "properties": {"to": {"type": "string"}},
        "required": ["to"],
        "additionalProperties": False,
    }
    go = sdk.Handoff(
        tool_name="go", tool_description="Go on.", input_json_schema=schema, on_invoke_handoff=invoke, agent_name="B"
    )
    bench.script(call("go", to="c"), "from C")
    return await bench.run(bench.agent(handoffs=[go, *known.values()]))
