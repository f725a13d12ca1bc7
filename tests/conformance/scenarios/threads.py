"""A thread behaves as `Runner.run` with a session, message after message: results, requests, and what is kept."""

from __future__ import annotations

from typing import Any

from tests.conformance.answers import Failure, call, say, think, transfer
from tests.conformance.both_ways import Resuming, both_ways
from tests.conformance.registry import scenario
from tests.conformance.sides import AGENTS


class Conversation:
    """A conversation: on the side of the Agents SDK a session and the last agent, which a thread remembers itself."""

    def __init__(self, sdk: Any, bench: Any) -> None:
        self._sdk, self._bench = sdk, bench
        self._session = sdk.SQLiteSession(bench.slug) if sdk.name == AGENTS else None
        self._last: Any = None
        self._said = 0

    async def say(self, agent: Any, text: Any = "hi", **options: Any) -> Any:
        """What comes of a message: the result, or what it raises."""
        self._said += 1
        if self._session is not None:
            run = self._bench.run(self._last or agent, text, session=self._session, **options)
        else:
            named = {"thread": self._bench.slug, "message_id": f"m{self._said}"}
            run = self._bench.run(agent, text, **named, **options)
        return self._ended(await self._bench.ended(run))

    async def stream(self, agent: Any, text: Any = "hi") -> list[Any]:
        """All that a message tells while it is under way, and its result."""
        self._said += 1
        named = {"session": self._session} if self._session is not None else {"thread": self._bench.slug}
        told = await self._bench.stream(self._last or agent if self._session is not None else agent, text, **named)
        self._last = getattr(told[-1], "last_agent", None) or self._last
        return told

    async def go_on(self, agent: Any, state: Any, **options: Any) -> Any:
        """What comes of a message whose calls have waited."""
        more = {} if self._session is None else {"session": self._session}
        return self._ended(await self._bench.ended(self._bench.run(agent, state, **more, **options)))

    def _ended(self, ended: Any) -> Any:
        self._last = getattr(ended, "last_agent", None) or self._last
        return ended

    async def items(self) -> list[Any]:
        """What is kept."""
        if self._session is not None:
            return await self._session.get_items()
        return await (await self._sdk.Runner.thread(self._bench.slug)).history()


@scenario("a thread of three messages", 146, 147, final="three", requests=3)
async def three_messages(sdk: Any, bench: Any) -> Any:
    bench.script("one", "two", "three")
    talk, agent = Conversation(sdk, bench), bench.agent()
    return [await talk.say(agent), await talk.say(agent, "more"), await talk.say(agent, "again"), *await talk.items()]


@scenario("a thread with tools, reasoning and hooks", 14, 147, final="done", requests=5, ordered=False)
async def tools_and_hooks(sdk: Any, bench: Any) -> Any:
    bench.script([think(), call("t")], "one", [call("t"), call("t")], [think("so"), call("t")], "done")
    talk, agent = Conversation(sdk, bench), bench.agent(tools=[bench.tool("t")])
    first = await talk.say(agent, hooks=bench.run_hooks())
    return [first, await talk.say(agent, "more", hooks=bench.run_hooks()), *await talk.items()]


@scenario("a thread's limit of turns counts for each message", 3, 147, final="done", requests=5)
async def turns_of_each_message(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), "one", call("t"), call("t"), "done")
    talk, agent = Conversation(sdk, bench), bench.agent(tools=[bench.tool("t")])
    first = await talk.say(agent, max_turns=2)
    second = await talk.say(agent, "too much", max_turns=2)
    return [first, second, await talk.say(agent, "more", max_turns=1), *await talk.items()]


@scenario("a thread goes on after a model that fails", 152, final="two", requests=4)
async def after_a_failure(sdk: Any, bench: Any) -> Any:
    bench.script("one", call("t"), Failure(400), "two")
    talk, agent = Conversation(sdk, bench), bench.agent(tools=[bench.tool("t")])
    said = [await talk.say(agent), await talk.say(agent, "fail"), await talk.say(agent, "more")]
    return [*said, *await talk.items()]


@scenario("a thread goes on after a tool that fails", 152, final="two", requests=2)
async def after_a_failing_tool(sdk: Any, bench: Any) -> Any:
    bench.script([call("t"), call("u")], "two")
    tools = [bench.tool("t", error=ValueError("no"), failure_error_function=None), bench.tool("u")]
    talk, agent = Conversation(sdk, bench), bench.agent(tools=tools)
    return [await talk.say(agent), await talk.say(agent, "more"), *await talk.items()]


@scenario("a thread, and input guardrails that see all of it", 36, final="two", requests=2)
async def input_guardrails(sdk: Any, bench: Any) -> Any:
    bench.script("one", "two")
    seen: list[Any] = []

    @sdk.input_guardrail(run_in_parallel=False)
    async def look(context: Any, agent: Any, given: Any) -> Any:
        seen.append(given)
        return sdk.GuardrailFunctionOutput(output_info=None, tripwire_triggered=False)

    talk, agent = Conversation(sdk, bench), bench.agent(input_guardrails=[look])
    return [await talk.say(agent), await talk.say(agent, "more"), {"seen": seen}, *await talk.items()]


@scenario("a thread, and an input guardrail that trips", 29, final="two", requests=2)
async def input_guardrail_trips(sdk: Any, bench: Any) -> Any:
    bench.script("one", "two")

    @sdk.input_guardrail(run_in_parallel=False)
    async def no_bad(context: Any, agent: Any, given: Any) -> Any:
        return sdk.GuardrailFunctionOutput(output_info=None, tripwire_triggered=given[-1]["content"] == "bad")

    talk, agent = Conversation(sdk, bench), bench.agent(input_guardrails=[no_bad])
    said = [await talk.say(agent), await talk.say(agent, "bad"), await talk.say(agent, "more")]
    return [*said, *await talk.items()]


@scenario("a thread, and an output guardrail that trips", 40, final="fine", requests=3)
async def output_guardrail_trips(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), "bad", "fine")

    @sdk.output_guardrail
    async def no_bad(context: Any, agent: Any, output: Any) -> Any:
        return sdk.GuardrailFunctionOutput(output_info=None, tripwire_triggered=output == "bad")

    talk, agent = Conversation(sdk, bench), bench.agent(output_guardrails=[no_bad], tools=[bench.tool("t")])
    return [await talk.say(agent), await talk.say(agent, "more"), *await talk.items()]


@scenario("a thread goes on at the agent that spoke last", 146, final="three", requests=4)
async def last_agent(sdk: Any, bench: Any) -> Any:
    bench.script(transfer("B"), "one", "two", "three")
    talk, agent = Conversation(sdk, bench), bench.agent(handoffs=[bench.agent("B")])
    return [await talk.say(agent), await talk.say(agent, "more"), await talk.say(agent, "again"), *await talk.items()]


@scenario("a thread, and nested history", 81, final="two", requests=4)
async def nested_history(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), [say("wait"), transfer("B")], "one", "two")
    other = bench.agent("B")
    talk, agent = Conversation(sdk, bench), bench.agent(tools=[bench.tool("t")], handoffs=[other])
    config = {"nest_handoff_history": True}
    return [await talk.say(agent, config=config), await talk.say(agent, "more", config=config), *await talk.items()]


@scenario("a thread, and a filter that drops items", 79, final="two", requests=4)
async def handoff_filter(sdk: Any, bench: Any) -> Any:
    def drop(data: Any) -> Any:
        return data.clone(input_history=data.input_history[-1:], pre_handoff_items=(), new_items=data.new_items[1:])

    bench.script("zero", [say("wait"), transfer("B")], "one", "two")
    agent = bench.agent(handoffs=[sdk.handoff(bench.agent("B"), input_filter=drop)])
    talk = Conversation(sdk, bench)
    said = [await talk.say(agent), await talk.say(agent, "go"), await talk.say(agent, "more")]
    return [*said, *await talk.items()]


@both_ways("a thread whose message waits for a person", 110, 130, final="two", requests=3)
async def waiting(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    bench.script(call("t"), "one", "two")
    talk, agent = Conversation(sdk, bench), bench.agent(tools=[bench.tool("t", needs_approval=True)])
    paused = await talk.say(agent)
    kept = await talk.items()
    state = await resuming.decided(agent, paused, lambda state, items: state.approve(items[0]))
    return [paused, {"kept": kept}, await talk.go_on(agent, state), await talk.say(agent, "more"), *await talk.items()]


@scenario("a thread whose message failed after a wait", 129, 150, final="three", requests=3)
async def failed_after_a_wait(sdk: Any, bench: Any) -> Any:
    bench.script([think(), call("t"), call("u")], "two", "three")
    tools = [bench.tool("t", needs_approval=True, error=ValueError("no"), failure_error_function=None), bench.tool("u")]
    talk, agent = Conversation(sdk, bench), bench.agent(tools=tools)
    paused = await talk.say(agent)
    state = paused.to_state()
    state.approve(state.get_interruptions()[0])
    failed = await talk.go_on(agent, state)
    return [failed, await talk.say(agent, "more"), await talk.say(agent, "again"), *await talk.items()]


@scenario("a standing decision holds for its message alone", 121, final="one", requests=3)
async def standing_decision(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), "one", call("t"))
    talk, agent = Conversation(sdk, bench), bench.agent(tools=[bench.tool("t", needs_approval=True)])
    paused = await talk.say(agent)
    state = paused.to_state()
    state.approve(state.get_interruptions()[0], always_approve=True)
    done = await talk.go_on(agent, state)
    again = await talk.say(agent, "more")
    return [{"waits": [item.tool_name for item in again.interruptions]}, done]


@scenario("a thread, and ids that come again", 151, final="two", requests=4)
async def repeated_ids(sdk: Any, bench: Any) -> Any:
    bench.script([think(), call("t", "c1")], "one", call("t", "c1"), "two")
    talk, agent = Conversation(sdk, bench), bench.agent(tools=[bench.tool("t")])
    return [await talk.say(agent), await talk.say(agent, "more"), *await talk.items()]


@scenario("a thread, and lists as input", 149, final="two", requests=2)
async def lists(sdk: Any, bench: Any) -> Any:
    bench.script("one", "two")
    talk, agent = Conversation(sdk, bench), bench.agent()
    one = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]
    two = [*one, {"type": "function_call", "call_id": "open", "name": "t", "arguments": "{}"}]
    return [await talk.say(agent, one), await talk.say(agent, two), *await talk.items()]


@scenario("a thread, and an answer that a tool makes", 96, final="ok", requests=2)
async def answer_of_a_tool(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), call("t"))
    agent = bench.agent(tools=[bench.tool("t")], tool_use_behavior="stop_on_first_tool")
    talk = Conversation(sdk, bench)
    return [await talk.say(agent), await talk.say(agent, "more"), *await talk.items()]


@scenario("a thread, and a tool choice that is forgotten for each message", 20, final="two", requests=4)
async def tool_choice(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), "one", call("t"), "two")
    agent = bench.agent(tools=[bench.tool("t")], model_settings=sdk.ModelSettings(tool_choice="required"))
    talk = Conversation(sdk, bench)
    return [await talk.say(agent), await talk.say(agent, "more"), *await talk.items()]


@scenario("a thread, and reasoning without ids", 147, final="done", requests=4)
async def reasoning_without_ids(sdk: Any, bench: Any) -> Any:
    bench.script([think(), call("t")], "one", [think(), call("t")], "done")
    talk, agent = Conversation(sdk, bench), bench.agent(tools=[bench.tool("t")])
    config = {"reasoning_item_id_policy": "omit"}
    return [await talk.say(agent, config=config), await talk.say(agent, "more", config=config), *await talk.items()]


@scenario("a thread, and an agent as a tool", 142, final="two", requests=6)
async def agent_as_tool(sdk: Any, bench: Any) -> Any:
    bench.script(call("ask", input="x"), "one", call("ask", input="y"), "two")
    inner = bench.agent("Inner", model=bench.lane("inner", "a", "b"))
    agent = bench.agent(tools=[inner.as_tool("ask", "Ask.")])
    talk = Conversation(sdk, bench)
    return [await talk.say(agent), await talk.say(agent, "more"), *await talk.items()]


@scenario("a thread, and a handler of the limit of turns", 173, final="two", requests=3)
async def error_handler(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), call("t"), "two")
    talk, agent = Conversation(sdk, bench), bench.agent(tools=[bench.tool("t")])
    handlers = {"max_turns": lambda data: sdk.RunErrorHandlerResult(final_output="gave up")}
    said = [await talk.say(agent, max_turns=2, error_handlers=handlers), await talk.say(agent, "more")]
    return [*said, *await talk.items()]


@scenario("a thread whose messages are streamed", 192, final="two", requests=4)
async def streamed(sdk: Any, bench: Any) -> Any:
    bench.script(transfer("B"), "one", call("t"), "two")
    talk, agent = Conversation(sdk, bench), bench.agent(handoffs=[bench.agent("B", tools=[bench.tool("t")])])
    return [*await talk.stream(agent), *await talk.stream(agent, "more"), *await talk.items()]
