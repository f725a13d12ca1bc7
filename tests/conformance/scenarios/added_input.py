"""Input that is added to the state of a run that waits."""

from __future__ import annotations

from typing import Any

from tests.conformance.answers import call, say, transfer
from tests.conformance.both_ways import Resuming, both_ways

BAG = "and a bag"


def add(*inputs: Any, decide: bool = True) -> Any:
    """Decides on the first call that waits, or on none, and adds these inputs."""

    def change(state: Any, items: Any) -> None:
        if decide:
            state.approve(items[0])
        for each in inputs:
            state.add_input(each)

    return change


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def payer(bench: Any, *answers: Any, **fields: Any) -> Any:
    """An agent whose model pays first."""
    bench.script(call("pay"), *(answers or ("ok",)))
    return bench.agent(tools=[bench.tool("pay", needs_approval=True)], **fields)


def last(bench: Any) -> list[Any]:
    """The last request's input, short."""
    return [item.get("content", item.get("type")) for item in bench.bodies()[-1]["input"]]


@both_ways("approved, and input is added", 133, final="ok", log=["tool pay -"], requests=2)
async def approved(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    agent = payer(bench)
    result = await resuming.resume(agent, await bench.run(agent), add(BAG))
    kinds = [type(item).__name__ for item in result.new_items]
    bench.expect(lambda: kinds[-2:] == ["InputItem", "MessageOutputItem"])
    bench.expect(lambda: last(bench) == ["hi", "function_call", "function_call_output", BAG])
    return result


@both_ways("input is added before the decision", 133, final="ok", requests=2)
async def before_decision(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    def change(state: Any, items: Any) -> None:
        state.add_input(BAG)
        state.approve(items[0])

    agent = payer(bench)
    return await resuming.resume(agent, await bench.run(agent), change)


@both_ways("rejected, and input is added", 133, final="ok", log=[], requests=2)
async def rejected(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    def change(state: Any, items: Any) -> None:
        state.reject(items[0], rejection_message="no")
        state.add_input(BAG)

    agent = payer(bench)
    return await resuming.resume(agent, await bench.run(agent), change)


@both_ways("several inputs keep their order", 133, final="ok", requests=2)
async def several(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    agent = payer(bench)
    change = add("one", [user("two"), user("three")], "four", "four")
    return await resuming.resume(agent, await bench.run(agent), change)


@both_ways("a list of parts as added input", 133, final="ok", requests=2)
async def parts(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    agent = payer(bench)
    content = [{"type": "input_text", "text": "look"}, {"type": "input_image", "image_url": "https://example.test/x"}]
    change = add([{"type": "message", "role": "user", "content": content}, say("I said that", id="msg_x")])
    return await resuming.resume(agent, await bench.run(agent), change)


@both_ways("what is pending, and cleared", 133, final="ok", requests=2)
async def pending(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    agent = payer(bench)
    state = await resuming.state(agent, await bench.run(agent))
    state.add_input([])
    bench.log(state.pending_input)
    state.add_input("one")
    state.add_input([user("two")])
    state.pending_input.clear()
    bench.log(state.pending_input)
    state.clear_pending_input()
    bench.log(state.pending_input)
    state.add_input(BAG)
    state.approve(state.get_interruptions()[0])
    return await bench.run(agent, state)


@both_ways("a list that changes after it was added", 133, final="ok", requests=2)
async def copied(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    given = [{"role": "user", "content": [{"type": "input_text", "text": "as it was"}]}]

    def change(state: Any, items: Any) -> None:
        state.add_input(given)
        given[0]["content"][0]["text"] = "changed"  # pyright: ignore[reportArgumentType]  a list of parts
        state.approve(items[0])

    agent = payer(bench)
    return await resuming.resume(agent, await bench.run(agent), change)


@both_ways(
    "input waits while another call waits", 133, final="ok", log=["tool pay 1", "[bag]", "tool pay 2"], requests=2
)
async def stays_queued(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    bench.script([call("pay", text="1"), call("pay", text="2")], "ok")
    agent = bench.agent(tools=[bench.tool("pay", needs_approval=True)])
    second = await resuming.resume(agent, await bench.run(agent), add("bag"))
    bench.log(f"[{', '.join(item['content'] for item in second.to_state().pending_input)}]")
    return [second, await resuming.approve(agent, second)]


@both_ways("more input while another call waits", 133, final="ok", requests=2)
async def more_while_queued(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    bench.script([call("pay", text="1"), call("pay", text="2")], "ok")
    agent = bench.agent(tools=[bench.tool("pay", needs_approval=True)])
    second = await resuming.resume(agent, await bench.run(agent), add("first"))
    third = await resuming.resume(agent, second, add("second"))
    bench.expect(lambda: last(bench)[-2:] == ["first", "second"])
    return third


@both_ways("what waits is taken back while another call waits", 133, final="ok", requests=2)
async def taken_back_while_queued(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    def change(state: Any, items: Any) -> None:
        state.clear_pending_input()
        state.add_input("second")
        state.approve(items[0])

    bench.script([call("pay", text="1"), call("pay", text="2")], "ok")
    agent = bench.agent(tools=[bench.tool("pay", needs_approval=True)])
    result = await resuming.resume(agent, await resuming.resume(agent, await bench.run(agent), add("first")), change)
    bench.expect(lambda: last(bench)[-2:] == ["function_call_output", "second"])
    return result


@both_ways("added input once, over a later wait", 133, final="ok", requests=3)
async def once(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    agent = payer(bench, call("pay", text="2"), "ok")
    second = await resuming.resume(agent, await bench.run(agent), add("first"))
    bench.log(second.to_state().pending_input)
    return [second, await resuming.resume(agent, second, add("second"))]


def judged(sdk: Any, bench: Any, name: str, *, trip: Any = None, blocking: bool = True) -> Any:
    """A guardrail that logs what it is asked about, and trips on a text."""

    async def check(context: Any, agent: Any, value: Any) -> Any:
        texts = value if isinstance(value, str) else [item.get("content") for item in value]
        bench.log(name, agent.name, texts)
        return sdk.GuardrailFunctionOutput(output_info=name, tripwire_triggered=trip is not None and trip in texts)

    return sdk.InputGuardrail(guardrail_function=check, name=name, run_in_parallel=not blocking)


@both_ways("guardrails judge added input alone", 133, final="ok", requests=2, ordered=False)
async def guardrails(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    own = [judged(sdk, bench, "agent's"), judged(sdk, bench, "beside", blocking=False)]
    agent = payer(bench, input_guardrails=own)
    config = {"input_guardrails": [judged(sdk, bench, "run's")]}
    first = await bench.run(agent, config=config)
    result = await resuming.resume(agent, first, add("one", "two"), config=config)
    bench.expect(lambda: bench.log.count("run's A ['one', 'two']") == 1)
    bench.expect(lambda: len(result.input_guardrail_results) == 6)
    return result


@both_ways("guardrails are done before the model is asked", 133, final="ok", killable=False)
async def guardrails_first(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    bench.log_requests()
    agent = payer(bench, input_guardrails=[bench.input_guardrail("slow", seconds=0.3)])
    return await resuming.resume(agent, await bench.run(agent), add(BAG))


@both_ways(
    "a guardrail trips on added input", 133, raises="InputGuardrailTripwireTriggered",
    log=["check A hi", "tool pay -", "check A ['and a bag']"], requests=1,
)  # fmt: skip
async def trips(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    agent = payer(bench, input_guardrails=[judged(sdk, bench, "check", trip=BAG)])
    return await resuming.resume(agent, await bench.run(agent), add(BAG))


@both_ways(
    "a guardrail beside the model trips on added input", 133, raises="InputGuardrailTripwireTriggered", requests=1
)
async def trips_beside(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    agent = payer(bench, input_guardrails=[judged(sdk, bench, "check", trip=BAG, blocking=False)])
    return await resuming.resume(agent, await bench.run(agent), add(BAG))


@both_ways("a guardrail fails on added input", 133, raises="ValueError", requests=1)
async def guardrail_fails(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    async def check(context: Any, agent: Any, value: Any) -> Any:
        if value != "hi":
            raise ValueError("cannot judge that")
        return sdk.GuardrailFunctionOutput(output_info=None, tripwire_triggered=False)

    agent = payer(bench, input_guardrails=[sdk.InputGuardrail(guardrail_function=check, name="check")])
    return await resuming.resume(agent, await bench.run(agent), add(BAG))


@both_ways("what tripped is taken back, and the state goes on", 133, final="ok", requests=2)
async def taken_back(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    agent = payer(bench, input_guardrails=[judged(sdk, bench, "check", trip=BAG)])
    state = await resuming.decided(agent, await bench.run(agent), add(BAG))
    bench.log(type(await bench.raised(bench.run(agent, state))).__name__)
    bench.log([item["content"] for item in state.pending_input])
    state.clear_pending_input()
    state.add_input("and nothing")
    return await bench.run(agent, state)


@both_ways("input is added where a handoff waits", 133, final="from B", requests=2)
async def handoff(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    bench.script([call("pay"), transfer("B")], "from B")
    other = bench.agent("B", input_guardrails=[judged(sdk, bench, "of B")])
    tools = [bench.tool("pay", needs_approval=True)]
    agent = bench.agent(tools=tools, handoffs=[other], input_guardrails=[judged(sdk, bench, "of A")])
    result = await resuming.resume(agent, await bench.run(agent), add(BAG))
    bench.expect(lambda: bench.log.lines == ["of A A hi", "tool pay -", "of B B ['and a bag']"])
    return result


@both_ways("input is added where a handoff waits, and what a tool says ends the run", 133, final="from B", requests=2)
async def handoff_before_stop(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    bench.script([call("look"), call("pay"), transfer("B")], "from B")
    tools = [bench.tool("pay", needs_approval=True), bench.tool("look")]
    agent = bench.agent(
        tools=tools, handoffs=[bench.agent("B")], tool_use_behavior={"stop_at_tool_names": ["look"]}
    )  # fmt: skip
    return await resuming.resume(agent, await bench.run(agent), add(BAG))


@both_ways("a handoff with nested history after added input", 133, final="from B", requests=3)
async def nested_after(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    bench.script(call("pay"), transfer("B"), "from B")
    tools = [bench.tool("pay", needs_approval=True)]
    agent = bench.agent(tools=tools, handoffs=[bench.agent("B")])
    config = {"nest_handoff_history": True}
    return await resuming.resume(agent, await bench.run(agent, config=config), add(BAG), config=config)


@both_ways("a handoff's filter after added input", 133, final="from B", requests=3)
async def filtered_after(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    def kept(data: Any) -> Any:
        bench.log("before", [type(item).__name__ for item in data.pre_handoff_items])
        bench.log("new", [type(item).__name__ for item in data.new_items])
        return data

    bench.script(call("pay"), transfer("B"), "from B")
    tools = [bench.tool("pay", needs_approval=True)]
    agent = bench.agent(tools=tools, handoffs=[sdk.handoff(bench.agent("B"), input_filter=kept)])
    return await resuming.resume(agent, await bench.run(agent), add(BAG))


@both_ways("input is added where an agent as a tool waits", 133, final="ok", requests=4)
async def inside(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    inner = bench.agent("Inner", model=bench.lane("inner", call("pay"), "paid"))
    inner.tools = [bench.tool("pay", needs_approval=True)]
    bench.script(call("ask_inner", input="x"), "ok")
    agent = bench.agent(tools=[inner.as_tool("ask_inner", "Asks.")])
    result = await resuming.resume(agent, await bench.run(agent), add(BAG))
    bench.expect(lambda: BAG in last(bench) and not any(BAG in str(body) for body in bench.bodies("inner")))
    return result


@both_ways("input is added to a conversation that the provider chains", 133, final="ok", requests=2)
async def chained(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    agent = payer(bench)
    first = await bench.run(agent, previous_response_id="resp_before")
    result = await resuming.resume(agent, first, add(BAG))
    bench.expect(lambda: last(bench) == ["function_call_output", BAG])
    return result


@both_ways("input is added to a conversation that the provider keeps", 133, final="ok", requests=3)
async def kept(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    agent = payer(bench, call("pay", text="2"), "ok")
    first = await bench.run(agent, conversation_id="conv_1")
    second = await resuming.resume(agent, first, add("one", "two"))
    result = await resuming.resume(agent, second, add("three"))
    bench.expect(lambda: last(bench) == ["function_call_output", "three"])
    return [second, result]


@both_ways("input is added before a request that fails", 133, raises="BadRequestError", requests=2)
async def request_fails(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    from tests.conformance.answers import Failure

    agent = payer(bench, Failure(400))
    return await resuming.resume(agent, await bench.run(agent), add(BAG))


# Where nothing can be added


async def refused(bench: Any, resuming: Resuming, agent: Any, result: Any, text: str) -> None:
    """Adding is refused with this text, and leaves nothing."""
    state = await resuming.state(agent, result)
    try:
        state.add_input(BAG)
    except Exception as error:  # noqa: BLE001  whatever it is, it is what is compared
        bench.log(type(error).__name__, error)
    bench.log(state.pending_input)
    bench.expect(lambda: bench.log.lines[-2:] == [f"UserError {text}", "[]"])


@both_ways("nothing is added to a finished run", 133, requests=1)
async def finished(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    bench.script("done")
    agent = bench.agent()
    await refused(bench, resuming, agent, await bench.run(agent), "Cannot add input to a terminal RunState")


@both_ways("nothing is added to a run that was finished after a wait", 133, requests=2)
async def finished_after_wait(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    agent = payer(bench)
    result = await resuming.resume(agent, await bench.run(agent), add(BAG))
    await refused(bench, resuming, agent, result, "Cannot add input to a terminal RunState")


@both_ways("nothing is added where no turn is left", 133, requests=1)
async def no_turn_left(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    agent = payer(bench)
    text = "Cannot add input to a RunState with no remaining model turns"
    await refused(bench, resuming, agent, await bench.run(agent, max_turns=1), text)


@both_ways("input is added where one turn is left", 133, final="ok", requests=2)
async def one_turn_left(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    agent = payer(bench)
    return await resuming.resume(agent, await bench.run(agent, max_turns=2), add(BAG))


_MAY_END = "Cannot add input to an interrupted RunState whose tool result may end the run"


def _behaviours(sdk: Any) -> dict[str, Any]:
    def rule(context: Any, results: Any) -> Any:
        return sdk.ToolsToFinalOutputResult(is_final_output=False)

    return {
        "the first tool": "stop_on_first_tool",
        "a tool that waits": {"stop_at_tool_names": ["pay"]},
        "a tool beside it": {"stop_at_tool_names": ["look"]},
        "a function": rule,
    }


def _register(name: str) -> None:
    @both_ways(f"nothing is added where {name} may end the run", 133, requests=1)
    async def may_end(sdk: Any, bench: Any, resuming: Resuming) -> Any:
        bench.script([call("look"), call("pay")])
        tools = [bench.tool("pay", needs_approval=True), bench.tool("look")]
        agent = bench.agent(tools=tools, tool_use_behavior=_behaviours(sdk)[name])
        await refused(bench, resuming, agent, await bench.run(agent), _MAY_END)


for _name in ("the first tool", "a tool that waits", "a tool beside it", "a function"):
    _register(_name)


@both_ways("input is added where only another tool ends the run", 133, final="ok", requests=2)
async def other_tool_ends(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    bench.script(call("pay"), "ok")
    tools = [bench.tool("pay", needs_approval=True), bench.tool("look")]
    agent = bench.agent(tools=tools, tool_use_behavior={"stop_at_tool_names": ["look"]})
    return await resuming.resume(agent, await bench.run(agent), add(BAG))
