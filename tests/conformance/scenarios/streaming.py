"""Streamed runs: which events come, with what, in which order, and what the result is after them."""

from __future__ import annotations

from typing import Any

from openai import AsyncOpenAI
from pydantic import BaseModel

from tests.conformance.answers import call, refuse, said, say, search, think, transfer
from tests.conformance.projection import plain
from tests.conformance.registry import scenario


class Weather(BaseModel):
    """An output type."""

    city: str
    degrees: int


@scenario("a streamed text", 181, 183, final="hello out there", requests=1, killable=False)
async def text(sdk: Any, bench: Any) -> Any:
    bench.script("hello out there")
    return await bench.stream(bench.agent())


@scenario("a streamed text of several parts", 181, 183, requests=1, killable=False)
async def parts(sdk: Any, bench: Any) -> Any:
    bench.script(say("one two", "three"))
    return await bench.stream(bench.agent())


@scenario("streamed thoughts", 182, 183, final="so it is", requests=1, killable=False)
async def thoughts(sdk: Any, bench: Any) -> Any:
    bench.script([think("hmm, well"), say("so it is")])
    return await bench.stream(bench.agent())


@scenario("a tool in a streamed run", 182, 183, 185, final="done", requests=2, killable=False)
async def tool(sdk: Any, bench: Any) -> Any:
    bench.script([say("let me look"), call("look", text="up")], "done")
    return await bench.stream(bench.agent(tools=[bench.tool("look", "a bird")]))


@scenario("parallel tools in a streamed run", 183, 185, final="done", ordered=False, requests=2, killable=False)
async def parallel_tools(sdk: Any, bench: Any) -> Any:
    bench.script([call("slow", text="1"), call("look", text="2"), call("look", text="3")], "done")
    return await bench.stream(bench.agent(tools=[bench.tool("slow", "late", seconds=0.1), bench.tool("look", "soon")]))


@scenario("a tool that fails in a streamed run", 183, final="done", requests=2, killable=False)
async def failing_tool(sdk: Any, bench: Any) -> Any:
    bench.script(call("look"), "done")
    return await bench.stream(bench.agent(tools=[bench.tool("look", error=ValueError("blind"))]))


@scenario("a tool that the provider runs, streamed", 182, final="found", requests=1, killable=False)
async def hosted(sdk: Any, bench: Any) -> Any:
    bench.script([search(), say("found")])
    return await bench.stream(bench.agent(tools=[sdk.WebSearchTool()]))


@scenario("a streamed handoff", 182, 183, 184, 185, final="I am B", requests=2, killable=False)
async def handoff(sdk: Any, bench: Any) -> Any:
    bench.lane("b", "I am B")
    bench.script(transfer("B"))
    other = bench.agent("B", model=bench.lane("b"))
    return await bench.stream(bench.agent(handoffs=[other]))


@scenario("a streamed handoff beside a tool", 183, 184, final="I am B", requests=2, killable=False)
async def handoff_and_tool(sdk: Any, bench: Any) -> Any:
    bench.script([say("over to B"), call("look"), transfer("B")])
    other = bench.agent("B", model=bench.lane("b", "I am B"))
    return await bench.stream(bench.agent(tools=[bench.tool("look")], handoffs=[other]))


@scenario("two streamed handoffs at once", 184, final="I am B", requests=2, killable=False)
async def two_handoffs(sdk: Any, bench: Any) -> Any:
    bench.script([transfer("B"), transfer("C")])
    others = [bench.agent(name, model=bench.lane(name.lower(), f"I am {name}")) for name in ("B", "C")]
    return await bench.stream(bench.agent(handoffs=others))


@scenario("a streamed handoff there and back", 183, final="back again", requests=3, killable=False)
async def there_and_back(sdk: Any, bench: Any) -> Any:
    bench.script(transfer("B"), "back again")
    agent = bench.agent()
    other = bench.agent("B", model=bench.lane("b", transfer("A")), handoffs=[agent])
    agent.handoffs = [other]
    return await bench.stream(agent)


@scenario("a streamed handoff whose filter leaves tools out", 183, 184, final="I am B", requests=3, killable=False)
async def filtered_handoff(sdk: Any, bench: Any) -> Any:
    bench.script(call("look"), [call("look"), transfer("B")])
    other = bench.agent("B", model=bench.lane("b", "I am B"))
    handoffs = [sdk.handoff(other, input_filter=sdk.remove_all_tools)]
    return await bench.stream(bench.agent(tools=[bench.tool("look")], handoffs=handoffs))


@scenario("an input guardrail lets a streamed run pass", 29, final="fine", requests=1, killable=False)
async def input_guardrail(sdk: Any, bench: Any) -> Any:
    bench.script("fine")
    return await bench.stream(bench.agent(input_guardrails=[bench.input_guardrail(blocking=True)]))


@scenario("a blocking input guardrail stops a streamed run", 30, 180, requests=0, killable=False)
async def input_trip(sdk: Any, bench: Any) -> Any:
    bench.script("never")
    return await bench.stream(bench.agent(input_guardrails=[bench.input_guardrail(trip=True, blocking=True)]))


@scenario("an output guardrail lets a streamed run pass", 39, final="fine", requests=1, killable=False)
async def output_guardrail(sdk: Any, bench: Any) -> Any:
    bench.script("fine")
    return await bench.stream(bench.agent(output_guardrails=[bench.output_guardrail()]))


@scenario("an output guardrail stops a streamed run", 39, 180, requests=1, killable=False)
async def output_trip(sdk: Any, bench: Any) -> Any:
    bench.script("bad words")
    return await bench.stream(bench.agent(output_guardrails=[bench.output_guardrail(trip=True)]))


@scenario("a streamed run that waits", 186, requests=1, killable=False)
async def waits(sdk: Any, bench: Any) -> Any:
    bench.script([say("may I?"), call("pay", text="7")])
    return await bench.stream(bench.agent(tools=[bench.tool("pay", needs_approval=True)]))


@scenario("a streamed run that waits beside a tool that ran", 186, requests=1, killable=False)
async def waits_beside(sdk: Any, bench: Any) -> Any:
    bench.script([call("look"), call("pay", text="7")])
    return await bench.stream(bench.agent(tools=[bench.tool("pay", needs_approval=True), bench.tool("look")]))


@scenario("a streamed run goes on after a yes", 128, 186, final="paid", requests=2, killable=False)
async def approved(sdk: Any, bench: Any) -> Any:
    bench.script(call("pay", text="7"), "paid")
    agent = bench.agent(tools=[bench.tool("pay", "done", needs_approval=True)])
    *before, result = await bench.stream(agent)
    state = result.to_state()
    state.approve(result.interruptions[0])
    return [*before, *await bench.stream(agent, state)]


@scenario("a streamed run goes on after a no", 128, 186, final="well", requests=2, killable=False)
async def rejected(sdk: Any, bench: Any) -> Any:
    bench.script(call("pay", text="7"), "well")
    agent = bench.agent(tools=[bench.tool("pay", "done", needs_approval=True)])
    *before, result = await bench.stream(agent)
    state = result.to_state()
    state.reject(result.interruptions[0])
    return [*before, *await bench.stream(agent, state)]


@scenario("a streamed run goes on with one of two calls", 128, 186, final="paid", requests=2, killable=False)
async def one_after_another(sdk: Any, bench: Any) -> Any:
    bench.script([call("pay", text="1"), call("look"), call("pay", text="2")], "paid")
    agent = bench.agent(tools=[bench.tool("pay", "done", needs_approval=True), bench.tool("look")])
    *told, result = await bench.stream(agent)
    while result.interruptions:
        state = result.to_state()
        state.approve(result.interruptions[0])
        *more, result = await bench.stream(agent, state)
        told += more
    return [*told, result]


@scenario("a run that was not streamed goes on streamed", 128, 186, final="paid", requests=3, killable=False)
async def goes_on_streamed(sdk: Any, bench: Any) -> Any:
    bench.script(call("look"), call("pay", text="7"), "paid")
    agent = bench.agent(tools=[bench.tool("look"), bench.tool("pay", "done", needs_approval=True)])
    result = await bench.run(agent)
    state = result.to_state()
    state.approve(result.interruptions[0])
    return await bench.stream(agent, state)


@scenario("a streamed run goes on unstreamed", 128, final="paid", requests=2, killable=False)
async def goes_on_unstreamed(sdk: Any, bench: Any) -> Any:
    bench.script(call("pay", text="7"), "paid")
    agent = bench.agent(tools=[bench.tool("pay", "done", needs_approval=True)])
    result = (await bench.stream(agent))[-1]
    return await bench.approve_all(agent, result)


@scenario("an agent as a tool in a streamed run", 145, final="told", requests=3, killable=False)
async def agent_as_tool(sdk: Any, bench: Any) -> Any:
    bench.script(call("ask_b", input="what?"), "told")
    inner = bench.agent("B", model=bench.lane("b", "that"))
    outer = bench.agent(tools=[inner.as_tool("ask_b", "Asks B.")])
    return await bench.stream(outer)


@scenario("a streamed output type", 182, requests=1, killable=False)
async def output_type(sdk: Any, bench: Any) -> Any:
    bench.script('{"city": "Rome", "degrees": 31}')
    return await bench.stream(bench.agent(output_type=Weather))


@scenario("a streamed output of another type", 180, requests=1, killable=False)
async def wrong_output_type(sdk: Any, bench: Any) -> Any:
    bench.script('{"town": "Rome"}')
    return await bench.stream(bench.agent(output_type=Weather))


@scenario("a streamed refusal", 180, requests=1, killable=False)
async def refusal(sdk: Any, bench: Any) -> Any:
    bench.script(refuse("I will not"))
    return await bench.stream(bench.agent())


@scenario("a streamed run at its limit of turns", 10, 180, requests=1, killable=False)
async def max_turns(sdk: Any, bench: Any) -> Any:
    bench.script(call("look"), "never")
    return await bench.stream(bench.agent(tools=[bench.tool("look")]), max_turns=1)


@scenario("a streamed run without any turn", 6, 180, requests=0, killable=False)
async def no_turns(sdk: Any, bench: Any) -> Any:
    bench.script("never")
    return await bench.stream(bench.agent(), max_turns=0)


@scenario("a handler's words at a streamed run's limit", 177, requests=1, killable=False)
async def handled_max_turns(sdk: Any, bench: Any) -> Any:
    def handle(data: Any) -> Any:
        return sdk.RunErrorHandlerResult(final_output="that was all")

    bench.script(call("look"), "never")
    agent = bench.agent(tools=[bench.tool("look")])
    return await bench.stream(agent, max_turns=1, error_handlers={"max_turns": handle})


@scenario("a streamed call of an unknown tool", 180, requests=1, killable=False)
async def unknown_tool(sdk: Any, bench: Any) -> Any:
    bench.script(call("nothing"))
    return await bench.stream(bench.agent())


@scenario("a tool that ends a streamed run", 183, final="a bird", requests=1, killable=False)
async def stops_on_first_tool(sdk: Any, bench: Any) -> Any:
    bench.script(call("look"))
    return await bench.stream(bench.agent(tools=[bench.tool("look", "a bird")], tool_use_behavior="stop_on_first_tool"))


@scenario("hooks of a streamed run", 192, final="done", requests=2, killable=False)
async def hooks(sdk: Any, bench: Any) -> Any:
    bench.script(call("look"), "done")
    return await bench.stream(
        bench.agent(tools=[bench.tool("look")], hooks=bench.agent_hooks()), hooks=bench.run_hooks()
    )


@scenario("a streamed answer that was cut", 187, requests=1, killable=False)
async def incomplete(sdk: Any, bench: Any) -> Any:
    bench.script(said("half", status="incomplete", incomplete_details={"reason": "max_output_tokens"}))
    return await bench.stream(bench.agent())


@scenario("a streamed answer that failed", 187, requests=1, killable=False)
async def failed(sdk: Any, bench: Any) -> Any:
    bench.script(said("half", status="failed", error={"code": "invalid_prompt", "message": "No."}))
    return await bench.stream(bench.agent())


@scenario("a streamed run that nobody reads", 188, final="done", requests=2, killable=False)
async def unread(sdk: Any, bench: Any) -> Any:
    bench.script(call("look"), "done")
    result = bench.run_streamed(bench.agent(tools=[bench.tool("look")]))
    bench.log("complete", result.is_complete)
    await result.run_loop_task
    bench.log("complete", result.is_complete)
    return result


@scenario("events that are read twice", 188, final="done", requests=1, killable=False)
async def read_twice(sdk: Any, bench: Any) -> Any:
    bench.script("done")
    result = bench.run_streamed(bench.agent())
    first = await bench.told(result)
    return [*first[:-1], "again", *await bench.told(result)]


@scenario("the turn and the agent of a streamed run", 188, 10, final="I am B", requests=2, killable=False)
async def turn_and_agent(sdk: Any, bench: Any) -> Any:
    bench.script(transfer("B"))
    other = bench.agent("B", model=bench.lane("b", "I am B"))
    result = bench.run_streamed(bench.agent(handoffs=[other]))
    bench.log(result.current_turn, result.current_agent.name, result.max_turns, result.final_output)
    ended = await bench.told(result)
    bench.log(result.current_turn, result.current_agent.name, result.max_turns, result.final_output)
    return ended


@scenario("a streamed run that is cancelled before it is read", 189, killable=False)
async def cancelled_before(sdk: Any, bench: Any) -> Any:
    result = bench.run_streamed(bench.agent())
    result.cancel()
    result.cancel()
    *told, last = await bench.told(result)
    return [*told, last.final_output, last.is_complete]


@scenario("a streamed run that is cancelled while it is read", 189, killable=False)
async def cancelled_while(sdk: Any, bench: Any) -> Any:
    bench.script("one two three")
    result = bench.run_streamed(bench.agent())

    def stop(event: Any) -> None:
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
            result.cancel()

    *told, last = await bench.told(result, stop)
    return [*told, last.final_output, last.is_complete]


@scenario("a streamed run that is stopped after its turn", 190, requests=1, killable=False)
async def stopped_after_turn(sdk: Any, bench: Any) -> Any:
    bench.script([call("look"), call("look", text="again")], "never")
    result = bench.run_streamed(bench.agent(tools=[bench.tool("look")]))
    ended = await bench.told(result, lambda event: result.cancel(mode="after_turn"))
    bench.log(result.is_complete, result.current_turn, len(result.interruptions))
    return ended


@scenario("a streamed run that is stopped after its last turn", 190, final="done", requests=1, killable=False)
async def stopped_after_last_turn(sdk: Any, bench: Any) -> Any:
    bench.script("done")
    result = bench.run_streamed(bench.agent())
    return await bench.told(result, lambda event: result.cancel(mode="after_turn"))


@scenario("a streamed run that is stopped after its turn goes on", 191, final="done", requests=2, killable=False)
async def stopped_and_resumed(sdk: Any, bench: Any) -> Any:
    bench.script(call("look"), "done")
    agent = bench.agent(tools=[bench.tool("look")])
    result = bench.run_streamed(agent)
    ended = await bench.told(result, lambda event: result.cancel(mode="after_turn"))
    return [*ended, *await bench.stream(agent, result.to_state())]


@scenario("a streamed run that is stopped after a handoff goes on", 191, final="I am B", requests=2, killable=False)
async def stopped_after_handoff(sdk: Any, bench: Any) -> Any:
    bench.script(transfer("B"))
    agent = bench.agent(handoffs=[bench.agent("B", model=bench.lane("b", "I am B"))])
    result = bench.run_streamed(agent)
    ended = await bench.told(result, lambda event: result.cancel(mode="after_turn"))
    return [*ended, *await bench.stream(agent, result.to_state())]


@scenario("a streamed run that waits is stopped after its turn", 190, final="paid", requests=2, killable=False)
async def stopped_while_waiting(sdk: Any, bench: Any) -> Any:
    bench.script(call("pay"), "paid")
    agent = bench.agent(tools=[bench.tool("pay", needs_approval=True)])
    result = bench.run_streamed(agent)
    ended = await bench.told(result, lambda event: result.cancel(mode="after_turn"))
    state = result.to_state()
    state.approve(result.interruptions[0])
    return [*ended, *await bench.stream(agent, state)]


@scenario("a streamed chat", 181, 183, final="hello out there", requests=1, killable=False)
async def chat(sdk: Any, bench: Any) -> Any:
    bench.script("hello out there")
    return _without_names(await bench.stream(_chat_agent(sdk, bench)))


@scenario("tools in a streamed chat", 181, 183, final="done", requests=2, killable=False)
async def chat_tools(sdk: Any, bench: Any) -> Any:
    bench.script([say("let me look"), call("look", text="up and down"), call("look", text="b")], "done")
    return _without_names(await bench.stream(_chat_agent(sdk, bench, tools=[bench.tool("look")])))


@scenario("a refusal in a streamed chat", 180, requests=1, killable=False)
async def chat_refusal(sdk: Any, bench: Any) -> Any:
    bench.script(refuse("I will not"))
    return _without_names(await bench.stream(_chat_agent(sdk, bench)))


def _chat_agent(sdk: Any, bench: Any, **fields: Any) -> Any:
    client = AsyncOpenAI(base_url=bench.url, api_key="none is needed", max_retries=0)
    return bench.agent(model=sdk.OpenAIChatCompletionsModel(model=bench.model, openai_client=client), **fields)


def _without_names(told: list[Any]) -> list[Any]:
    """What a streamed chat tells, without the names that the SDK makes up for its responses."""
    *events, result = told

    def short(event: list[Any]) -> list[Any]:
        if event[0] != "raw_response_event":
            return event
        return [*event[:2], *(event[2].get(name) for name in ("delta", "output_index", "content_index"))]

    made_up = ("responses", "last_response_id", "run_data")
    return [*map(short, events), {key: each for key, each in plain(result).items() if key not in made_up}]
