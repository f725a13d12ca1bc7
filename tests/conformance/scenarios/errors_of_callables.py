"""Exceptions of the user's callables end the run as they are."""

from __future__ import annotations

from typing import Any

from tests.conformance.answers import Failure, call, say, transfer
from tests.conformance.registry import scenario


class Mine(Exception):
    """A user's own exception."""


def _fail(*_: Any) -> Any:
    raise Mine("mine")


@scenario("instructions that raise", 19, raises="Mine", requests=0)
async def instructions_raise(sdk: Any, bench: Any) -> Any:
    def instructions(context: Any, agent: Any) -> str:
        raise Mine("no instructions")

    bench.script("never")
    return await bench.run(bench.agent(instructions=instructions))


@scenario("a start hook that raises", 19, raises="HookError", requests=0)
async def start_hook_raises(sdk: Any, bench: Any) -> Any:
    bench.script("never")
    return await bench.run(bench.agent(), hooks=bench.run_hooks(error_in="start"))


@scenario("a start hook of the agent that raises", 19, raises="HookError", requests=0)
async def agent_start_hook_raises(sdk: Any, bench: Any) -> Any:
    bench.script("never")
    return await bench.run(bench.agent(hooks=bench.agent_hooks(error_in="start")))


@scenario("an LLM start hook that raises", 19, raises="HookError", requests=0)
async def llm_start_hook_raises(sdk: Any, bench: Any) -> Any:
    bench.script("never")
    return await bench.run(bench.agent(), hooks=bench.run_hooks(error_in="llm_start"))


@scenario("an LLM end hook that raises", 19, raises="HookError", requests=1)
async def llm_end_hook_raises(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), "never")
    return await bench.run(bench.agent(tools=[bench.tool("t")]), hooks=bench.run_hooks(error_in="llm_end"))


@scenario("an end hook that raises", 19, raises="HookError", requests=1)
async def end_hook_raises(sdk: Any, bench: Any) -> Any:
    bench.script("done")
    return await bench.run(
        bench.agent(output_guardrails=[bench.output_guardrail()]), hooks=bench.run_hooks(error_in="end")
    )


@scenario("a handoff hook that raises", 19, raises="HookError", requests=1)
async def handoff_hook_raises(sdk: Any, bench: Any) -> Any:
    bench.script(transfer("B"), "never")
    return await bench.run(bench.agent(handoffs=[bench.agent("B")]), hooks=bench.run_hooks(error_in="handoff"))


@scenario("an on_handoff callback that raises", 19, 73, raises="Mine", requests=1)
async def on_handoff_raises(sdk: Any, bench: Any) -> Any:
    def callback(context: Any) -> None:
        raise Mine("no handoff")

    bench.script(transfer("B"), "never")
    return await bench.run(bench.agent(handoffs=[sdk.handoff(bench.agent("B"), on_handoff=callback)]))


@scenario("a handoff filter that raises", 19, 78, raises="Mine", requests=1)
async def handoff_filter_raises(sdk: Any, bench: Any) -> Any:
    bench.script(transfer("B"), "never")
    return await bench.run(bench.agent(handoffs=[sdk.handoff(bench.agent("B"), input_filter=_fail)]))


@scenario("a model input filter that raises", 19, raises="Mine", requests=0)
async def input_filter_raises(sdk: Any, bench: Any) -> Any:
    bench.script("never")
    return await bench.run(bench.agent(), config={"call_model_input_filter": _fail})


@scenario("a tool_use_behavior that raises", 96, raises="Mine", requests=1)
async def tool_use_behavior_raises(sdk: Any, bench: Any) -> Any:
    def behaviour(context: Any, results: Any) -> Any:
        raise Mine("no behaviour")

    bench.script(call("t"), "never")
    return await bench.run(bench.agent(tools=[bench.tool("t")], tool_use_behavior=behaviour))


@scenario("an is_enabled that raises", 52, raises="Mine", requests=0)
async def is_enabled_raises(sdk: Any, bench: Any) -> Any:
    def enabled(context: Any, agent: Any) -> bool:
        raise Mine("no idea")

    bench.script("never")
    return await bench.run(bench.agent(tools=[bench.tool("t", is_enabled=enabled)]))


@scenario("a request that the provider refuses", 179, raises="BadRequestError", requests=1)
async def provider_refuses(sdk: Any, bench: Any) -> Any:
    bench.script(Failure(400, "not this way"), "never")
    return await bench.run(bench.agent(), hooks=bench.run_hooks())


@scenario(
    "a request that the provider refuses in the second turn",
    179,
    raises="BadRequestError",
    requests=2,
    log=["tool t -"],
)
async def provider_refuses_later(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), Failure(400, "not this way"), "never")
    return await bench.run(bench.agent(tools=[bench.tool("t")]))


@scenario("run hooks that are agent hooks", 194, raises="TypeError", requests=0)
async def agent_hooks_as_run_hooks(sdk: Any, bench: Any) -> Any:
    bench.script("never")
    return await bench.run(bench.agent(), hooks=bench.agent_hooks())


@scenario("run_sync in a running loop", 194, raises="RuntimeError", requests=0)
async def sync_in_a_loop(sdk: Any, bench: Any) -> Any:
    bench.script("never")
    return sdk.Runner.run_sync(bench.agent(), "hi", run_config=bench.config())


@scenario("an exception of a hook carries no run data, one of the loop does", 178)
async def who_carries_run_data(sdk: Any, bench: Any) -> Any:
    bench.script("one", call("unknown"))
    foreign = await bench.raised(bench.run(bench.agent(), hooks=bench.run_hooks(error_in="end")))
    own = await bench.raised(bench.run(bench.agent()))
    bench.expect(lambda: not hasattr(foreign, "run_data") and own.run_data is not None)
    return [foreign, own]


@scenario("each hook of two agents that raises", 19, 61, ordered=False)
async def each_hook_raises(sdk: Any, bench: Any) -> Any:
    runs = []
    for event in ("start", "llm_start", "llm_end", "end", "handoff", "tool_start"):
        for owner in ("run", "agent"):
            model = bench.lane(f"{event} of {owner}", call("t"), [say("x"), transfer("B")], "end")
            of_run, of_agent = (event, None) if owner == "run" else (None, event)
            second = bench.agent("B", model=model, hooks=bench.agent_hooks("B", error_in=of_agent))
            hooks = bench.agent_hooks("A", error_in=of_agent)
            agent = bench.agent(model=model, tools=[bench.tool("t")], handoffs=[second], hooks=hooks)
            runs.append(bench.run(agent, hooks=bench.run_hooks(error_in=of_run)))
    found = await bench.all_ended(runs)
    expected = ["HookError"] * 10 + ["UserError"] * 2
    bench.expect(lambda: [type(each).__name__ for each in found] == expected)
    return found


@scenario("instructions of the next agent that raise", 19, raises="Mine", requests=1)
async def next_instructions_raise(sdk: Any, bench: Any) -> Any:
    bench.script([say("x"), transfer("B")], "never")
    return await bench.run(bench.agent(handoffs=[bench.agent("B", instructions=lambda context, agent: _fail())]))


@scenario("exceptions of the SDK in callables", 19)
async def sdk_errors(sdk: Any, bench: Any) -> Any:
    def fail(*_: Any) -> Any:
        raise sdk.UserError("mine")

    agents = {
        "instructions": {"instructions": lambda context, agent: fail()},
        "enabled": {"tools": [bench.tool("t", is_enabled=lambda context, agent: fail())]},
        "handoff": {"handoffs": [sdk.handoff(bench.agent("B"), on_handoff=lambda context: fail())]},
        "filter": {"handoffs": [sdk.handoff(bench.agent("B"), input_filter=fail)]},
    }
    found = []
    for name, fields in agents.items():
        model = bench.lane(name, transfer("B"), "never")
        found.append(await bench.raised(bench.run(bench.agent(model=model, **fields))))
    bench.expect(lambda: all(isinstance(each, sdk.UserError) for each in found))
    return found


@scenario("switches and mappers that raise", 19, 76, 83)
async def switches_and_mappers_raise(sdk: Any, bench: Any) -> Any:
    bench.script(transfer("B"), transfer("B"))
    off = bench.agent(handoffs=[sdk.handoff(bench.agent("B"), is_enabled=lambda context, agent: _fail())])
    arity = bench.agent(tools=[bench.tool("t", is_enabled=lambda: True)])
    found = [await bench.raised(bench.run(agent)) for agent in (off, arity)]
    for mapper in (_fail, lambda transcript: None):
        config = {"nest_handoff_history": True, "handoff_history_mapper": mapper}
        found.append(await bench.raised(bench.run(bench.agent(handoffs=[bench.agent("B")]), config=config)))
    names = [type(each).__name__ for each in found]
    bench.expect(lambda: names == ["Mine", "TypeError", "Mine", "TypeError"])
    return names
