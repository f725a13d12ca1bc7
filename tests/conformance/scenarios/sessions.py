"""What a session is told, and when: after each kind of ending, its items are compared beside the result."""

from __future__ import annotations

from typing import Any

from tests.conformance.answers import Failure, call, said, say, think, transfer
from tests.conformance.both_ways import Resuming, both_ways
from tests.conformance.registry import scenario

TRIPPED = "OutputGuardrailTripwireTriggered"


class ListSession:
    """A session of the user's own, which logs what it is asked for and told."""

    def __init__(self, bench: Any, *items: Any, fails: str = "", session_id: str = "chat") -> None:
        self.session_id = session_id
        self.session_settings = None
        self.items: list[Any] = list(items)
        self._log, self._fails, self._calls = bench.log, fails, 0
        self.logs_reads = True

    def _called(self, *words: Any) -> None:
        self._log(*words)
        self._calls += 1
        if self._fails == f"{words[0]} {self._calls}":
            raise ValueError(f"no {words[0]}")

    async def get_items(self, limit: int | None = None) -> list[Any]:
        if self.logs_reads:
            self._called("read", *([] if limit is None else [limit]))
        return self.items[-limit:] if limit else [] if limit == 0 else list(self.items)

    async def add_items(self, items: list[Any]) -> None:
        self._called("write", *map(kind, items))
        self.items += items

    async def pop_item(self) -> Any:
        return self.items.pop() if self.items else None

    async def clear_session(self) -> None:
        self.items.clear()


def quiet(bench: Any, *items: Any, **options: Any) -> ListSession:
    """A session that does not log reads: the SDK looks at the end of one before it tells it what came of a wait."""
    session = ListSession(bench, *items, **options)
    session.logs_reads = False
    return session


def kind(item: Any) -> str:
    """An item in a word."""
    return item.get("role") or item["type"]


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def answer(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def called(name: str, call_id: str) -> dict[str, Any]:
    return {"type": "function_call", "call_id": call_id, "name": name, "arguments": "{}"}


def output(call_id: str, text: str = "ok") -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call_id, "output": text}


async def told(bench: Any, session: ListSession, run: Any) -> Any:
    """How a run ended, and what its session has then."""
    return [await bench.ended(run), session.items]


@scenario("a session, around a first answer", 11, 147, final="hello",
          log=["read", "write user", "guardrail check", "run:start A", "run:llm_start A 1", "run:llm_end A resp_main_1",
               "run:end A 'hello'", "output guardrail judge A 'hello'", "write assistant"])  # fmt: skip
async def first_answer(sdk: Any, bench: Any) -> Any:
    bench.script("hello")
    session = ListSession(bench)
    guards = {
        "input_guardrails": [bench.input_guardrail(blocking=True)],
        "output_guardrails": [bench.output_guardrail()],
    }
    return await told(bench, session, bench.run(bench.agent(**guards), session=session, hooks=bench.run_hooks()))


@scenario("a session, and a second run", 146, final="two", requests=2)
async def second_run(sdk: Any, bench: Any) -> Any:
    bench.script("one", "two")
    session, agent = ListSession(bench), bench.agent()
    first = await bench.run(agent, session=session)
    return [first, await bench.run(agent, "more", session=session), session.items]


@scenario("a session is told each turn", 147, final="done", log=[
    "read", "write user", "tool t 1", "write function_call function_call_output", "tool t 2", "tool t 3",
    "write function_call function_call function_call_output function_call_output",
    "write reasoning assistant"])  # fmt: skip
async def turns(sdk: Any, bench: Any) -> Any:
    bench.script(call("t", text="1"), [call("t", text="2"), call("t", text="3")], [think(), say("done")])
    session = ListSession(bench)
    return await told(bench, session, bench.run(bench.agent(tools=[bench.tool("t")]), session=session))


@scenario("a session is told of reasoning", 147, final="done", requests=2)
async def reasoning(sdk: Any, bench: Any) -> Any:
    bench.script([think(), call("t")], [think("so"), say("done")])
    session = ListSession(bench)
    return await told(bench, session, bench.run(bench.agent(tools=[bench.tool("t")]), session=session))


@scenario("a session, and reasoning without ids", 147, final="done", requests=3)
async def reasoning_without_ids(sdk: Any, bench: Any) -> Any:
    bench.script([think(), call("t")], "one", "done")
    session, agent = ListSession(bench), bench.agent(tools=[bench.tool("t")])
    config = {"reasoning_item_id_policy": "omit"}
    await bench.run(agent, session=session, config=config)
    session.items.insert(0, {"id": "rs_old", "type": "reasoning", "summary": []})
    return await told(bench, session, bench.run(agent, "more", session=session, config=config))


@scenario("a session is told of a handoff", 147, final="done", log=[
    "read", "write user", "write function_call function_call_output", "write assistant"])  # fmt: skip
async def handoff(sdk: Any, bench: Any) -> Any:
    bench.script(transfer("B"), "done")
    session = ListSession(bench)
    return await told(bench, session, bench.run(bench.agent(handoffs=[bench.agent("B")]), session=session))


@scenario("a session, and a filter that drops items", 79, final="done", requests=3)
async def handoff_filter(sdk: Any, bench: Any) -> Any:
    def drop(data: Any) -> Any:
        return data.clone(input_history=(user("short"),), pre_handoff_items=(), new_items=data.new_items[1:])

    bench.script(call("t"), [say("wait"), transfer("B")], "done")
    session = ListSession(bench, user("old"), answer("older"))
    agent = bench.agent(tools=[bench.tool("t")], handoffs=[sdk.handoff(bench.agent("B"), input_filter=drop)])
    return await told(bench, session, bench.run(agent, session=session))


@scenario("a session, and a filter of the model's input alone", 80, final="done", requests=2)
async def handoff_filter_of_input(sdk: Any, bench: Any) -> Any:
    def show(data: Any) -> Any:
        return data.clone(input_items=data.new_items[-1:])

    bench.script([say("wait"), transfer("B")], "done")
    session = ListSession(bench)
    agent = bench.agent(handoffs=[sdk.handoff(bench.agent("B"), input_filter=show)])
    return await told(bench, session, bench.run(agent, session=session))


@scenario("a session, and nested history", 81, final="done", requests=3)
async def nested_history(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), [say("wait"), transfer("B")], "done")
    session = ListSession(bench)
    agent = bench.agent(tools=[bench.tool("t")], handoffs=[bench.agent("B")])
    return await told(bench, session, bench.run(agent, session=session, config={"nest_handoff_history": True}))


@scenario("a session, and the limit of turns", 3, 147, log=[
    "read", "write user", "tool t -", "write function_call function_call_output"])  # fmt: skip
async def max_turns(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), "never")
    session = ListSession(bench)
    return await told(bench, session, bench.run(bench.agent(tools=[bench.tool("t")]), session=session, max_turns=1))


@scenario("a session, and no turn at all", 6, log=["read", "write user"], requests=0)
async def no_turn(sdk: Any, bench: Any) -> Any:
    session = ListSession(bench)
    return await told(bench, session, bench.run(bench.agent(), session=session, max_turns=0))


@scenario("a session is told what a handler answers", 173, final="over", requests=1)
async def handler(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"))
    session = ListSession(bench)
    handlers = {"max_turns": lambda data: "over"}
    agent = bench.agent(tools=[bench.tool("t")])
    return await told(bench, session, bench.run(agent, session=session, max_turns=1, error_handlers=handlers))


@scenario("a session is not told what a handler keeps out of the history", 174, final="over", requests=1)
async def handler_without_history(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"))
    session = ListSession(bench)
    said = sdk.RunErrorHandlerResult(final_output="over", include_in_history=False)
    agent = bench.agent(tools=[bench.tool("t")])
    run = bench.run(agent, session=session, max_turns=1, error_handlers={"max_turns": lambda data: said})
    return await told(bench, session, run)


@scenario("a session, and an output guardrail that stops a handler's answer", 173, requests=1)
async def handler_stopped(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"))
    session = ListSession(bench)
    agent = bench.agent(tools=[bench.tool("t")], output_guardrails=[bench.output_guardrail(trip=True)])
    run = bench.run(agent, session=session, max_turns=1, error_handlers={"max_turns": lambda data: "over"})
    error, items = await told(bench, session, run)
    return [type(error).__name__, items]


@scenario("a session, and a blocking guardrail that trips", 26, log=["read", "write user", "guardrail check"])
async def blocking_trip(sdk: Any, bench: Any) -> Any:
    session = ListSession(bench)
    agent = bench.agent(input_guardrails=[bench.input_guardrail(trip=True, blocking=True)])
    return await told(bench, session, bench.run(agent, session=session))


@scenario("a session, and a guardrail beside the model that trips", 28, ordered=False)
async def parallel_trip(sdk: Any, bench: Any) -> Any:
    bench.script(said("never heard", 5))
    session = ListSession(bench, user("old"), answer("older"))
    agent = bench.agent(input_guardrails=[bench.input_guardrail(trip=True, seconds=1.0)])
    return await told(bench, session, bench.run(agent, session=session))


@scenario("a session, and a guardrail that raises", 34)
async def guardrail_raises(sdk: Any, bench: Any) -> Any:
    session = ListSession(bench)
    agent = bench.agent(input_guardrails=[bench.input_guardrail(error=ValueError("bad"), blocking=True)])
    return await told(bench, session, bench.run(agent, session=session))


@scenario("what a guardrail gets with a session", 36, final="ok", log=["['assistant', 'user', 'user']"])
async def guardrail_input(sdk: Any, bench: Any) -> Any:
    async def check(context: Any, agent: Any, value: Any) -> Any:
        bench.log([item["role"] for item in value])
        return sdk.GuardrailFunctionOutput(output_info=None, tripwire_triggered=False)

    bench.script("ok")
    session = sdk.SQLiteSession("chat")
    await session.add_items([answer("old"), user("older")])
    guard = sdk.InputGuardrail(guardrail_function=check, name="check", run_in_parallel=False)
    result = await bench.run(bench.agent(input_guardrails=[guard]), session=session)
    return [result, await session.get_items()]


@scenario(
    "a session, and a message that an output guardrail stops",
    40,
    log=[
        *("read", "write user", "tool t -", "write function_call function_call_output"),
        "output guardrail judge A 'bad'",
    ],
)
async def stopped_message(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), "bad")
    session = ListSession(bench)
    agent = bench.agent(tools=[bench.tool("t")], output_guardrails=[bench.output_guardrail(trip=True)])
    return await told(bench, session, bench.run(agent, session=session))


@scenario("a session, and a tool's answer that an output guardrail stops", 41, requests=1)
async def stopped_tool(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"))
    session = ListSession(bench)
    agent = bench.agent(
        tools=[bench.tool("t", "secret")], tool_use_behavior="stop_on_first_tool",
        output_guardrails=[bench.output_guardrail(trip=True)],
    )  # fmt: skip
    error, items = await told(bench, session, bench.run(agent, session=session))
    return [type(error).__name__, items]


@scenario("a session, and an output guardrail that raises", 42, requests=2)
async def output_guardrail_raises(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), "done")
    session = ListSession(bench)
    judges = [bench.output_guardrail(error=ValueError("bad")), bench.output_guardrail("slow", seconds=1)]
    agent = bench.agent(tools=[bench.tool("t")], output_guardrails=judges[:1])
    return await told(bench, session, bench.run(agent, session=session))


@scenario("a session, and a tool's answer", 94, 147, final="ok", log=[
    "read", "write user", "tool t -", "write function_call function_call_output"])  # fmt: skip
async def tool_answer(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"))
    session = ListSession(bench)
    agent = bench.agent(tools=[bench.tool("t")], tool_use_behavior="stop_on_first_tool")
    return await told(bench, session, bench.run(agent, session=session))


@scenario("a session, and a tool that fails for good", 22, requests=2)
async def tool_error(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), call("bad"), "never")
    session = ListSession(bench)
    bad = bench.tool("bad", error=ValueError("broken"), failure_error_function=None)
    error, items = await told(bench, session, bench.run(bench.agent(tools=[bench.tool("t"), bad]), session=session))
    return [type(error).__name__, items]


@scenario("a session, and a tool that fails", 57, final="ok", requests=2)
async def tool_error_told(sdk: Any, bench: Any) -> Any:
    bench.script(call("bad"), "ok")
    session = ListSession(bench)
    agent = bench.agent(tools=[bench.tool("bad", error=ValueError("broken"))])
    return await told(bench, session, bench.run(agent, session=session))


@scenario("a session, and a tool that nobody knows", 22, 53, requests=2)
async def unknown_tool(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), [say("now"), call("no_such")], "never")
    session = ListSession(bench)
    error, items = await told(bench, session, bench.run(bench.agent(tools=[bench.tool("t")]), session=session))
    return [type(error).__name__, items]


@scenario("a session, and a model that fails", 152, requests=2)
async def model_error(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), Failure(400))
    session = ListSession(bench)
    error, items = await told(bench, session, bench.run(bench.agent(tools=[bench.tool("t")]), session=session))
    return [type(error).__name__, items]


@scenario("a session that cannot be read", 152, requests=0, log=["read"])
async def read_fails(sdk: Any, bench: Any) -> Any:
    session = ListSession(bench, fails="read 1")
    return await told(bench, session, bench.run(bench.agent(), session=session))


@scenario("a session that cannot be told the input", 152, requests=0, log=["read", "write user"])
async def first_write_fails(sdk: Any, bench: Any) -> Any:
    session = ListSession(bench, fails="write 2")
    return await told(bench, session, bench.run(bench.agent(), session=session))


@scenario("a session that cannot be told a turn", 152, requests=1)
async def later_write_fails(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), "never")
    session = ListSession(bench, fails="write 3")
    return await told(bench, session, bench.run(bench.agent(tools=[bench.tool("t")]), session=session))


def payer(bench: Any, *answers: Any, **fields: Any) -> Any:
    """An agent that looks, and pays if it may."""
    bench.script([call("look"), call("pay", text="7")], *answers)
    tools = [bench.tool("look"), bench.tool("pay", needs_approval=True)]
    return bench.agent(**{"tools": tools, **fields})


@scenario("a session, and a call that waits", 108, 110, final=None, log=[
    "read", "write user", "tool look -", "write function_call function_call function_call_output"])  # fmt: skip
async def waits(sdk: Any, bench: Any) -> Any:
    session = ListSession(bench)
    return await told(bench, session, bench.run(payer(bench), session=session))


@both_ways("a session, and a call that is approved", 130, final="paid", requests=2)
async def approved(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    session, agent = quiet(bench), payer(bench, "paid")
    result = await bench.run(agent, session=session)
    return await told(bench, session, resuming.approve(agent, result, session=session))


@both_ways("a session, and a call that is rejected", 115, 130, final="no", requests=2)
async def rejected(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    session, agent = quiet(bench), payer(bench, "no")
    result = await bench.run(agent, session=session)
    run = resuming.resume(agent, result, lambda state, items: state.reject(items[0]), session=session)
    return await told(bench, session, run)


@both_ways("a session, and calls decided one by one", 118, 130, final="ok", requests=2)
async def one_by_one(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    bench.script([call("pay", text="1"), call("pay", text="2")], "ok")
    session, agent = quiet(bench), bench.agent(tools=[bench.tool("pay", needs_approval=True)])
    result = await bench.run(agent, session=session)
    result = await resuming.resume(agent, result, lambda state, items: state.approve(items[0]), session=session)
    return await told(bench, session, resuming.approve(agent, result, session=session))


@both_ways("a session, and a handoff that waits with a call", 109, 130, final="done", requests=2)
async def handoff_waits(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    bench.script([call("pay"), transfer("B")], "done")
    tools = [bench.tool("pay", needs_approval=True)]
    session, agent = quiet(bench), bench.agent(tools=tools, handoffs=[bench.agent("B")])
    result = await bench.run(agent, session=session)
    return await told(bench, session, resuming.approve(agent, result, session=session))


@both_ways("a session, and a tool's answer that waits and is stopped", 41, 110, requests=1)
async def waiting_answer_stopped(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    bench.script(call("pay"))
    agent = bench.agent(
        tools=[bench.tool("pay", "secret", needs_approval=True)], tool_use_behavior="stop_on_first_tool",
        output_guardrails=[bench.output_guardrail(trip=True)],
    )  # fmt: skip
    session = quiet(bench)
    result = await bench.run(agent, session=session)
    before = list(session.items)
    error, items = await told(bench, session, resuming.approve(agent, result, session=session))
    return [before, type(error).__name__, items]


@both_ways("a session, and input that is added after a wait", 130, 133, final="ok", requests=2)
async def added_input(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    def decide(state: Any, items: Any) -> None:
        state.approve(items[0])
        state.add_input("and a bag")

    session, agent = quiet(bench), payer(bench, "ok")
    result = await bench.run(agent, session=session)
    return await told(bench, session, resuming.resume(agent, result, decide, session=session))


@both_ways("a session, and the state of a result", 127, 130, final="more", requests=2)
async def finished_state(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    bench.script("done", "more")
    session, agent = quiet(bench), bench.agent()
    result = await bench.run(agent, session=session)
    return await told(bench, session, bench.run(agent, await resuming.state(agent, result), session=session))


@scenario("a new message to a session that waits", 129, final="ok", requests=2)
async def new_message(sdk: Any, bench: Any) -> Any:
    session, agent = ListSession(bench), payer(bench, "ok")
    await bench.run(agent, session=session)
    return await told(bench, session, bench.run(agent, "never mind", session=session))


@scenario("a session's last items", 148, final="ok", log=["read 2", "write user", "write assistant"])
async def limited(sdk: Any, bench: Any) -> Any:
    bench.script("ok")
    session = ListSession(bench, user("a"), called("t", "c1"), output("c1"), answer("b"))
    config = {"session_settings": sdk.SessionSettings(limit=2)}
    return await told(bench, session, bench.run(bench.agent(), session=session, config=config))


@scenario("none of a session's items", 148, final="ok", log=["read 0", "write user", "write assistant"])
async def limit_of_zero(sdk: Any, bench: Any) -> Any:
    bench.script("ok")
    session = ListSession(bench, user("a"), answer("b"))
    config = {"session_settings": {"limit": 0}}
    return await told(bench, session, bench.run(bench.agent(), session=session, config=config))


@scenario("a run's limit comes before the session's own", 148, final="ok", requests=1)
async def limit_over_limit(sdk: Any, bench: Any) -> Any:
    bench.script("ok")
    session = ListSession(bench, user("a"), answer("b"), user("c"), answer("d"))
    session.session_settings = sdk.SessionSettings(limit=3)
    config = {"session_settings": sdk.SessionSettings(limit=1)}
    return await told(bench, session, bench.run(bench.agent(), session=session, config=config))


@scenario("a session's own limit", 148, final="ok", log=["read 3", "write user", "write assistant"])
async def own_limit(sdk: Any, bench: Any) -> Any:
    bench.script("ok")
    session = ListSession(bench, user("a"), answer("b"), user("c"), answer("d"))
    session.session_settings = sdk.SessionSettings(limit=3)
    return await told(bench, session, bench.run(bench.agent(), session=session))


@scenario("a callback puts the new input first", 149, final="ok", log=["read", "2 1", "write user", "write assistant"])
async def callback(sdk: Any, bench: Any) -> Any:
    def combine(history: Any, new: Any) -> Any:
        bench.log(len(history), len(new))
        return [*new, *history]

    bench.script("ok")
    session = ListSession(bench, user("a"), answer("b"))
    config = {"session_input_callback": combine}
    return await told(bench, session, bench.run(bench.agent(), session=session, config=config))


@scenario("a callback drops and invents items", 149, final="ok", requests=1)
async def callback_edits(sdk: Any, bench: Any) -> Any:
    async def combine(history: Any, new: Any) -> Any:
        return [user("in short"), dict(history[-1]), new[1], {**new[1], "content": "changed"}]

    bench.script("ok")
    session = ListSession(bench, user("a"), answer("b"))
    run = bench.run(bench.agent(), [user("x"), user("y")], session=session, config={"session_input_callback": combine})
    return await told(bench, session, run)


@scenario("a callback that changes its lists", 149, final="ok", requests=1)
async def callback_in_place(sdk: Any, bench: Any) -> Any:
    def combine(history: Any, new: Any) -> Any:
        history.extend(new)
        del history[0]
        return history

    bench.script("ok")
    session = ListSession(bench, user("a"), answer("b"))
    config = {"session_input_callback": combine}
    return await told(bench, session, bench.run(bench.agent(), session=session, config=config))


@scenario("a callback that returns no list", 149, requests=0)
async def callback_without_list(sdk: Any, bench: Any) -> Any:
    session = ListSession(bench, user("a"))
    config = {"session_input_callback": lambda history, new: "text"}
    return await told(bench, session, bench.run(bench.agent(), session=session, config=config))


@scenario("a callback that is no function", 149, requests=0)
async def callback_no_function(sdk: Any, bench: Any) -> Any:
    session = ListSession(bench, user("a"))
    run = bench.run(bench.agent(), session=session, config={"session_input_callback": "combine"})
    return await told(bench, session, run)


@scenario("a callback that raises", 149, requests=0)
async def callback_raises(sdk: Any, bench: Any) -> Any:
    def combine(history: Any, new: Any) -> Any:
        raise ValueError("cannot combine")

    session = ListSession(bench, user("a"))
    config = {"session_input_callback": combine}
    return await told(bench, session, bench.run(bench.agent(), session=session, config=config))


@scenario("a list of items as input, and a session", 149, final="ok", requests=1)
async def list_input(sdk: Any, bench: Any) -> Any:
    bench.script("ok")
    session = ListSession(bench, user("a"), answer("b"))
    return await told(bench, session, bench.run(bench.agent(), [user("x"), answer("y"), user("z")], session=session))


@scenario("a history with calls that have no output", 150, final="ok", requests=1)
async def orphans(sdk: Any, bench: Any) -> Any:
    bench.script("ok")
    thought = {"type": "reasoning", "id": "rs_1", "summary": []}
    session = ListSession(bench, user("a"), thought, called("t", "c1"), answer("b"), called("t", "c2"), output("c2"))
    return await told(bench, session, bench.run(bench.agent(), session=session))


@scenario("a call without output that the caller gives", 150, final="ok", requests=1)
async def callers_orphan(sdk: Any, bench: Any) -> Any:
    bench.script("ok")
    session = ListSession(bench, user("a"), called("t", "c1"))
    given = [called("t", "c9"), user("hi")]
    return await told(bench, session, bench.run(bench.agent(), given, session=session))


@scenario("a history with two outputs of a call", 151, final="ok", requests=1)
async def two_outputs(sdk: Any, bench: Any) -> Any:
    bench.script("ok")
    session = ListSession(bench, user("a"), called("t", "c1"), output("c1", "old"), answer("b"), output("c1", "new"))
    return await told(bench, session, bench.run(bench.agent(), session=session))


@scenario("messages that come twice in a history", 151, final="ok", requests=1)
async def equal_messages(sdk: Any, bench: Any) -> Any:
    bench.script("ok")
    session = ListSession(bench, user("hi"), answer("b"), user("hi"))
    return await told(bench, session, bench.run(bench.agent(), "hi", session=session))


@scenario("a session beside a conversation id", 153, requests=0, log=[])
async def with_conversation(sdk: Any, bench: Any) -> Any:
    session = ListSession(bench)
    return await told(bench, session, bench.run(bench.agent(), session=session, conversation_id="conv_1"))


@scenario("a session beside a previous response id", 153, requests=0, log=[])
async def with_previous_response(sdk: Any, bench: Any) -> Any:
    session = ListSession(bench)
    return await told(bench, session, bench.run(bench.agent(), session=session, previous_response_id="resp_1"))


@scenario("a session with the state of a conversation that the provider keeps", 153, requests=1)
async def with_kept_state(sdk: Any, bench: Any) -> Any:
    bench.script(call("pay"), "never")
    agent = bench.agent(tools=[bench.tool("pay", needs_approval=True)])
    result = await bench.run(agent, auto_previous_response_id=True)
    session = ListSession(bench)
    return await told(bench, session, bench.resume(agent, result, lambda state: None, session=session))


@scenario("an agent as a tool does not use the run's session", 139, final="done", requests=3)
async def nested_without(sdk: Any, bench: Any) -> Any:
    bench.script(call("b", input="x"), "done")
    inner = bench.agent("B", model=bench.lane("inner", "found"))
    session = ListSession(bench, user("old"), answer("older"))
    return await told(bench, session, bench.run(bench.agent(tools=[inner.as_tool("b", "Ask.")]), session=session))


@scenario("an agent as a tool with a session of its own", 139, 146, 147, final="done", requests=5)
async def nested_with(sdk: Any, bench: Any) -> Any:
    bench.script(call("b", input="x"), call("b", input="y"), "done")
    inner = bench.agent("B", model=bench.lane("inner", "found", "found more"))
    outer, own = ListSession(bench), ListSession(bench, user("old"), session_id="inner")
    agent = bench.agent(tools=[inner.as_tool("b", "Ask.", session=own)])
    return [*await told(bench, outer, bench.run(agent, session=outer)), own.items]


@both_ways("a session of an agent as a tool whose call waits", 110, 130, 141, final="done", requests=4)
async def nested_waits(sdk: Any, bench: Any, resuming: Resuming) -> Any:
    bench.script(call("b", input="x"), "done")
    model = bench.lane("inner", call("pay"), "paid")
    inner = bench.agent("B", model=model, tools=[bench.tool("pay", needs_approval=True)])
    outer, own = quiet(bench), quiet(bench, session_id="inner")
    agent = bench.agent(tools=[inner.as_tool("b", "Ask.", session=own)])
    result = await bench.run(agent, session=outer)
    before = [list(outer.items), list(own.items)]
    ended = await bench.ended(resuming.approve(agent, result, session=outer))
    return [ended, before, outer.items, own.items]


@scenario("two runs share a session", 146, 147, final="two", requests=3)
async def shared(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), "one")
    session = sdk.SQLiteSession("chat")
    other = bench.agent("B", model=bench.lane("other", "two"))
    await bench.run(bench.agent(tools=[bench.tool("t")]), session=session)
    result = await bench.run(other, "and you?", session=session)
    return [result, await session.get_items(), await session.get_items(limit=2)]


@scenario("a session from which an item is taken", 146, final="two", requests=2)
async def popped(sdk: Any, bench: Any) -> Any:
    bench.script("one", "two")
    session, agent = sdk.SQLiteSession("chat"), bench.agent()
    await bench.run(agent, session=session)
    taken = [await session.pop_item(), await session.pop_item(), await session.pop_item()]
    result = await bench.run(agent, "again", session=session)
    items = await session.get_items()
    await session.clear_session()
    return [result, taken, items, await session.get_items()]
