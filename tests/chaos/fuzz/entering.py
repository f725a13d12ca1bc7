"""Puts values in at every entrance, many at a time, and collects what the judge complains about."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, TypeVar
from zlib import crc32

from hypothesis import strategies as st
from temporalio.client import Client, WorkflowExecutionStatus

from perdure import Run, Runner
from tests.agents import refund_call, scripted
from tests.chaos.fuzz import functions, models, objects, payloads, values
from tests.chaos.fuzz.doors import Doors
from tests.chaos.fuzz.insiders import Bag, Insider
from tests.chaos.fuzz.judge import WAITING, complaint_about
from tests.chaos.fuzz.starting import PHASES

_T = TypeVar("_T")

AT_ONCE = 8
_ROUNDS = 20  # of approvals in one run
_HOLDS = ("pause", "interrupt", "resume")
_DECISION = {"call_id": "9.9", "by": "ana", "reason": "no", "digest": "0", "always": True}  # about no call

Kind = Callable[[Bag], Insider]

KINDS: list[tuple[Kind, st.SearchStrategy[Any], Sequence[Any]]] = [
    *((kind, objects.objects, objects.OBJECTS) for kind in (*models.TAKING_OBJECTS, *functions.TAKING_OBJECTS)),
    *((kind, values.texts, [*values.TEXTS, values.BIG_TEXT]) for kind in models.TAKING_TEXTS),
    *((kind, values.json_texts, [*values.JSON_TEXTS, values.BIG_TEXT]) for kind in models.TAKING_JSON),
    *((kind, objects.errors, objects.ERRORS) for kind in (*models.TAKING_ERRORS, *functions.TAKING_ERRORS)),
    *((kind, st.sampled_from(objects.USAGES), objects.USAGES) for kind in models.TAKING_USAGES),
    *((kind, objects.items, objects.ITEMS) for kind in models.TAKING_ITEMS),
]
"""The ways from user code into a run, with what is drawn for them and what is made by hand."""


class Fuzz:
    """One go through all entrances.

    Attributes:
        seed: What is drawn follows from it.
        entered: How many values went in, by entrance.
        complaints: What the judge has to say.
    """

    def __init__(self, client: Client, seed: int) -> None:
        self.client = client
        self.doors = Doors(client)
        self.seed = seed
        self.entered: dict[str, int] = {}
        self.complaints: list[str] = []

    @property
    def said(self) -> str:
        """The complaints, with what repeats them."""
        return "\n".join([f"with PERDURE_SEED={self.seed}:", *self.complaints])

    def drawn(self, name: str, strategy: st.SearchStrategy[_T], count: int) -> list[_T]:
        """Values for one entrance; another one gets others."""
        return values.drawn(strategy, count, self.seed + crc32(name.encode()))

    async def send_messages(self, each: int) -> None:
        """Sends signals, updates and queries to a run that waits; then the genuine approval must work."""
        run = await Runner.start(scripted(refund_call(), "done"), "please")
        await run.result_or_interruptions()
        decision = payloads.messages(_DECISION)
        update = payloads.messages({"decision": "approve", **_DECISION})
        page = payloads.messages({"start": 0, "upto": 3, "path": "", "epoch": 0})
        known = ("transcript", "status", "approvals", "definition", "state", "usage")
        for name, send, message in (
            ("signals", self.doors.signal, st.tuples(payloads.names("approve", "reject"), decision)),
            ("updates", self.doors.update, st.tuples(payloads.names("decide"), update)),
            ("queries", self.doors.query, st.tuples(payloads.names(*known), page)),
        ):
            drawn = self.drawn(name, message, each)
            await all_of((send(run.id, *one) for one in drawn), AT_ONCE)
            self.entered[name] = len(drawn)
            await self.judge(run.id)
        await run.approve("1.0", by="ana")
        assert (await run.result()).final_output == "done"
        await self.judge(run.id)

    async def speak(self, each: int) -> None:
        """Pauses and interrupts a run that waits again and again, and says things to it; then it must still listen."""
        run = await Runner.start(scripted(*[refund_call() for _ in range(each + 5)], "done"), "please", max_turns=None)
        await run.result_or_interruptions()
        hold = payloads.messages({"by": "ana", "reason": "why not"})
        said = payloads.messages({"message_id": "m", "input": "x", "by": "ana", "when": "now", "withdraw": ["m1"]})
        for name, send, message in (
            ("signals that hold", self.doors.signal, st.tuples(payloads.names(*_HOLDS), hold)),
            ("updates that hold", self.doors.update, st.tuples(payloads.names(*_HOLDS), hold)),
            ("updates that say", self.doors.update, st.tuples(payloads.names("send"), said)),
        ):
            drawn = self.drawn(name, message, each)
            await all_of((send(run.id, *one) for one in drawn), AT_ONCE)
            self.entered[name] = len(drawn)
            await self.judge(run.id, name, phases=(*WAITING, "paused", "interrupted"))
        await run.resume()
        assert (await run.send("thanks", when="now", message_id="genuine")).verdict == "accepted"
        await self.judge(run.id, "speaking")
        await run.cancel()
        await self.judge(run.id, "cancelling", phases=())

    async def start_runs(self, queue: str, genuine: dict[str, Any], each: int) -> None:
        """Starts runs with inputs of any kind; those that come to wait can be cancelled."""
        anything = payloads.messages(genuine["fresh"])
        inputs = [(f"start, {name}", _spoilt(right)) for name, right in genuine.items()] + [("start", anything)]
        for name, strategy in inputs:
            drawn = self.drawn(name, strategy, each)
            await all_of((self._start(queue, one) for one in drawn), AT_ONCE)
            self.entered[name] = len(drawn)

    async def _start(self, queue: str, given: Sequence[Any]) -> None:
        run_id = await self.doors.start(queue, given)
        if run_id is None:
            return
        await self.judge(run_id, phases=PHASES, retries=True)
        handle = self.client.get_workflow_handle(run_id)
        if (await handle.describe()).status is WorkflowExecutionStatus.RUNNING:
            await handle.cancel()
            await self.judge(run_id, "cancelling", phases=(), retries=True)

    async def enter_by_code(self, each: int, by_hand: int | None = None) -> None:
        """Lets models, tools and functions of the user say things: so many drawn ones, and those made by hand."""
        await all_of((self._enter(*kind, each, by_hand) for kind in KINDS), AT_ONCE // 2)

    async def _enter(
        self, kind: Kind, strategy: st.SearchStrategy[Any], hand: Sequence[Any], each: int, by_hand: int | None
    ) -> None:
        name = kind.__name__
        made = hand if by_hand is None else self.drawn(f"{name} by hand", st.sampled_from(hand), by_hand)
        bag = Bag([*made, *self.drawn(name, strategy, each)])
        while not bag.is_empty:
            before = bag.taken
            insider = kind(bag)
            run = await Runner.start(insider.agent, "go", **{"max_turns": None, **insider.options})
            await self._follow(run, name)
            assert bag.taken > before, f"{name} takes nothing"
        self.entered[name] = bag.taken

    async def _follow(self, run: Run, name: str) -> None:
        """Approves what waits, to the run's end; whatever it ends in, its caller must get it."""
        following = asyncio.create_task(end(run))
        judged = asyncio.create_task(self.judge(run.id, name, phases=(), retries=name == "model_errors"))
        await asyncio.wait([following, judged], return_when=asyncio.FIRST_COMPLETED)
        await judged
        handle = self.client.get_workflow_handle(run.id)
        status = (await handle.describe()).status
        if status is WorkflowExecutionStatus.RUNNING:
            following.cancel()
            await handle.terminate("it is stuck")
        [error] = await asyncio.gather(following, return_exceptions=True)
        if status is WorkflowExecutionStatus.COMPLETED and isinstance(error, BaseException):
            self.complaints.append(f"{name}: {run.id} has a result, which its caller cannot get: {error!a:.300}")

    async def judge(self, run_id: str, name: str = "", **expected: Any) -> None:
        """Looks at a run, and notes what is wrong with it."""
        complaint = await complaint_about(self.client, run_id, **expected)
        if complaint is not None:
            self.complaints.append(f"{name}: {complaint}")


async def end(run: Run) -> None:
    """Approves what waits, until the run has ended."""
    for _ in range(_ROUNDS):
        if not (await run.result_or_interruptions()).interruptions:
            return
        for approval in await run.approvals():
            await run.approve(approval)
    raise AssertionError(f"{run.id} waits again and again")


def _spoilt(right: Any) -> st.SearchStrategy[list[Any]]:
    return values.spoilt(right).map(lambda one: [payloads.as_json(one)])


async def all_of(work: Iterable[Awaitable[Any]], at_once: int) -> None:
    """Does all of it, so much at once."""
    room = asyncio.Semaphore(at_once)

    async def one(awaitable: Awaitable[Any]) -> None:
        async with room:
            await awaitable

    await asyncio.gather(*map(one, work))
