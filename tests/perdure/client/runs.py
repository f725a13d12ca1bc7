"""Runs as a client gets to know them, made by hand."""

from __future__ import annotations

from typing import Any

from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from perdure.agent import Agent
from perdure.canonical import encode
from perdure.client.outcomes import Caller
from perdure.client.progress import Progress
from perdure.client.reading import Said
from perdure.client.saving import Reached
from perdure.contracts.messages import CallView, StatusView
from perdure.contracts.run import PageEntry, PageRequest, ResponseView, RunOutcome, TranscriptPage
from perdure.contracts.tokens import Tokens
from perdure.contracts.told import GuardrailView
from perdure.lending import Lent
from perdure.settings import RunConfig
from perdure.transcript import chain

ORIGIN = "00" * 32
USED = Tokens(requests=1, input=10, output=5)
HI = PageEntry(item={"content": "hi", "role": "user"}, kind="input", agent="A", turn=0)


def call(call_id: str, name: str = "pay", arguments: str = "{}") -> dict[str, Any]:
    return {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}


def output(call_id: str, text: str = "paid") -> dict[str, Any]:
    return {"call_id": call_id, "output": text, "type": "function_call_output"}


def text(said: str, id: str = "m") -> dict[str, Any]:
    content = [{"type": "output_text", "text": said, "annotations": []}]
    return {"type": "message", "id": id, "role": "assistant", "status": "completed", "content": content}


def entry(item: dict[str, Any], kind: Any = "answer", turn: int = 1, agent: str = "A", target: str = "") -> PageEntry:
    return PageEntry(item=item, kind=kind, agent=agent, turn=turn, target=target)


def answer(turn: int, first: int, count: int = 1, agent: str = "A", **more: Any) -> ResponseView:
    return ResponseView(
        turn=turn, agent=agent, first=first, count=count, usage=USED, response_id=f"resp_{turn}", **more
    )


def two_turns() -> Said:
    """A run of two turns: a call, and an answer."""
    entries = [HI, entry(call("c1")), entry(output("c1"), "output"), entry(text("done"), turn=2)]
    return Said(entries, [answer(1, 1), answer(2, 3)])


def page(said: Said, first: int = 0, end: int | None = None, epoch: int = 0) -> TranscriptPage:
    items = [encode(each.item) for each in said.entries]
    end = len(items) if end is None else end
    return TranscriptPage(
        epoch=epoch,
        first=first,
        entries=said.entries[first:end],
        responses=[each for each in said.responses if first <= each.first < end],
        count=len(items),
        before=chain(ORIGIN, items[:first]),
        digest=chain(ORIGIN, items),
    )


class Pages:
    """Answers for a run: pages of at most two items, of the transcripts by epoch.

    Attributes:
        record: The epoch of what was said as a whole.
        asked: What was asked.
    """

    def __init__(self, *transcripts: Said) -> None:
        self.transcripts = list(transcripts)
        self.record = 0
        self.asked: list[PageRequest] = []

    async def ask(self, wanted: PageRequest) -> TranscriptPage:
        self.asked.append(wanted)
        epoch = self.record if wanted.epoch is None else wanted.epoch
        said = self.transcripts[epoch]
        upto = len(said.entries) if wanted.upto is None else min(wanted.upto, len(said.entries))
        return page(said, min(wanted.start, upto), min(wanted.start + 2, upto), epoch)


def outcome(said: Said | None = None, **fields: Any) -> RunOutcome:
    said = said or two_turns()
    known: dict[str, Any] = {
        "agent": "A",
        "turns": len(said.responses),
        "usage": Tokens(requests=2, input=20, output=10),
        "requests": [(10, 5, 0, 0), (10, 5, 0, 0)],
        "input_is_text": True,
        "settled_items": len(said.entries),
        "settled_turns": len(said.responses),
        "tail": page(said),
    }
    return RunOutcome(**(known | fields))


def reached(said: Said | None = None, shown: Said | None = None, **fields: Any) -> Reached:
    said = said or two_turns()
    return Reached(Progress.of_outcome(outcome(said, **fields)), said, shown)


def status(**fields: Any) -> StatusView:
    known: dict[str, Any] = {
        "agent": "A",
        "phase": "waiting for approval",
        "why": "",
        "turn": 1,
        "max_turns": 10,
        "items": 2,
        "usage": USED,
        "input_is_text": True,
    }
    return StatusView(**(known | fields))


def open_call(id: str, phase: str = "waiting", **fields: Any) -> CallView:
    known: dict[str, Any] = {"tool": "pay", "digest": f"d{id}", "item": call(f"m{id}"), "agent": "A"}
    return CallView(call_id=id, phase=phase, **(known | fields))


def view(kind: Any, **fields: Any) -> GuardrailView:
    known: dict[str, Any] = {"source": "agent", "index": 0, "name": "check", "agent": "A"}
    return GuardrailView(kind=kind, **(known | fields))


def lent_to(agent: Agent[Any], config: RunConfig | None = None, context: Any = None) -> Lent:
    loop: Any = None  # nothing is run
    return Lent(agent, config or RunConfig(), context, loop)


def caller(agent: Agent[Any] | None = None, **fields: Any) -> Caller:
    """A caller with its own objects; without an agent, one that knows a run by name."""
    if agent is None:
        return Caller("run-1", Agent(name="A"))
    return Caller("run-1", agent, lent_to(agent, **fields))


def failure(type: str, message: str = "", reached: RunOutcome | None = None, **detail: Any) -> WorkflowFailureError:
    first = (reached or outcome()).model_dump(mode="json")
    details = (first, detail) if detail else (first,)
    return WorkflowFailureError(cause=ApplicationError(message, *details, type=type, non_retryable=True))
