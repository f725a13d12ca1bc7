"""Exceptions of the user's callables end the run as they are."""

from __future__ import annotations

from typing import Any

from tests.conformance.answers import Failure, call, transfer
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
