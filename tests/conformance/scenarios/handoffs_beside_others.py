"""Handoffs beside tools, waits and other handoffs; agents that share a name; agents that refer to each other."""

from __future__ import annotations

import dataclasses
from typing import Any

from pydantic import BaseModel

from tests.conformance.answers import call, say, search, think, transfer
from tests.conformance.registry import scenario

TELL = {"tool_not_found_behavior": "return_error_to_model"}
ERROR = {"tool_name_collision_policy": "error"}


class Reason(BaseModel):
    why: str


def _named(bench: Any, which: str, **options: Any) -> Any:
    """A tool `t` that tells which one it is."""

    def body() -> str:
        bench.log("tool t", which)
        return which

    return bench.sdk.function_tool(body, name_override="t", description_override=which, **options)


@scenario("two handoffs to agents of one name", 51, 71, 77, final="from the second", requests=2)
async def same_name(sdk: Any, bench: Any) -> Any:
    bench.script(transfer("B"), "from the second")
    others = [bench.agent("B", instructions="first"), bench.agent("B", instructions="second")]
    result = await bench.run(bench.agent(handoffs=others), hooks=bench.run_hooks())
    bench.expect(lambda: len(bench.bodies()[0]["tools"]) == 1 and bench.bodies()[1]["instructions"] == "second")
    return result


@scenario("a handoff that takes another's name", 51, final="from B", requests=2)
async def taken_name(sdk: Any, bench: Any) -> Any:
    bench.script(transfer("B"), "from B")
    others = [sdk.handoff(bench.agent("C"), tool_name_override="transfer_to_b"), bench.agent("B")]
    return await bench.run(bench.agent(handoffs=others))


@scenario("two handoffs with one name, where that is an error", 51, raises="UserError", requests=0)
async def same_name_refused(sdk: Any, bench: Any) -> Any:
    bench.script("never")
    return await bench.run(bench.agent(handoffs=[bench.agent("B"), bench.agent("B")]), config=ERROR)


@scenario("a handoff and a tool with one name, where that is an error", 51, raises="UserError", requests=0)
async def tool_and_handoff_refused(sdk: Any, bench: Any) -> Any:
    bench.script("never")
    agent = bench.agent(tools=[bench.tool("transfer_to_b")], handoffs=[bench.agent("B")])
    return await bench.run(agent, config=ERROR)


@scenario("an agent of the same name has tools of its own", 51, 77, final="end", log=["tool t one", "tool t two"])
async def tools_of_a_namesake(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), transfer("A"), call("t"), "end")
    namesake = bench.agent(instructions="two", tools=[_named(bench, "two")])
    return await bench.run(bench.agent(instructions="one", tools=[_named(bench, "one")], handoffs=[namesake]))


@scenario("namesakes in a circle, through JSON", 77, 102, final="end", log=["tool t two", "tool t one"], killable=False)
async def namesakes_through_json(sdk: Any, bench: Any) -> Any:
    bench.script(transfer("A"), call("t"), transfer("A"), call("t"), "end")
    first = bench.agent(instructions="one", tools=[_named(bench, "one", needs_approval=True)])
    second = bench.agent(instructions="two", tools=[_named(bench, "two", needs_approval=True)], handoffs=[first])
    first.handoffs = [second]
    result = await bench.run(first)
    for _ in range(2):
        state = await sdk.RunState.from_string(first, result.to_state().to_string())
        for item in state.get_interruptions():
            state.approve(item)
        result = await bench.run(first, state)
    return result


@scenario("a circle of three agents, one of them in itself", 14, 77, final="end", requests=5)
async def circle(sdk: Any, bench: Any) -> Any:
    bench.script(transfer("B"), transfer("C"), transfer("A"), transfer("A"), "end")
    first, second, third = (bench.agent(name, instructions=name, hooks=bench.agent_hooks(name)) for name in "ABC")
    first.handoffs, second.handoffs, third.handoffs = [second, first], [third], [first]
    return await bench.run(first, hooks=bench.run_hooks())


@scenario("tools and handoffs of one agent are unknown to the next", 53, 77)
async def unknown_to_the_next(sdk: Any, bench: Any) -> Any:
    found = []
    for name, wrong in (("handoff", transfer("B")), ("tool", call("t"))):
        model = bench.lane(name, [call("t"), transfer("B")], wrong)
        second = bench.agent("B", model=model)
        agent = bench.agent(model=model, tools=[bench.tool("t")], handoffs=[second])
        found.append(await bench.ended(bench.run(agent)))
    bench.expect(lambda: all(isinstance(each, sdk.ModelBehaviorError) for each in found))
    return found


@scenario("a handoff that is switched off during the run", 76, raises="ModelBehaviorError", requests=2)
async def switched_off(sdk: Any, bench: Any) -> Any:
    def enabled(context: Any, agent: Any) -> bool:
        return context.usage.requests == 0

    bench.script(call("t"), transfer("B"), "never")
    agent = bench.agent(tools=[bench.tool("t")], handoffs=[sdk.handoff(bench.agent("B"), is_enabled=enabled)])
    return await bench.run(agent)


@scenario("an unknown tool beside a handoff, where the model is told", 54, 69, final="from B", requests=2)
async def unknown_beside_handoff(sdk: Any, bench: Any) -> Any:
    bench.script([call("unknown"), transfer("B")], "from B")
    return await bench.run(bench.agent(handoffs=[bench.agent("B")]), config=TELL)


@scenario("an unknown handoff, where the model is told", 54, 76, final="done", requests=2)
async def unknown_handoff_told(sdk: Any, bench: Any) -> Any:
    bench.script([transfer("Nobody")], "done")
    return await bench.run(bench.agent(handoffs=[bench.agent("B")]), config=TELL)


@scenario("everything at once", 20, 54, 69, 71, final="end", requests=2, ordered=False)
async def everything_at_once(sdk: Any, bench: Any) -> Any:
    answer = [think(), call("unknown"), call("a"), say("and"), transfer("B"), call("b"), transfer("C"), search()]
    bench.script(answer, "end")
    others = [bench.agent("B"), bench.agent("C")]
    agent = bench.agent(tools=[bench.tool("a", "1"), bench.tool("b", "2")], handoffs=others)
    return await bench.run(agent, config=TELL, hooks=bench.run_hooks())


@scenario("everything at once, before what waits is decided", 20, 54, 106, 109, final=None, requests=1)
async def everything_waits(sdk: Any, bench: Any) -> Any:
    answer = [think(), call("unknown"), call("a"), say("and"), transfer("B"), call("b"), transfer("C"), search()]
    bench.script(answer, "never")
    others = [bench.agent("B"), bench.agent("C")]
    tools = [bench.tool("a", "1"), bench.tool("b", "2", needs_approval=True)]
    return await bench.run(bench.agent(tools=tools, handoffs=others), config=TELL, hooks=bench.run_hooks())


@scenario("a rejected call beside two handoffs", 71, 109, final="from B", requests=2)
async def rejected_beside_handoffs(sdk: Any, bench: Any) -> Any:
    def callback(context: Any) -> None:
        bench.log("on_handoff")

    bench.script([transfer("B"), call("t"), call("u"), transfer("C")], "from B")
    others = [sdk.handoff(bench.agent("B"), on_handoff=callback), bench.agent("C")]
    agent = bench.agent(tools=[bench.tool("t"), bench.tool("u", needs_approval=True)], handoffs=others)
    result = await bench.run(agent, hooks=bench.run_hooks())
    return await bench.resume(
        agent, result, lambda state: state.reject(result.interruptions[0]), hooks=bench.run_hooks()
    )


@scenario("a fatal tool beside a handoff", 58, 69, raises="UserError", log=["tool t -"], requests=1)
async def fatal_beside_handoff(sdk: Any, bench: Any) -> Any:
    def callback(context: Any) -> None:
        bench.log("on_handoff")

    bench.script([transfer("B"), call("t")], "never")
    tool = bench.tool("t", error=ValueError("x"), failure_error_function=None)
    return await bench.run(bench.agent(tools=[tool], handoffs=[sdk.handoff(bench.agent("B"), on_handoff=callback)]))


@scenario("a handoff's arguments of all kinds", 75)
async def handoff_arguments(sdk: Any, bench: Any) -> Any:
    def callback(context: Any, given: Any) -> None:
        bench.log("on_handoff", repr(given))

    cases = [(Reason, text) for text in ("", "null", "[]", '{"why": "x", "more": 1}', "{", '{"why": 1}')]
    cases += [(str, '"x"'), (list, "[1]"), (int, "7"), (int, '"x"')]
    found = []
    for place, (kind, text) in enumerate(cases):
        model = bench.lane(f"lane{place}", call("transfer_to_b", _raw=text), "from B")
        to_b = sdk.handoff(bench.agent("B", model=model), on_handoff=callback, input_type=kind)
        found.append(await bench.ended(bench.run(bench.agent(model=model, handoffs=[to_b]))))
    bench.expect(lambda: bench.log.lines[0] == "on_handoff Reason(why='x')" and len(bench.log.lines) == 4)
    return found


@scenario("a handoff that gives no agent", 72, raises="AttributeError", requests=1)
async def no_agent(sdk: Any, bench: Any) -> Any:
    async def invoke(context: Any, arguments: str) -> Any:
        return "B"

    go = sdk.Handoff(
        tool_name="go", tool_description="Go.", input_json_schema={}, on_invoke_handoff=invoke, agent_name="B"
    )
    bench.script(call("go"), "never")
    return await bench.run(bench.agent(handoffs=[go]))


@scenario("the same handoff again under other ids", 71, final="from B", requests=2)
async def same_handoff_twice(sdk: Any, bench: Any) -> Any:
    bench.script([transfer("B", "h1"), transfer("B", "h2")], "from B")
    return await bench.run(bench.agent(handoffs=[bench.agent("B")]))


@scenario("another handoff with the same id", 56, 71, raises="ModelBehaviorError", requests=2)
async def other_handoff_with_same_id(sdk: Any, bench: Any) -> Any:
    bench.script(transfer("B", "h1"), transfer("A", "h1"), "end")
    first, second = bench.agent(), bench.agent("B")
    first.handoffs, second.handoffs = [second], [first]
    return await bench.run(first)


@scenario("the limit behind a handoff and a tool", 4, raises="MaxTurnsExceeded", requests=2)
async def limit_behind_handoff(sdk: Any, bench: Any) -> Any:
    bench.script([transfer("B"), call("t")], call("u"), "never")
    agent = bench.agent(tools=[bench.tool("t")], handoffs=[bench.agent("B", tools=[bench.tool("u")])])
    return await bench.run(agent, max_turns=2, hooks=bench.run_hooks())


@scenario("a filter after a wait", 78, 86, 109, final="end", requests=4)
async def filter_after_wait(sdk: Any, bench: Any) -> Any:
    def shape(data: Any) -> Any:
        bench.log(len(data.pre_handoff_items), len(data.new_items))
        kept = tuple(item for item in data.new_items if item.type.startswith("handoff"))
        return dataclasses.replace(data, new_items=kept, pre_handoff_items=())

    bench.script(call("u"), [say("x"), call("t"), transfer("B")], call("v"), "end")
    second = bench.agent("B", tools=[bench.tool("v", needs_approval=True)])
    tools = [bench.tool("u"), bench.tool("t", needs_approval=True)]
    agent = bench.agent(tools=tools, handoffs=[sdk.handoff(second, input_filter=shape)])
    result = await bench.approve_all(agent, await bench.run(agent))
    return await bench.approve_all(agent, result)
