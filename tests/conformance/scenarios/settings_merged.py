"""Settings of the run laid over those of the agent, field by field, and whose model answers."""

from __future__ import annotations

from typing import Any

from openai import AsyncOpenAI
from openai.types.shared import Reasoning

from tests.conformance.answers import call, say, think, transfer
from tests.conformance.registry import scenario

OF_AGENT: dict[str, Any] = {
    "temperature": 0.2, "top_p": 0.9, "max_tokens": 100, "parallel_tool_calls": False, "truncation": "auto",
    "store": False, "reasoning": Reasoning(effort="low", summary="auto"), "verbosity": "low", "top_logprobs": 2,
    "metadata": {"a": "b", "c": "d"}, "response_include": ["file_search_call.results"], "tool_choice": "auto",
    "prompt_cache_retention": "24h", "extra_query": {"q": "1"}, "extra_body": {"safety": {"x": 1}},
    "extra_headers": {"x-mine": "yes"}, "extra_args": {"user": "u", "service_tier": "flex"},
}  # fmt: skip
OF_RUN: dict[str, Any] = {
    "temperature": 0.0, "top_p": 0.0, "max_tokens": 0, "parallel_tool_calls": True, "truncation": "disabled",
    "store": True, "reasoning": Reasoning(effort="high"), "verbosity": "high", "top_logprobs": 0, "metadata": {},
    "response_include": [], "tool_choice": "required", "prompt_cache_retention": "in_memory", "extra_query": {},
    "extra_body": {"other": 1}, "extra_headers": {"x-other": "yes"}, "extra_args": {"user": "v"},
}  # fmt: skip


def _register(field: str) -> None:
    def settings(sdk: Any, values: dict[str, Any] | None) -> Any:
        return sdk.ModelSettings() if values is None else sdk.ModelSettings(**{field: values[field]})

    async def ask(sdk: Any, bench: Any, of_agent: Any, of_run: Any, **config: Any) -> None:
        agent = bench.agent(tools=[bench.tool("t")], model_settings=settings(sdk, of_agent))
        await bench.run(agent, config={"model_settings": settings(sdk, of_run), **config})

    @scenario(f"the setting {field} of the agent and of the run", 160, requests=3)
    async def responses(sdk: Any, bench: Any) -> None:
        bench.script("both", "the run's", "the agent's")
        await ask(sdk, bench, OF_AGENT, OF_RUN)
        await ask(sdk, bench, None, OF_RUN)
        await ask(sdk, bench, OF_AGENT, None)

    if field == "extra_query":  # the model server tells the API by the end of the path
        return

    @scenario(f"the setting {field} of the agent and of the run in chat completions", 160, requests=2)
    async def chat(sdk: Any, bench: Any) -> None:
        bench.script("both", "the agent's")
        provider = sdk.OpenAIProvider(base_url=bench.url, api_key="none is needed", use_responses=False)
        await ask(sdk, bench, OF_AGENT, OF_RUN, model_provider=provider)
        await ask(sdk, bench, OF_AGENT, None, model_provider=provider)


for _field in OF_AGENT:
    _register(_field)


def _client(bench: Any) -> Any:
    return AsyncOpenAI(base_url=bench.url, api_key="none is needed", max_retries=0)


@scenario("the provider's prefix before a model's name", 160, final="two", requests=2)
async def prefix(sdk: Any, bench: Any) -> Any:
    bench.script("one", "two")
    await bench.run(bench.agent(model=f"openai/{bench.model}"))
    return await bench.run(bench.agent(model="never"), config={"model": f"openai/{bench.model}"})


@scenario("a model object of the run", 160, final="one", requests=1)
async def object_of_run(sdk: Any, bench: Any) -> Any:
    bench.script("one")
    model = sdk.OpenAIResponsesModel(model=bench.model, openai_client=_client(bench))
    return await bench.run(bench.agent(model="never"), config={"model": model})


@scenario("a model object of the chat completions", 160, final="done", requests=2)
async def chat_object(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), "done")
    model = sdk.OpenAIChatCompletionsModel(model=bench.model, openai_client=_client(bench))
    return await bench.run(bench.agent(tools=[bench.tool("t")], model=model, instructions="Do."))


@scenario("a provider of one's own is asked once for each request", 160, final="done", requests=2, killable=False)
async def own_provider(sdk: Any, bench: Any) -> Any:
    client = _client(bench)

    class Provider(sdk.ModelProvider):
        def get_model(self, model_name: str | None) -> Any:
            bench.log("get_model", model_name)
            return sdk.OpenAIResponsesModel(model=bench.model, openai_client=client)

    bench.script(call("t"), "done")
    result = await bench.run(bench.agent(tools=[bench.tool("t")], model="any"), config={"model_provider": Provider()})
    bench.expect(lambda: bench.log.lines == ["get_model any", "tool t -", "get_model any"])
    return result


@scenario("a model of one's own, and what it is asked", 160, 156, final=1, requests=2, killable=False)
async def own_model(sdk: Any, bench: Any) -> Any:
    asked = sdk.OpenAIResponsesModel(model=bench.model, openai_client=_client(bench))

    class Mine(sdk.Model):
        async def get_response(self, *places: Any, **named: Any) -> Any:
            names = ("system_instructions", "input", "model_settings", "tools", "output_schema", "handoffs", "tracing")
            given = dict(zip(names, places, strict=False)) | named
            offered = [tool.name for tool in given["tools"]], [one.tool_name for one in given["handoffs"]]
            bench.log(given["system_instructions"], len(given["input"]), given["model_settings"].temperature, offered)
            bench.log(given["output_schema"].name(), given["previous_response_id"], given["conversation_id"])
            return await asked.get_response(**given)

        def stream_response(self, *_: Any, **__: Any) -> Any:
            raise NotImplementedError

    bench.script(call("t"), '{"response": 1}')
    agent = bench.agent(
        tools=[bench.tool("t")], model=Mine(), instructions="Do.", handoffs=[bench.agent("B")], output_type=int,
        model_settings=sdk.ModelSettings(temperature=0.7),
    )  # fmt: skip
    return await bench.run(agent, previous_response_id="resp_0")


@scenario("settings of a run, an agent and an agent as a tool", 139, 160, final="done", requests=3)
async def nested_settings(sdk: Any, bench: Any) -> Any:
    bench.script(call("ask", input="x"), "done")
    model = sdk.OpenAIResponsesModel(model=bench.lane("inner", "inner says"), openai_client=_client(bench))
    settings = sdk.ModelSettings(temperature=0.3, extra_args={"user": "u"})
    inner = bench.agent("Inner", model=model, model_settings=settings)
    of_run = sdk.ModelSettings(top_p=0.1, extra_args={"service_tier": "flex"})
    return await bench.run(bench.agent(tools=[inner.as_tool("ask", "Asks.")]), config={"model_settings": of_run})


@scenario("ids of reasoning items left out over handoffs and inside agents as tools", 162, requests=6)
async def omitted_everywhere(sdk: Any, bench: Any) -> Any:
    model = bench.lane("inner", [think(), call("t")], "inner says")
    inner = bench.agent("Inner", model=model, tools=[bench.tool("t")])
    second = bench.agent("B", tools=[bench.tool("t")])
    bench.script([think(), call("ask", input="x")], [think("2"), transfer("B")], [think("3"), call("t")], [think("4"),
                 say("ok")])  # fmt: skip
    agent = bench.agent(tools=[inner.as_tool("ask", "Asks.")], handoffs=[second])
    result = await bench.run(agent, config={"reasoning_item_id_policy": "omit"})
    return [result, result.to_input_list(mode="normalized"), [item.to_input_item() for item in result.new_items]]


@scenario("a filter, ids of reasoning items left out, and a wait", 159, 162, final="ok", requests=3, killable=False)
async def filter_and_policy(sdk: Any, bench: Any) -> Any:
    def shape(data: Any) -> Any:
        bench.log("filter", [(item.get("type"), "id" in item) for item in data.model_data.input])
        kept = [item for item in data.model_data.input if item.get("type") != "message"]
        return sdk.ModelInputData(input=kept, instructions=None)

    bench.script([think(), call("t"), call("pay")], [think("b"), say("m"), call("t")], "ok")
    agent = bench.agent(instructions="Do.", tools=[bench.tool("pay", needs_approval=True), bench.tool("t")])
    config = {"call_model_input_filter": shape, "reasoning_item_id_policy": "omit"}
    result = await bench.run(agent, config=config)
    return await bench.resume(agent, result, lambda state: state.reject(result.interruptions[0]), config=config)


@scenario("a filter that changes what it is given", 159, final="ok", requests=2)
async def filter_in_place(sdk: Any, bench: Any) -> Any:
    def shape(data: Any) -> Any:
        data.model_data.input[0]["content"] = "changed"
        data.model_data.input.append({"role": "user", "content": "added"})
        return data.model_data

    bench.script(call("t"), "ok")
    return await bench.run(bench.agent(tools=[bench.tool("t")]), config={"call_model_input_filter": shape})


@scenario(
    "a filter that leaves items out of a kept conversation", 155, 157, 159, final="ok", requests=3, killable=False
)
async def filter_leaves_out(sdk: Any, bench: Any) -> Any:
    def shape(data: Any) -> Any:
        bench.log("filter", len(data.model_data.input))
        return sdk.ModelInputData(input=data.model_data.input[-1:], instructions=None)

    bench.script([call("t"), call("t", text="2")], call("t", text="3"), "ok")
    given = [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]
    agent = bench.agent(tools=[bench.tool("t")])
    return await bench.run(agent, given, previous_response_id="resp_0", config={"call_model_input_filter": shape})


@scenario(
    "a prompt that cannot be made while instructions are", 161, raises="ZeroDivisionError", requests=0, killable=False
)
async def prompt_fails(sdk: Any, bench: Any) -> Any:
    import asyncio

    async def instructions(context: Any, agent: Any) -> str:
        try:
            await asyncio.sleep(5)
        except asyncio.CancelledError:
            bench.log("cancelled")
            raise
        return "Do."

    async def prompt(data: Any) -> Any:
        raise ZeroDivisionError("no prompt")

    bench.script("never")
    return await bench.run(bench.agent(instructions=instructions, prompt=prompt))
