"""tool_use_behavior in all its forms beside handoffs, waits, failures, unknown tools; reset_tool_choice likewise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

from tests.conformance.answers import call, say, search, think, transfer
from tests.conformance.registry import scenario

STOP = "stop_on_first_tool"
TELL = {"tool_not_found_behavior": "return_error_to_model"}


class Count(BaseModel):
    a: int


def _forms(bench: Any) -> dict[str, Any]:
    """The forms of a behaviour."""

    def rule(context: Any, results: Any) -> Any:
        bench.log("rule", *(f"{one.tool.name}={one.output:.20}" for one in results))
        return bench.sdk.ToolsToFinalOutputResult(is_final_output=True, final_output=f"rule of {len(results)}")

    names = bench.sdk.StopAtTools(stop_at_tool_names=["u"])
    return {"again": "run_llm_again", "first": STOP, "names": names, "rule": rule}


async def _in_all_forms(bench: Any, answers: list[Any], run: Callable[[Any, str, Any], Any]) -> list[Any]:
    """What a run gives with each of the forms, each with a model of its own."""
    found: list[Any] = []
    for name, form in _forms(bench).items():
        found.append(await bench.ended(run(bench, bench.lane(name, *answers), form)))
    return found


def _finals(found: list[Any]) -> list[Any]:
    return [each.final_output for each in found]


@scenario("each behaviour beside a handoff", 70, 96)
async def beside_handoff(sdk: Any, bench: Any) -> Any:
    async def run(bench: Any, model: str, form: Any) -> Any:
        second = bench.agent("B", model=model)
        tools = [bench.tool("t", "1"), bench.tool("u", "2")]
        return await bench.run(bench.agent(model=model, tools=tools, handoffs=[second], tool_use_behavior=form))

    found = await _in_all_forms(bench, [[call("t"), transfer("B"), call("u")], "from B"], run)
    bench.expect(lambda: _finals(found) == ["from B"] * 4 and "rule" not in str(bench.log.lines))
    return found


@scenario("each behaviour beside a wait and a handoff", 70, 109)
async def beside_wait_and_handoff(sdk: Any, bench: Any) -> Any:
    async def run(bench: Any, model: str, form: Any) -> Any:
        second = bench.agent("B", model=model)
        tools = [bench.tool("t", "1"), bench.tool("u", "2", needs_approval=True)]
        agent = bench.agent(model=model, tools=tools, handoffs=[second], tool_use_behavior=form)
        return await bench.approve_all(agent, await bench.run(agent))

    found = await _in_all_forms(bench, [[call("t"), call("u"), transfer("B")], "from B"], run)
    bench.expect(lambda: _finals(found) == ["from B"] * 4)
    return found


@scenario("each behaviour after a wait", 99, 100)
async def after_wait(sdk: Any, bench: Any) -> Any:
    async def run(bench: Any, model: str, form: Any) -> Any:
        tools = [bench.tool("t", "1"), bench.tool("u", "2", needs_approval=True), bench.tool("v", "3")]
        agent = bench.agent(model=model, tools=tools, tool_use_behavior=form)
        return await bench.approve_all(agent, await bench.run(agent))

    found = await _in_all_forms(bench, [[call("t"), call("v"), call("u")], "end"], run)
    bench.expect(lambda: _finals(found) == ["end", "1", "2", "rule of 3"])
    return [each.final_output for each in found]


@scenario("the first tool stops the run although another call was rejected", 98, 100, final="1", requests=1)
async def stop_beside_rejection(sdk: Any, bench: Any) -> Any:
    bench.script([call("t"), call("u")], "never")
    tools = [bench.tool("t", "1"), bench.tool("u", needs_approval=True)]
    agent = bench.agent(tools=tools, tool_use_behavior=STOP)
    result = await bench.run(agent)
    return await bench.resume(agent, result, lambda state: state.reject(result.interruptions[0]))


@scenario("a rule is not asked about a rejected call", 98, 100)
async def rule_beside_rejection(sdk: Any, bench: Any) -> Any:
    bench.script([call("u"), call("v")], "never")
    tools = [bench.tool("u", "2", needs_approval=True), bench.tool("v", "3", needs_approval=True)]
    agent = bench.agent(tools=tools, tool_use_behavior=_forms(bench)["rule"])
    result = await bench.run(agent)

    def decide(state: Any) -> None:
        state.reject(result.interruptions[0])
        state.approve(result.interruptions[1])

    return await bench.resume(agent, result, decide)


@scenario("each behaviour beside unknown tools", 54, 98)
async def beside_unknown(sdk: Any, bench: Any) -> Any:
    async def run(bench: Any, model: str, form: Any) -> Any:
        agent = bench.agent(model=model, tools=[bench.tool("u", "2")], tool_use_behavior=form)
        return await bench.run(agent, config=TELL)

    found = await _in_all_forms(bench, [call("other"), [call("unknown"), call("u")], "end"], run)
    bench.expect(lambda: _finals(found) == ["end", "2", "2", "rule of 1"])
    return found


@scenario("each behaviour beside tools of the provider and failures", 98)
async def beside_provider_tools(sdk: Any, bench: Any) -> Any:
    async def run(bench: Any, model: str, form: Any) -> Any:
        tools = [bench.tool("u", error=ValueError("x")), sdk.WebSearchTool()]
        return await bench.run(bench.agent(model=model, tools=tools, tool_use_behavior=form))

    found = await _in_all_forms(bench, [[search()], [search(), call("u", _raw="{")], "end"], run)
    bench.expect(lambda: found[0].final_output == "end" and found[3].final_output == "rule of 1")
    return [found[0], found[3], [len(each.new_items) for each in found]]


@scenario("each behaviour with an agent as a tool", 94, 95, 96)
async def with_agent_tool(sdk: Any, bench: Any) -> Any:
    async def run(bench: Any, model: str, form: Any) -> Any:
        inner = bench.lane(f"inner of {model}", "in")
        tool = bench.agent("I", model=inner).as_tool("u", "Ask.")
        return await bench.run(bench.agent(model=model, tools=[tool], tool_use_behavior=form))

    found = await _in_all_forms(bench, [call("u", input="x"), "end"], run)
    bench.expect(lambda: _finals(found) == ["end", "in", "in", "rule of 1"])
    return found


@scenario("outputs that a rule makes", 96, 97, ordered=False)
async def rule_outputs(sdk: Any, bench: Any) -> Any:
    def rule(value: Any) -> Any:
        return lambda context, results: sdk.ToolsToFinalOutputResult(is_final_output=True, final_output=value)

    plain: list[tuple[Any, Any]] = [(None, None), (7, None), ({"a": 1}, None), ("", None)]
    typed = [(None, int), (Count(a=1), Count), ({"a": 1}, Count), ("x", Count), ([Count(a=1)], list[Count]), (7, int)]
    runs = []
    for place, (value, kind) in enumerate([*plain, *typed, (7, Count), ("7", int), (True, bool)]):
        model, more = bench.lane(f"lane{place}", call("t")), {"output_type": kind} if kind else {}
        fields = {"tool_use_behavior": rule(value), "output_guardrails": [bench.output_guardrail()], **more}
        runs.append(bench.run(bench.agent(model=model, tools=[bench.tool("t")], **fields)))
    found = [shown for result in await bench.all_ended(runs) for shown in (result, repr(result.final_output))]
    bench.expect(lambda: found[1::2][:5] == ["'None'", "'7'", "\"{'a': 1}\"", "''", "None"])
    return found


@scenario("what the outputs of tools are as final outputs", 94, 97)
async def tool_outputs(sdk: Any, bench: Any) -> Any:
    found = []
    for place, value in enumerate((None, 0, "", [], {}, 1.5, True)):
        agent = bench.agent(
            model=bench.lane(f"lane{place}", call("t")), tools=[bench.tool("t", value)], tool_use_behavior=STOP
        )
        found.append(await bench.run(agent))
    bench.expect(lambda: _finals(found) == ["None", "0", "", "[]", "{}", "1.5", "True"])
    return found


@scenario("a rule that is an object, one that is asked wrongly, and one that answers wrongly", 96)
async def odd_rules(sdk: Any, bench: Any) -> Any:
    class Rule:
        async def __call__(self, context: Any, results: Any) -> Any:
            return sdk.ToolsToFinalOutputResult(is_final_output=True, final_output=results[0].output)

    rules: dict[str, Any] = {"object": Rule(), "arity": lambda context: None, "none": lambda context, results: None}
    found = []
    for name, rule in {**rules, "flag": lambda context, results: True}.items():
        model = bench.lane(name, call("t"), "never")
        found.append(
            await bench.ended(bench.run(bench.agent(model=model, tools=[bench.tool("t")], tool_use_behavior=rule)))
        )
    names = ["RunResult", "TypeError", "UserError", "UserError"]
    bench.expect(lambda: [type(each).__name__ for each in found] == names)
    return [type(each).__name__ for each in found]


@scenario("what a rule is given, and what it may change", 96, 166)
async def rule_arguments(sdk: Any, bench: Any) -> Any:
    def rule(context: Any, results: Any) -> Any:
        for one in results:
            bench.log(type(one.tool).__name__, one.tool.name, one.output, one.run_item.type, one.run_item.agent.name)
            bench.log(one.run_item.raw_item["call_id"], context.usage.requests)
        context.context["seen"] = len(results)
        return sdk.ToolsToFinalOutputResult(is_final_output=False)

    bench.script([call("t", "c1"), call("u", "c2")], "end")
    given = {"a": 1}
    agent = bench.agent(tools=[bench.tool("t", "1"), bench.tool("u", "2")], tool_use_behavior=rule)
    result = await bench.run(agent, context=given)
    return [result, given]


@scenario("a tool that stops one agent does not stop another", 70, 94, final="1", requests=3)
async def behaviour_of_each_agent(sdk: Any, bench: Any) -> Any:
    bench.script([call("t")], transfer("B"), [call("t")], "never")
    tool = bench.tool("t", "1")
    second = bench.agent("B", tools=[tool], tool_use_behavior=STOP)
    return await bench.run(bench.agent(tools=[tool], handoffs=[second], tool_use_behavior={"stop_at_tool_names": []}))


def _required(sdk: Any) -> Any:
    return sdk.ModelSettings(tool_choice="required")


def _choices(bench: Any) -> list[Any]:
    return [body.get("tool_choice") for body in bench.bodies()]


@scenario("what counts as the use of a tool", 101)
async def uses(sdk: Any, bench: Any) -> Any:
    answers = {
        "provider": search(), "unknown": call("unknown"), "failing": call("t"), "bad": call("t", _raw="{"),
        "nothing": think(),
    }  # fmt: skip
    found = []
    for name, answer in answers.items():
        model = bench.lane(name, [answer], '{"response": 1}')
        tools = [bench.tool("t", error=ValueError("x")), sdk.WebSearchTool()]
        agent = bench.agent(model=model, output_type=int, tools=tools, model_settings=_required(sdk))
        found.append(await bench.run(agent, config=TELL))
    return found


@scenario("a rejected call counts as use", 101, final="end", requests=2)
async def rejected_use(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), "end")
    agent = bench.agent(tools=[bench.tool("t", needs_approval=True)], model_settings=_required(sdk))
    result = await bench.run(agent)
    return await bench.resume(agent, result, lambda state: state.reject(result.interruptions[0]))


@scenario("the choice of agents that hand off to themselves, to namesakes, to several", 102)
async def choice_over_handoffs(sdk: Any, bench: Any) -> Any:
    def made(name: str, model: str, **fields: Any) -> Any:
        return bench.agent(name, model=model, model_settings=_required(sdk), **fields)

    model = bench.lane("itself", transfer("A"), "end")
    itself = made("A", model)
    itself.handoffs = [itself]
    found = [await bench.run(itself)]
    model = bench.lane("namesake", transfer("A"), "end")
    found.append(await bench.run(made("A", model, handoffs=[made("A", model, tools=[bench.tool("t")])])))
    model = bench.lane("several", [transfer("B"), transfer("C")], transfer("A"), "end")
    first, second, third = (made(name, model) for name in "ABC")
    first.handoffs, second.handoffs = [second, third], [first]
    return [*found, await bench.run(first)]


@scenario("the choice of an agent as a tool is its own in each of its runs", 102)
async def choice_of_agent_tool(sdk: Any, bench: Any) -> Any:
    bench.script(call("ask", input="x"), call("t"), "in", call("ask", input="y"), call("t"), "in", transfer("I"), "end")
    inner = bench.agent("I", tools=[bench.tool("t")], model_settings=_required(sdk))
    agent = bench.agent(
        tools=[inner.as_tool("ask", "Ask.")], handoffs=[inner], model_settings=_required(sdk), reset_tool_choice=False
    )
    return await bench.run(agent)


@scenario("the run's choice over agents that reset it and that do not", 101, 103, final="end", requests=4)
async def run_choice_over_handoffs(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), [say("x"), transfer("B")], call("t"), "end")
    second = bench.agent("B", tools=[bench.tool("t")], reset_tool_choice=False)
    agent = bench.agent(tools=[bench.tool("t")], handoffs=[second])
    result = await bench.run(agent, config={"model_settings": _required(sdk)})
    bench.expect(lambda: _choices(bench) == ["required", None, "required", "required"])
    return result
