"""What hooks are given, and runs over the Chat Completions API."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from tests.conformance.answers import call, refuse, say, transfer
from tests.conformance.registry import scenario


class Reply(BaseModel):
    text: str


@scenario("what hooks are given", 193, final="done", requests=2)
async def hook_arguments(sdk: Any, bench: Any) -> Any:
    class Hooks(sdk.RunHooks):
        async def on_llm_start(self, context: Any, agent: Any, system_prompt: Any, input_items: Any) -> None:
            bench.log("llm_start", system_prompt, len(input_items), input_items[0], context.usage.requests)

        async def on_llm_end(self, context: Any, agent: Any, response: Any) -> None:
            bench.log("llm_end", response.response_id, [item.type for item in response.output])

        async def on_tool_start(self, context: Any, agent: Any, tool: Any) -> None:
            bench.log("tool_start", tool.name, context.tool_call_id, context.tool_arguments)

        async def on_tool_end(self, context: Any, agent: Any, tool: Any, result: Any) -> None:
            bench.log("tool_end", tool.name, context.tool_name, repr(result))

        async def on_agent_start(self, context: Any, agent: Any) -> None:
            bench.log("start", len(context.turn_input), context.context)

        async def on_agent_end(self, context: Any, agent: Any, output: Any) -> None:
            bench.log("end", len(context.turn_input), output)

    bench.script(call("t", "c1", text="x"), "done")
    agent = bench.agent(instructions="Do.", tools=[bench.tool("t", [1, 2])])
    return await bench.run(agent, hooks=Hooks(), context={"who": "me"})


@scenario("all hooks over a handoff", 14, 15, 74, 193, final="from B", requests=3)
async def all_hooks(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), transfer("B"), "from B")
    second = bench.agent("B", hooks=bench.agent_hooks("of B"))
    agent = bench.agent(tools=[bench.tool("t")], handoffs=[second], hooks=bench.agent_hooks("of A"))
    return await bench.run(agent, hooks=bench.run_hooks())


@scenario("hooks that change the context", 166, final="done", killable=False)
async def hooks_change_context(sdk: Any, bench: Any) -> Any:
    class Hooks(sdk.RunHooks):
        async def on_agent_start(self, context: Any, agent: Any) -> None:
            context.context["started"] = agent.name

        async def on_llm_end(self, context: Any, agent: Any, response: Any) -> None:
            context.context["calls"] = context.context.get("calls", 0) + 1

    def instructions(context: Any, agent: Any) -> str:
        return f"{sorted(context.context.items())}"

    bench.script(call("t"), "done")
    given: dict[str, Any] = {}
    agent = bench.agent(instructions=instructions, tools=[bench.tool("t")])
    result = await bench.run(agent, hooks=Hooks(), context=given)
    bench.expect(lambda: given == {"started": "A", "calls": 2})
    return [result, given]


def _chat(sdk: Any, bench: Any, **config: Any) -> dict[str, Any]:
    provider = sdk.OpenAIProvider(base_url=bench.url, api_key="none is needed", use_responses=False)
    return {"model_provider": provider, **config}


@scenario("chat completions", 21, final="hello", requests=1)
async def chat(sdk: Any, bench: Any) -> Any:
    bench.script("hello")
    result = await bench.run(bench.agent(instructions="Be kind."), config=_chat(sdk, bench))
    bench.expect(lambda: bench.bodies()[0]["messages"][0]["role"] == "system")
    return result


@scenario("chat completions with tools and a handoff", 21, 69, final="from B", requests=3)
async def chat_tools(sdk: Any, bench: Any) -> Any:
    bench.script([say("look"), call("t", text="x"), call("t", text="y")], transfer("B"), "from B")
    agent = bench.agent(instructions="A.", tools=[bench.tool("t", {"n": 1})], handoffs=[bench.agent("B")])
    return await bench.run(agent, config=_chat(sdk, bench))


@scenario("chat completions with structured output and settings", 89, 160, requests=1)
async def chat_structured(sdk: Any, bench: Any) -> Any:
    bench.script('{"text": "x"}')
    settings = sdk.ModelSettings(
        temperature=0.5, max_tokens=9, frequency_penalty=0.1, presence_penalty=0.2, tool_choice="t"
    )
    agent = bench.agent(output_type=Reply, tools=[bench.tool("t")], model_settings=settings)
    return await bench.run(agent, config=_chat(sdk, bench))


@scenario("chat completions and a refusal", 93, raises="ModelRefusalError", requests=1)
async def chat_refusal(sdk: Any, bench: Any) -> Any:
    bench.script([refuse("not that")])
    return await bench.run(bench.agent(), config=_chat(sdk, bench))


@scenario("chat completions and a wait", 114, final="paid", requests=2)
async def chat_wait(sdk: Any, bench: Any) -> Any:
    bench.script(call("pay", text="7"), "paid")
    agent = bench.agent(tools=[bench.tool("pay", needs_approval=True)])
    result = await bench.run(agent, config=_chat(sdk, bench))
    return await bench.approve_all(agent, result, config=_chat(sdk, bench))


@scenario("a model made by hand", 160, final="hello", requests=1)
async def model_object(sdk: Any, bench: Any) -> Any:
    from openai import AsyncOpenAI

    bench.script("hello")
    client = AsyncOpenAI(base_url=bench.url, api_key="none is needed", max_retries=0)
    return await bench.run(bench.agent(model=sdk.OpenAIResponsesModel(model=bench.model, openai_client=client)))
