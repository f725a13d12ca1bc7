"""What is said to threads and to runs under way: through Temporal's service, by user code, and by calls in Python."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from hypothesis import strategies as st

from perdure import Agent, AgentsException, Run, Runner, Thread
from perdure.contracts.threads import MessageOutcome
from tests.agents import refund, refund_call
from tests.chaos.fuzz import objects, payloads, values
from tests.chaos.fuzz.entering import AT_ONCE, Fuzz, Kind, all_of, end
from tests.chaos.fuzz.insiders import Babbling, Bag
from tests.chaos.fuzz.judge import BETWEEN_MESSAGES, PATIENCE_SECONDS, WAITING
from tests.chaos.fuzz.starting import PHASES, as_message
from tests.workflows.threads import new_name

_NOT_OF_THREADS = ("auto_previous_response_id",)  # the options of a run that a thread refuses
_HELD = ("paused", "interrupted")
_QUESTIONS = ("outcome", "outcome", "transcript", "status", "approvals", "state")
_PAGE = {"start": 0, "upto": 3, "path": "", "epoch": 0, "history": True}

Call = Callable[[Any], Awaitable[Any]]


class Talking(Fuzz):
    """One go through all entrances, those of conversations too."""

    async def talk(self, each: int) -> None:
        """Sends a thread whose message waits whatever there is; then all that it took must be answered."""
        agent = _waiting_agent()
        run = await Runner.start(agent, "please", thread=new_name("fuzz"))
        await run.result_or_interruptions()
        thread = await Runner.thread(run.id.removeprefix("thread/"))
        asked = payloads.messages({"sequence": 1, "since": "queued"})
        questions = payloads.messages({"sequence": 1, **_PAGE})
        for name, send, message in (
            ("signals to a thread", self.doors.signal, st.tuples(payloads.names("message", "close"), _messages)),
            ("messages", self.doors.update, st.tuples(payloads.names("message"), _messages)),
            ("outcomes", self.doors.update, st.tuples(payloads.names("outcome"), asked)),
            ("questions to a thread", self.doors.query, st.tuples(payloads.names(*_QUESTIONS), questions)),
        ):
            await self._send_all(thread.id, name, send, message, each)
            await self.judge(thread.id, name, phases=WAITING)
        await thread.approve("1.0", by="ana")
        assert (await Runner.run(agent, "thanks", thread=thread.name)).final_output == "done"
        await self._check_outcomes(thread)
        closing = st.tuples(payloads.names("close"), payloads.messages({"by": "ana"}))
        await self._send_all(thread.id, "ends of a thread", self.doors.update, closing, max(each // 10, 2))
        await thread.close()
        await self.judge(thread.id, "ends of a thread", phases=())

    async def _check_outcomes(self, thread: Thread) -> None:
        """Each message that was taken has an outcome."""
        await self.judge(thread.id, "messages", phases=BETWEEN_MESSAGES)
        status = (await thread.status()).thread
        assert status is not None
        for sequence in range(max(1, status.taken - 90), status.taken + 1):
            told = await self._outcome(thread.id, sequence)
            if told.phase != "ended":
                self.complaints.append(f"message {sequence} of {thread.id} was taken and is {told.phase} for ever")

    async def talk_with_agents(self, queue: str, genuine: dict[str, Any], each: int) -> None:
        """Starts threads by anybody, and sends each a message with agents of its own, one thing in it spoilt."""
        begin, drawn = genuine["thread"], self.drawn("agents", values.spoilt(as_message(genuine["fresh"])), each)

        async def one(spoilt: Any) -> None:
            thread = await self.doors.start(queue, [payloads.as_json(begin)])
            assert thread is not None
            await self.doors.update(thread, "message", [payloads.as_json(spoilt)])
            await self.judge(thread, "agents of messages", phases=PHASES, retries=True)
            await self.client.get_workflow_handle(thread).cancel()
            await self.judge(thread, "agents of messages", phases=(), retries=True)

        await all_of(map(one, drawn), AT_ONCE)
        self.entered["agents of messages"] = len(drawn)

    async def stop_runs(self, each: int) -> None:
        """Asks a run that waits to stop, and takes that back; then it must still end."""
        run = await Runner.start(_waiting_agent(), "please")
        await run.result_or_interruptions()
        stopping = payloads.messages({"by": "ana", "withdraw": True})
        for name, send in (("signals that stop", self.doors.signal), ("updates that stop", self.doors.update)):
            await self._send_all(run.id, name, send, st.tuples(payloads.names("stop", "send"), stopping), each)
            await self.judge(run.id, name)
        await run.stop(withdraw=True)
        await run.approve("1.0", by="ana")
        assert (await run.result()).final_output == "done"

    async def enter_threads_by_code(self, kinds: Sequence[tuple[Kind, Any, Sequence[Any]]], each: int) -> None:
        """Lets models, tools and functions of the user say things in threads, one for each way."""
        await all_of((self._enter_thread(*kind, each) for kind in kinds), AT_ONCE // 2)

    async def _enter_thread(self, kind: Kind, strategy: Any, hand: Sequence[Any], each: int) -> None:
        name, thread, is_fresh = f"{kind.__name__}, in a thread", new_name("fuzz"), True
        by_hand = self.drawn(f"{name}, by hand", st.sampled_from(hand), each)
        bag = Bag([*by_hand, *self.drawn(name, strategy, each)])
        while not bag.is_empty:
            before = bag.taken
            insider = kind(bag)
            options = {key: value for key, value in insider.options.items() if key not in _NOT_OF_THREADS}
            run = await Runner.start(insider.agent, "go", thread=thread, **{"max_turns": None, **options})
            await self._follow_message(run, name)
            assert bag.taken > before or not is_fresh, f"{name} takes nothing"
            is_fresh = bag.taken == before
            if is_fresh:  # the agent goes on to whom a message before has handed off: begin anew
                await self._close(thread, name)
                thread = new_name("fuzz")
        self.entered[name] = bag.taken
        await self._close(thread, name)

    async def _close(self, thread: str, name: str) -> None:
        await (await Runner.thread(thread)).close()
        await self.judge(f"thread/{thread}", name, phases=(), retries=name.startswith("model_errors"))

    async def _follow_message(self, run: Run, name: str) -> None:
        """Approves what waits, to the message's end; whatever it ends in, its caller must get it."""
        following = asyncio.create_task(end(run))
        await self.judge(run.id, name, phases=BETWEEN_MESSAGES, retries=name.startswith("model_errors"))
        await asyncio.wait([following], timeout=PATIENCE_SECONDS)
        if not following.done():
            following.cancel()
            self.complaints.append(f"{name}: who waits for message {run.sequence} of {run.id} is told nothing")
            return
        told, error = await self._outcome(run.id, run.sequence), following.exception()
        if told.failure is None and error is not None:
            said = f"{name}: message {run.sequence} of {run.id} has a result, which its caller cannot get"
            self.complaints.append(f"{said}: {error!a:.300}")

    async def call_in_python(self, each: int) -> None:
        """Calls what there is for conversations with what nobody should: it works, or is refused in words of ours."""
        agent = Agent[Any](name="Calm", model=Babbling(lambda _: [], turns=0))
        name = new_name("fuzz")
        thread = (await Runner.run(agent, "hi", thread=name), await Runner.thread(name))[1]
        run = await Runner.start(_waiting_agent(), "please")
        await run.result_or_interruptions()
        anything = objects.objects.map(lambda made: made())
        mostly_texts = st.one_of(values.texts, values.texts, anything)
        calls: list[tuple[str, Call, st.SearchStrategy[Any]]] = [
            ("names of threads", lambda value: Runner.run(agent, "hi", thread=value), mostly_texts),
            ("names of messages", lambda value: Runner.run(agent, "hi", thread=name, message_id=value), mostly_texts),
            ("inputs of messages", lambda value: Runner.run(agent, value, thread=name), mostly_texts),
            ("contexts of messages", lambda value: Runner.run(agent, "hi", thread=name, context=value), anything),
            ("threads that are found", Runner.thread, mostly_texts),
            ("messages that are sent", thread.send, mostly_texts),
            ("senders of messages", lambda value: thread.send("hi", by=value), mostly_texts),
            ("numbers of messages", lambda value: _result_of(thread, value), anything),
            ("reasons to pause", lambda value: run.pause(by=value, reason=value), mostly_texts),
            ("reasons to interrupt", lambda value: run.interrupt(by=value, reason=value), mostly_texts),
            ("those who resume", lambda value: run.resume(by=value), mostly_texts),
            ("moments", lambda value: run.send("hi", when=value), mostly_texts),
            ("names of what is sent", lambda value: run.send("hi", message_id=value), mostly_texts),
            ("senders", lambda value: run.send("hi", by=value), mostly_texts),
            ("what is sent", run.send, mostly_texts),
            ("stops that are taken back", lambda value: run.stop(withdraw=value), anything),
        ]
        for what, call, strategy in calls:
            drawn = self.drawn(what, strategy, each)
            await all_of((self._call(what, call, value) for value in drawn), AT_ONCE // 2)
            self.entered[what] = len(drawn)
            await self.judge(run.id, what, phases=(*WAITING, *_HELD))
            await self.judge(thread.id, what, phases=BETWEEN_MESSAGES)
        await run.cancel()
        await self._call("ends of threads", lambda value: thread.close(by=value), values.HALF)
        await thread.close()
        await self.judge(thread.id, "ends of threads", phases=())

    async def _call(self, what: str, call: Call, value: Any) -> None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await call(value)
        except (AgentsException, objects.Mischief):  # ours, or the value's own
            return
        except Exception as error:  # noqa: BLE001  whatever it is, it is a complaint
            said = f"{type(value).__name__} {_shown(value)}"
            self.complaints.append(f"{what}: {said} raised {type(error).__name__}: {ascii(error)[:300]}")

    async def _outcome(self, thread: str, sequence: int) -> MessageOutcome:
        handle = self.client.get_workflow_handle(thread)
        return await handle.query("outcome", {"sequence": sequence}, result_type=MessageOutcome)

    async def _send_all(
        self, run_id: str, name: str, send: Callable[..., Awaitable[None]], message: st.SearchStrategy[Any], each: int
    ) -> None:
        drawn = self.drawn(name, message, each)
        await all_of((send(run_id, *one) for one in drawn), AT_ONCE)
        self.entered[name] = len(drawn)


def _message(number: int) -> st.SearchStrategy[Any]:
    settings = {"history_events": 20, "approval_timeout_seconds": 60.0}
    fields = {"message_id": f"m{number}", "input": f"say {number}", "by": "ana", "agent": "Talking", "max_turns": 3}
    return payloads.messages({**fields, "context": {"noted": number}, "settings": settings})


_messages = st.integers(1, 50).flatmap(_message)


def _waiting_agent() -> Agent[Any]:
    """An agent whose first call waits; after that it is always done."""
    return Agent[Any](name="Talking", model=Babbling(lambda _: [refund_call(call_id="c")], turns=1), tools=[refund])


async def _result_of(thread: Thread, sequence: Any) -> Any:
    return await (await thread.message(sequence)).result()


def _shown(value: Any) -> str:
    try:
        return ascii(value)[:100]
    except Exception as error:  # noqa: BLE001  objects may do anything
        return f"(which raises {type(error).__name__})"
