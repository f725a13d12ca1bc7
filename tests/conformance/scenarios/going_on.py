"""States of runs that have ended or wait: what the provider keeps, policies, and who serves what comes next."""

from __future__ import annotations

from typing import Any

from tests.conformance.answers import Failure, call, refuse, say, think, transfer
from tests.conformance.both_ways import Resuming, both_ways
from tests.conformance.registry import scenario

KEPT: dict[str, dict[str, Any]] = {
    "a conversation id": {"conversation_id": "conv_1"},
    "a previous response id": {"previous_response_id": "resp_0"},
    "previous response ids": {"auto_previous_response_id": True},
}


def _payer(bench: Any, **fields: Any) -> Any:
    return bench.agent(tools=[bench.tool("pay", needs_approval=True), bench.tool("look")], **fields)


def _register_kept(name: str, options: dict[str, Any]) -> None:
    @both_ways(f"waits, decisions one by one and a handoff with {name}", 155, 156, 158, requests=4)
    async def waits_and_handoff(sdk: Any, bench: Any, resuming: Resuming) -> Any:
        second = bench.agent("B", tools=[bench.tool("pay", needs_approval=True)])
        agent = _payer(bench, handoffs=[second])
        turn = [call("pay", "p1"), call("pay", "p2"), transfer("B", "t1")]
        bench.script([think(), call("look")], turn, [say("hm"), call("pay", "p3")], "ok")
        results = [await bench.run(agent, **options)]
        for _ in range(3):
            results.append(await resuming.resume(agent, results[-1], lambda state, items: state.approve(items[0])))
        bench.expect(lambda: [len(body["input"]) for body in bench.bodies()] == [1, 1, 3, 1])
        return results

    @both_ways(f"the state of a finished run with {name}", 127, 132, requests=4)
    async def finished(sdk: Any, bench: Any, resuming: Resuming) -> Any:
        bench.script(call("look"), "ok", call("look"), "again")
        agent = _payer(bench)
        first = await bench.run(agent, **options)
        second = await bench.run(agent, await resuming.state(agent, first))
        bench.expect(lambda: [len(body["input"]) for body in bench.bodies()] == [1, 1, 0, 1])
        return [first, second]

    @both_ways(f"the state of a refused run with {name}", 126, 132, final="ok", requests=3)
    async def refused(sdk: Any, bench: Any, resuming: Resuming) -> Any:
        bench.script([call("look"), call("pay")], Failure(400), "ok")
        agent = _payer(bench)
        state = await resuming.decided(agent, await bench.run(agent, **options), lambda s, items: s.approve(items[0]))
        await bench.raised(bench.run(agent, state))
        result = await bench.run(agent, state)
        bench.expect(lambda: bench.bodies()[1]["input"] == bench.bodies()[2]["input"])
        return result


for _name, _options in KEPT.items():
    _register_kept(_name, _options)


@both_ways("ids that the provider keeps, given to an agent as a tool", 139, 155, 156, final="ok", requests=6)
async def kept_inside(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    tools = [bench.tool("look", needs_approval=True)]
    one = bench.agent("One", model=bench.lane("one", call("look"), "one says"), tools=tools)
    two = bench.agent("Two", model=bench.lane("two", call("look"), "two says"), tools=tools)
    bench.script([call("ask_one", input="a"), call("ask_two", input="b")], "ok")
    asking = [one.as_tool("ask_one", "Asks.", conversation_id="conv_1")]
    asking.append(two.as_tool("ask_two", "Asks.", previous_response_id="resp_0"))
    agent = bench.agent(tools=asking)
    result = await resuming.approve(agent, await bench.run(agent))
    bench.expect(lambda: [body["conversation"] for body in bench.bodies("one")] == ["conv_1", "conv_1"])
    bench.expect(lambda: len(bench.bodies("two")[1]["input"]) == 1)
    return result


GIVEN: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a previous response id, after another": (KEPT["a previous response id"], {"previous_response_id": "resp_x"}),
    "a previous response id for the first time": ({}, {"previous_response_id": "resp_x"}),
    "a conversation id, after another": (KEPT["a conversation id"], {"conversation_id": "conv_2"}),
    "previous response ids for the first time": ({}, KEPT["previous response ids"]),
}


def _register_given(name: str, before: dict[str, Any], given: dict[str, Any]) -> None:
    @scenario(f"{name}, with the state of a finished run", 132, final="two", requests=4, killable=False)
    async def finished(sdk: Any, bench: Any) -> Any:
        bench.script(call("look"), "one", call("look"), "two")
        agent = _payer(bench)
        result = await bench.run(agent, **before)
        return await bench.run(agent, result.to_state(), **given)

    @scenario(f"{name}, with the state of a waiting run", 132, final="two", requests=3, killable=False)
    async def waiting(sdk: Any, bench: Any) -> Any:
        bench.script([call("look"), call("pay")], call("look"), "two")
        agent = _payer(bench)
        return await bench.approve_all(agent, await bench.run(agent, **before), **given)


for _name, (_before, _given) in GIVEN.items():
    _register_given(_name, _before, _given)


@both_ways("the state of a finished run that left out ids of reasoning items", 162, 127, requests=3)
async def policy_restored(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    bench.script([think(), call("look")], [think(), say("ok")], "again")
    agent = _payer(bench)
    first = await bench.run(agent, config={"reasoning_item_id_policy": "omit"})
    second = await bench.run(agent, await resuming.state(agent, first))
    bench.expect(
        lambda: all("id" not in item for item in bench.bodies()[2]["input"] if item.get("type") == "reasoning")
    )
    return [first, second]


@both_ways("ids of reasoning items kept by the run that goes on", 162, 132, requests=3)
async def policy_given(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    bench.script([think(), call("look")], [think(), say("ok")], "again")
    agent = _payer(bench)
    first = await bench.run(agent, config={"reasoning_item_id_policy": "omit"})
    state = await resuming.state(agent, first)
    return await bench.run(agent, state, config={"reasoning_item_id_policy": "preserve"})


@both_ways("ids of reasoning items left out over a wait", 162, 132, final="ok", requests=3)
async def policy_over_wait(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    bench.script([think(), call("pay")], [think(), call("look")], "ok")
    agent = _payer(bench)
    return await resuming.approve(agent, await bench.run(agent, config={"reasoning_item_id_policy": "omit"}))


@both_ways("the state of a finished run, twice over", 127, 125, requests=5)
async def finished_twice(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    bench.script([think(), call("look")], transfer("B"), "ok", "again", "more")
    agent = _payer(bench, handoffs=[bench.agent("B")])
    results = [await bench.run(agent, max_turns=5)]
    for _ in range(2):
        results.append(await bench.run(agent, await resuming.state(agent, results[-1])))
    return results


@both_ways("the state of a run that used up its turns", 127, 8, raises="MaxTurnsExceeded", requests=2)
async def no_turns_left(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    bench.script(call("look"), "ok", "never")
    agent = _payer(bench)
    return await bench.run(agent, await resuming.state(agent, await bench.run(agent, max_turns=2)))


@both_ways("the state of a run that a tool's output ended", 127, 94, final="again", requests=2)
async def ended_by_tool(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    bench.script(call("look"), "again")
    agent = _payer(bench, tool_use_behavior="stop_on_first_tool")
    return await bench.run(agent, await resuming.state(agent, await bench.run(agent)))


@both_ways("a forced tool is let go of over a wait", 134, 102, final="ok", requests=3)
async def tool_choice_over_wait(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    bench.script(call("pay"), call("look"), "ok")
    agent = _payer(bench, model_settings=sdk.ModelSettings(tool_choice="required"))
    result = await resuming.approve(agent, await bench.run(agent))
    bench.expect(lambda: [body.get("tool_choice") for body in bench.bodies()] == ["required", None, None])
    return result


def _served_by(bench: Any, who: str) -> Any:
    async def pay() -> str:
        return f"paid by {who}"

    def instructions(context: Any, agent: Any) -> str:
        bench.log("instructions of", who)
        return "Pay."

    return bench.agent(tools=[bench.function(pay, needs_approval=True)], instructions=instructions)


@both_ways("an agent that is made anew before its run goes on", 124, 135, final="ok", requests=2)
async def made_anew(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    bench.script(call("pay"), "ok")
    result = await bench.run(_served_by(bench, "the first"))
    result = await resuming.approve(_served_by(bench, "the second"), result)
    by = "second" if resuming.through_json else "first"
    bench.expect(lambda: result.new_items[-2].output == f"paid by the {by}")
    return result


@both_ways("other hooks, handlers and filters given with a state", 132, final="from the second")
async def other_objects(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    def options(who: str) -> dict[str, Any]:
        class Hooks(sdk.RunHooks):
            async def on_tool_start(self, context: Any, agent: Any, tool: Any) -> None:
                bench.log("hooks of", who)

        def shape(data: Any) -> Any:
            bench.log("filter of", who)
            return data.model_data

        handlers = {"model_refusal": lambda given: f"from {who}"}
        return {"hooks": Hooks(), "config": {"call_model_input_filter": shape}, "error_handlers": handlers}

    bench.script(call("pay"), [refuse("no")])
    agent = _payer(bench)
    return await resuming.approve(agent, await bench.run(agent, **options("the first")), **options("the second"))


@scenario("settings, hooks and handlers first given with a state", 132, final="from other", killable=False)
async def given_late(sdk: Any, bench: Any) -> Any:
    bench.script(call("pay"), "from main")
    agent, other = _payer(bench), bench.lane("other", "from other")
    result = await bench.run(agent)
    return await bench.approve_all(agent, result, hooks=bench.run_hooks(), config={"model": other})


@scenario("hooks that are not given with the state", 132, final="ok", killable=False)
async def not_given_again(sdk: Any, bench: Any) -> Any:
    bench.script(call("pay"), "ok")
    agent = _payer(bench)
    return await bench.approve_all(agent, await bench.run(agent, hooks=bench.run_hooks()))
