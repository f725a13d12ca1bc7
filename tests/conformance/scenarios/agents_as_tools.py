"""Agents as tools of other agents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field

from tests.conformance.answers import call, refuse, say, think
from tests.conformance.registry import scenario


class Question(BaseModel):
    topic: str = Field(description="About what.")
    words: int = 10


class Report(BaseModel):
    text: str


@dataclass
class Desk:
    name: str


def _inner(bench: Any, *answers: Any, **fields: Any) -> Any:
    """An agent named Inner with a script of its own."""
    return bench.agent("Inner", model=bench.lane("inner", *answers), **fields)


@scenario("an agent as a tool", 137, 139, 167, final="done", requests=3)
async def plain(sdk: Any, bench: Any) -> Any:
    inner = _inner(bench, "inner says", instructions="You are inner.")
    bench.script(call("ask", input="what?"), "done")
    result = await bench.run(bench.agent(tools=[inner.as_tool("ask", "Asks.")]))
    bench.expect(lambda: bench.bodies("inner")[0]["input"] == [{"content": "what?", "role": "user"}])
    return result


@scenario("the default name of an agent as a tool", 137, final="done")
async def default_name(sdk: Any, bench: Any) -> Any:
    inner = bench.agent("Data Expert", model=bench.lane("inner", "x"))
    bench.script(call("data_expert", input="what?"), "done")
    return await bench.run(bench.agent(tools=[inner.as_tool(None, None)]))


@scenario("an agent as a tool that uses tools", 137, 167, final="done", log=["tool t x"], requests=4)
async def inner_tools(sdk: Any, bench: Any) -> Any:
    inner = _inner(bench, call("t", text="x"), "inner says", tools=[bench.tool("t")])
    bench.script(call("ask", input="what?"), "done")
    return await bench.run(bench.agent(tools=[inner.as_tool("ask", "Asks.")]))


@scenario("a typed answer of an agent as a tool", 137, final="done")
async def typed(sdk: Any, bench: Any) -> Any:
    inner = _inner(bench, '{"text": "x"}', output_type=Report)
    bench.script(call("ask", input="what?"), "done")
    return await bench.run(bench.agent(tools=[inner.as_tool("ask", "Asks.")]))


@scenario("parameters of an agent as a tool", 137, final="done")
async def parameters(sdk: Any, bench: Any) -> Any:
    inner = _inner(bench, "inner says")
    bench.script(call("ask", topic="cats", words=5), "done")
    return await bench.run(bench.agent(tools=[inner.as_tool("ask", "Asks.", parameters=Question)]))


@scenario("parameters of an agent as a tool with their schema", 137, final="done")
async def parameters_with_schema(sdk: Any, bench: Any) -> Any:
    inner = _inner(bench, "inner says")
    bench.script(call("ask", topic="cats", words=5), "done")
    tool = inner.as_tool("ask", "Asks.", parameters=Question, include_input_schema=True)
    return await bench.run(bench.agent(tools=[tool]))


@scenario("an input builder of an agent as a tool", 137, final="done")
async def input_builder(sdk: Any, bench: Any) -> Any:
    def build(options: Any) -> str:
        return f"About {options['params']['topic']}"

    inner = _inner(bench, "inner says")
    bench.script(call("ask", topic="cats", words=5), "done")
    tool = inner.as_tool("ask", "Asks.", parameters=Question, input_builder=build)
    result = await bench.run(bench.agent(tools=[tool]))
    bench.expect(lambda: bench.bodies("inner")[0]["input"] == [{"content": "About cats", "role": "user"}])
    return result


@scenario("the limit of an agent as a tool is its own", 138, final="done")
async def own_limit(sdk: Any, bench: Any) -> Any:
    inner = _inner(bench, *[call("t", text=str(turn)) for turn in range(4)], "inner says", tools=[bench.tool("t")])
    bench.script(call("ask", input="what?"), "done")
    return await bench.run(bench.agent(tools=[inner.as_tool("ask", "Asks.")]), max_turns=2)


@scenario("an agent as a tool that passes its limit", 138, final="done", requests=3)
async def limit_passed(sdk: Any, bench: Any) -> Any:
    inner = _inner(bench, call("t"), "never", tools=[bench.tool("t")])
    bench.script(call("ask", input="what?"), "done")
    return await bench.run(bench.agent(tools=[inner.as_tool("ask", "Asks.", max_turns=1)]))


@scenario("an agent as a tool that fails without a failure function", 138, raises="MaxTurnsExceeded", requests=2)
async def limit_passed_fatally(sdk: Any, bench: Any) -> Any:
    inner = _inner(bench, call("t"), "never", tools=[bench.tool("t")])
    bench.script(call("ask", input="what?"), "never")
    tool = inner.as_tool("ask", "Asks.", max_turns=1, failure_error_function=None)
    return await bench.run(bench.agent(tools=[tool]))


@scenario("a failure function of an agent as a tool", 138, final="done")
async def own_failure_function(sdk: Any, bench: Any) -> Any:
    def words(context: Any, error: Exception) -> str:
        return f"inner failed with {type(error).__name__}"

    inner = _inner(bench, [refuse("no")])
    bench.script(call("ask", input="what?"), "done")
    return await bench.run(bench.agent(tools=[inner.as_tool("ask", "Asks.", failure_error_function=words)]))


@scenario("a guardrail of an agent as a tool", 37, 138, final="done", requests=2, log=["guardrail inner"])
async def inner_guardrail(sdk: Any, bench: Any) -> Any:
    guardrails = [bench.input_guardrail("inner", trip=True, blocking=True)]
    inner = _inner(bench, "never", input_guardrails=guardrails)
    bench.script(call("ask", input="what?"), "done")
    return await bench.run(bench.agent(tools=[inner.as_tool("ask", "Asks.")]))


@scenario("the context is shared with an agent as a tool", 139, final="done", log=["desk of Inner"])
async def shared_context(sdk: Any, bench: Any) -> Any:
    def look(ctx: Any) -> str:
        bench.log("desk of", ctx.context.name)
        return "seen"

    inner = _inner(bench, call("look"), "inner says", tools=[bench.function(look)])
    bench.script(call("ask", input="what?"), "done")
    return await bench.run(bench.agent(tools=[inner.as_tool("ask", "Asks.")]), context=Desk("Inner"))


@scenario("hooks and an agent as a tool", 139, final="done")
async def hooks(sdk: Any, bench: Any) -> Any:
    inner = _inner(bench, "inner says", hooks=bench.agent_hooks("inner"))
    bench.script(call("ask", input="what?"), "done")
    result = await bench.run(bench.agent(tools=[inner.as_tool("ask", "Asks.")]), hooks=bench.run_hooks())
    lines = bench.log.lines
    bench.expect(lambda: "inner:start Inner" in lines and "run:start Inner" not in lines)
    return result


@scenario("run hooks given to an agent as a tool", 139, final="done")
async def own_run_hooks(sdk: Any, bench: Any) -> Any:
    inner = _inner(bench, "inner says")
    bench.script(call("ask", input="what?"), "done")
    result = await bench.run(bench.agent(tools=[inner.as_tool("ask", "Asks.", hooks=bench.run_hooks())]))
    bench.expect(lambda: "run:start Inner" in bench.log.lines)
    return result


@scenario("the run's model and settings reach an agent as a tool", 139, 160, final="done", requests=3)
async def inherited_config(sdk: Any, bench: Any) -> Any:
    inner = _inner(bench, "not asked")
    bench.script(call("ask", input="what?"), "inner says", "done")
    config = {"model": bench.model, "model_settings": sdk.ModelSettings(temperature=0.5)}
    return await bench.run(bench.agent(tools=[inner.as_tool("ask", "Asks.")]), config=config)


@scenario("settings of its own for an agent as a tool", 139, final="done", requests=3)
async def own_config(sdk: Any, bench: Any) -> Any:
    inner = _inner(bench, "inner says")
    bench.script(call("ask", input="what?"), "done")
    own = bench.config(model_settings=sdk.ModelSettings(temperature=0.1))
    tool = inner.as_tool("ask", "Asks.", run_config=own)
    return await bench.run(bench.agent(tools=[tool]), config={"model_settings": sdk.ModelSettings(temperature=0.9)})


@scenario("an output extractor of an agent as a tool", 140, final="done")
async def extractor(sdk: Any, bench: Any) -> Any:
    async def extract(result: Any) -> str:
        return f"{len(result.new_items)} items, {result.final_output}"

    inner = _inner(bench, call("t"), "inner says", tools=[bench.tool("t")])
    bench.script(call("ask", input="what?"), "done")
    return await bench.run(bench.agent(tools=[inner.as_tool("ask", "Asks.", custom_output_extractor=extract)]))


@scenario("an empty answer of an agent as a tool", 140, final="done", requests=4)
async def empty_answer(sdk: Any, bench: Any) -> Any:
    inner = _inner(bench, [say("first words"), call("t")], [think()], tools=[bench.tool("t", "from the tool")])
    bench.script(call("ask", input="what?"), "done")
    return await bench.run(bench.agent(tools=[inner.as_tool("ask", "Asks.")]))


@scenario("two agents as tools at once", 143, final="done", requests=4)
async def two_at_once(sdk: Any, bench: Any) -> Any:
    tools = []
    for name in ("one", "two"):
        inner = bench.agent(name.title(), model=bench.lane(name, f"{name} says"))
        tools.append(inner.as_tool(f"ask_{name}", "Asks."))
    bench.script([call("ask_one", input="1"), call("ask_two", input="2")], "done")
    return await bench.run(bench.agent(tools=tools))


@scenario("agents as tools of agents as tools", 137, 167, final="done", requests=5)
async def nested_twice(sdk: Any, bench: Any) -> Any:
    innermost = bench.agent("Innermost", model=bench.lane("innermost", "deep"))
    inner = _inner(bench, call("dig", input="deeper"), "inner says", tools=[innermost.as_tool("dig", "Digs.")])
    bench.script(call("ask", input="what?"), "done")
    return await bench.run(bench.agent(tools=[inner.as_tool("ask", "Asks.")]))


@scenario("a wait inside an agent as a tool", 141, 111, final=None, requests=2, log=["tool look -"])
async def inner_pause(sdk: Any, bench: Any) -> Any:
    inner = _inner(bench, call("pay", text="7"), tools=[bench.tool("pay", needs_approval=True)])
    bench.script([call("ask", input="what?"), call("look")])
    return await bench.run(bench.agent(tools=[inner.as_tool("ask", "Asks."), bench.tool("look")]))


@scenario("an approved wait inside an agent as a tool", 141, 142, final="done", requests=4)
async def inner_approved(sdk: Any, bench: Any) -> Any:
    inner = _inner(bench, call("pay", text="7"), "inner says", tools=[bench.tool("pay", needs_approval=True)])
    bench.script(call("ask", input="what?"), "done")
    agent = bench.agent(tools=[inner.as_tool("ask", "Asks.")])
    result = await bench.approve_all(agent, await bench.run(agent))
    bench.expect(lambda: bench.log.lines == ["tool pay 7"])
    return result


@scenario("a rejected wait inside an agent as a tool", 141, final="done", requests=4, log=[])
async def inner_rejected(sdk: Any, bench: Any) -> Any:
    inner = _inner(bench, call("pay", text="7"), "inner says", tools=[bench.tool("pay", needs_approval=True)])
    bench.script(call("ask", input="what?"), "done")
    agent = bench.agent(tools=[inner.as_tool("ask", "Asks.")])
    result = await bench.run(agent)
    return await bench.resume(agent, result, lambda state: state.reject(result.interruptions[0]))


@scenario("the outer hooks of a wait inside fire once", 142, final="done")
async def outer_hooks_once(sdk: Any, bench: Any) -> Any:
    class Hooks(sdk.RunHooks):
        async def on_tool_start(self, context: Any, agent: Any, tool: Any) -> None:
            bench.log("start", tool.name)

        async def on_tool_end(self, context: Any, agent: Any, tool: Any, result: Any) -> None:
            bench.log("end", tool.name, result)

    inner = _inner(bench, call("pay"), "inner says", tools=[bench.tool("pay", needs_approval=True)])
    bench.script(call("ask", input="what?"), "done")
    agent = bench.agent(tools=[inner.as_tool("ask", "Asks.")])
    result = await bench.approve_all(agent, await bench.run(agent, hooks=Hooks()), hooks=Hooks())
    bench.expect(lambda: bench.log.lines == ["start ask", "tool pay -", "end ask inner says"])
    return result


@scenario("two waits inside two agents as tools", 143, requests=6, final="done")
async def two_inner_pauses(sdk: Any, bench: Any) -> Any:
    tools = []
    for name in ("one", "two"):
        model = bench.lane(name, call("pay", text=name), f"{name} says")
        inner = bench.agent(name.title(), model=model, tools=[bench.tool("pay", needs_approval=True)])
        tools.append(inner.as_tool(f"ask_{name}", "Asks."))
    bench.script([call("ask_one", input="1"), call("ask_two", input="2")], "done")
    agent = bench.agent(tools=tools)
    first = await bench.run(agent)
    second = await bench.resume(agent, first, lambda state: state.approve(first.interruptions[1]))
    third = await bench.approve_all(agent, second)
    bench.expect(lambda: bench.log.lines == ["tool pay two", "tool pay one"])
    return [first, second, third]


@scenario("what an output extractor is told of its call", 140, final="done", requests=4, ordered=False)
async def extractor_is_told(sdk: Any, bench: Any) -> Any:
    async def extract(result: Any) -> str:
        invocation = result.agent_tool_invocation
        bench.log(invocation.tool_name, invocation.tool_call_id, invocation.tool_arguments, repr(result.input))
        return "told"

    given = [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]
    inner = bench.agent("Inner")
    ask = inner.as_tool("ask", "Asks.", custom_output_extractor=extract)
    other = inner.as_tool("other", "Asks.", custom_output_extractor=extract, input_builder=lambda options: given)
    bench.script([call("ask", input="q"), call("other", input="r")], "one", "two", "done")
    result = await bench.run(bench.agent(tools=[ask, other]))
    return [result, str(result.agent_tool_invocation)]
