"""Model settings, prompts and filters: what a request holds."""

from __future__ import annotations

from typing import Any

from openai.types.shared import Reasoning

from tests.conformance.answers import call, think
from tests.conformance.registry import scenario


@scenario("every setting", 160, final="done", requests=1)
async def every_setting(sdk: Any, bench: Any) -> Any:
    bench.script("done")
    settings = sdk.ModelSettings(
        temperature=0.2, top_p=0.9, max_tokens=100, parallel_tool_calls=False, truncation="auto", store=False,
        reasoning=Reasoning(effort="low", summary="auto"), verbosity="low", metadata={"a": "b"}, top_logprobs=2,
        response_include=["file_search_call.results"], prompt_cache_retention="24h", tool_choice="auto",
        extra_query={"q": "1"}, extra_body={"safety": {"x": 1}}, extra_headers={"x-mine": "yes"},
        extra_args={"user": "u"},
    )  # fmt: skip
    return await bench.run(bench.agent(tools=[bench.tool("t")], model_settings=settings))


@scenario("settings of the run over those of the agent", 160, final="done", requests=1)
async def overlay(sdk: Any, bench: Any) -> Any:
    bench.script("done")
    of_agent = sdk.ModelSettings(temperature=0.2, top_p=0.5, extra_args={"user": "u", "service_tier": "flex"})
    of_run = sdk.ModelSettings(temperature=0.8, max_tokens=5, extra_args={"user": "v"})
    return await bench.run(bench.agent(model_settings=of_agent), config={"model_settings": of_run})


@scenario("the model of the run", 160, final="from the run's model", requests=1)
async def run_model(sdk: Any, bench: Any) -> Any:
    bench.script("never")
    other = bench.lane("other", "from the run's model")
    return await bench.run(bench.agent(), config={"model": other})


@scenario("the choice of a tool by name", 160, final="done", requests=1)
async def named_choice(sdk: Any, bench: Any) -> Any:
    bench.script("done")
    settings = sdk.ModelSettings(tool_choice="t")
    return await bench.run(bench.agent(tools=[bench.tool("t")], model_settings=settings))


@scenario("the choice of a tool of the provider", 160, final="done", requests=1)
async def hosted_choice(sdk: Any, bench: Any) -> Any:
    bench.script("done")
    settings = sdk.ModelSettings(tool_choice="web_search", parallel_tool_calls=True)
    return await bench.run(bench.agent(tools=[sdk.WebSearchTool()], model_settings=settings))


@scenario("parallel calls without any tool", 160, final="done", requests=1)
async def parallel_without_tools(sdk: Any, bench: Any) -> Any:
    bench.script("done")
    return await bench.run(bench.agent(model_settings=sdk.ModelSettings(parallel_tool_calls=True)))


@scenario("the settings that a reasoning model implies", 160, final="done", requests=1, alone=True)
async def implicit_settings(sdk: Any, bench: Any) -> Any:
    model = bench.lane("implied", "done", model="gpt-5.1")
    return await bench.run(bench.agent(model=model))


@scenario("a prompt", 161, final="done", requests=1)
async def prompt(sdk: Any, bench: Any) -> Any:
    bench.script("done")
    return await bench.run(bench.agent(prompt={"id": "pmpt_1", "version": "2", "variables": {"city": "Rome"}}))


@scenario("a prompt that is computed", 161, final="done", requests=2)
async def dynamic_prompt(sdk: Any, bench: Any) -> Any:
    async def make(data: Any) -> Any:
        return {"id": "pmpt_1", "variables": {"agent": data.agent.name, "requests": str(data.context.usage.requests)}}

    bench.script(call("t"), "done")
    return await bench.run(bench.agent(prompt=make, tools=[bench.tool("t")]))


@scenario("a model input filter", 159, final="done", requests=2)
async def input_filter(sdk: Any, bench: Any) -> Any:
    async def shape(data: Any) -> Any:
        bench.log("filter", data.agent.name, len(data.model_data.input), data.model_data.instructions)
        kept = [item for item in data.model_data.input if item.get("type") != "reasoning"]
        return sdk.ModelInputData(input=kept, instructions=f"{data.model_data.instructions} Briefly.")

    bench.script([think(), call("t")], "done")
    agent = bench.agent(instructions="Answer.", tools=[bench.tool("t")], hooks=bench.agent_hooks())
    result = await bench.run(agent, config={"call_model_input_filter": shape})
    bench.expect(
        lambda: bench.bodies()[1]["instructions"] == "Answer. Briefly." and len(bench.bodies()[1]["input"]) == 3
    )
    return result


@scenario("a model input filter that returns something else", 159, raises="UserError", requests=0)
async def bad_input_filter(sdk: Any, bench: Any) -> Any:
    bench.script("never")
    return await bench.run(bench.agent(), config={"call_model_input_filter": lambda data: ["something else"]})


@scenario("a model input filter and its context", 159, final="done", requests=1)
async def filter_context(sdk: Any, bench: Any) -> Any:
    def shape(data: Any) -> Any:
        given = [{"role": "user", "content": f"{data.context['city']}?"}]
        return sdk.ModelInputData(input=given, instructions=None)

    bench.script("done")
    agent = bench.agent(instructions="Answer.")
    return await bench.run(agent, context={"city": "Rome"}, config={"call_model_input_filter": shape})


@scenario("ids of reasoning items stay", 162, final="done", requests=2)
async def reasoning_ids(sdk: Any, bench: Any) -> Any:
    bench.script([think(), call("t")], "done")
    return await bench.run(bench.agent(tools=[bench.tool("t")]))


@scenario("ids of reasoning items left out", 162, final="done", requests=2)
async def reasoning_ids_omitted(sdk: Any, bench: Any) -> Any:
    bench.script([think(), call("t")], "done")
    result = await bench.run(bench.agent(tools=[bench.tool("t")]), config={"reasoning_item_id_policy": "omit"})
    bench.expect(lambda: "id" not in bench.bodies()[1]["input"][1])
    return result


@scenario("settings given as a mapping", 160, final="done", requests=1)
async def config_mapping(sdk: Any, bench: Any) -> Any:
    bench.script("done")
    config = {"model_settings": sdk.ModelSettings(temperature=0.3)}
    if sdk.name == "perdure":
        config["tool_output_format"] = "str"
    return await sdk.Runner.run(bench.agent(), "hi", run_config=config)


@scenario("a hosted MCP server", 160, final="done", requests=1)
async def hosted_mcp(sdk: Any, bench: Any) -> Any:
    bench.script("done")
    config = {
        "type": "mcp",
        "server_label": "docs",
        "server_url": "https://example.org/mcp",
        "require_approval": "never",
    }
    return await bench.run(bench.agent(tools=[sdk.HostedMCPTool(tool_config=config)]))


@scenario("the same words twice are said twice", 151, 164, final="b", requests=2)
async def duplicates(sdk: Any, bench: Any) -> Any:
    bench.script("a", "b")
    first = await bench.run(bench.agent(), "hi")
    more = [*first.to_input_list(), {"role": "user", "content": "hi"}, {"role": "user", "content": "hi"}]
    return await bench.run(bench.agent(), more)


@scenario("the usage as the provider reports it", 167, final="done", requests=2)
async def raw_usage(sdk: Any, bench: Any) -> Any:
    class Hooks(sdk.RunHooks):
        async def on_llm_end(self, context: Any, agent: Any, response: Any) -> None:
            bench.log(response.raw_usage is not None and sorted(response.raw_usage))

    bench.script(call("t"), "done")
    agent = bench.agent(tools=[bench.tool("t")], model_settings=sdk.ModelSettings(preserve_raw_usage=True))
    result = await bench.run(agent, hooks=Hooks())
    bench.expect(lambda: result.raw_responses[1].raw_usage["total_tokens"] == 15)
    return [result, *(response.raw_usage for response in result.raw_responses)]
