"""Reads a run's transcript: what is known already is not asked again."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from typing import Any, TypeAlias

from perdure.blobs import BlobStore, load_item, unblocked
from perdure.canonical import encode
from perdure.contracts.given import answers_after, as_given
from perdure.contracts.messages import StatusView
from perdure.contracts.run import PageEntry, PageRequest, ResponseView, RunOutcome, TranscriptPage
from perdure.contracts.sealing import unsealed
from perdure.contracts.threads import MessageOutcome
from perdure.contracts.told import InputView
from perdure.errors import BlobUnavailable
from perdure.items import TResponseInputItem, message_text
from perdure.shown_outputs import load_whole
from perdure.transcript import chain

AskForPage: TypeAlias = Callable[[PageRequest], Awaitable[TranscriptPage]]


@dataclass(frozen=True, slots=True)
class Said:
    """What was said and done: the items with who said them, and which of them were answers of a model.

    Attributes:
        settled_turns: The turns that are completed, where an open one may still be edited; `None`: all are.
    """

    entries: list[PageEntry]
    responses: list[ResponseView]
    settled_turns: int | None = None

    @property
    def input(self) -> list[TResponseInputItem]:
        """What the run was given."""
        return [entry.item for entry in self.entries if entry.kind == "input"]

    @property
    def nested(self) -> list[TResponseInputItem]:
        """What the input has of what was said later: nested history keeps messages as they are."""
        return [entry.item for entry in self.entries if entry.kind == "input" and entry.turn]

    @property
    def items(self) -> list[TResponseInputItem]:
        """All items."""
        return [entry.item for entry in self.entries]

    @property
    def last_message(self) -> str | None:
        """The text of the last message."""
        said = [entry.item for entry in self.entries if entry.item.get("type") == "message"]
        return message_text(said[-1]) if said else None

    def first(self, count: int, turns: int) -> Said:
        """The first items, as many as `count`, all input, and the answers of the first turns."""
        kept = [entry for place, entry in enumerate(self.entries) if place < count or entry.kind == "input"]
        return Said(kept, [response for response in self.responses if response.turn <= turns])

    def answer(self, response: ResponseView) -> list[dict[str, Any]]:
        """The items that one answer brought."""
        if response.items is not None:
            return response.items
        return [entry.item for entry in self.entries[response.first : response.first + response.count]]


class Transcript:
    """The items of one run, as far as they were read.

    Args:
        ask: Asks the run for a page.
        blobs: Where large items lie.
        epoch: Which of the run's transcripts; by default what was said as a whole. When that is edited, as by a
            handoff's filter, it is read anew.
    """

    def __init__(self, ask: AskForPage, blobs: BlobStore | None, epoch: int | None = None) -> None:
        self._ask = ask
        self._blobs = blobs
        self._wanted = epoch
        self._epoch = epoch or 0
        self._entries: list[PageEntry] = []
        self._responses: dict[int, ResponseView] = {}
        self._digest = ""
        self._settled: int | None = None
        self._given = 0

    @property
    def epoch(self) -> int:
        """Which of the run's transcripts was read."""
        return self._epoch

    @property
    def said(self) -> Said:
        """What was read so far; of a thread, as the run of its message has it."""
        said = self.all_said
        if not self._given:
            return said
        answers = answers_after(said.responses, said.entries, self._given)
        return Said(as_given(said.entries, self._given), answers, self._settled)

    @property
    def all_said(self) -> Said:
        """What was read so far, as it was said then."""
        responses = [self._responses[turn] for turn in sorted(self._responses)]
        return Said(list(self._entries), responses, self._settled)

    def said_of(self, message: MessageOutcome) -> Said:
        """What was said of a thread's message that has ended."""
        said, given = self.all_said, message.given + message.inputs
        last = message.outcome.turns if message.outcome is not None else 0
        answers = [each for each in said.responses if message.begun < each.turn <= last]
        own = said.entries[given : message.end] if message.own is None else [*map(self._whole, message.own)]
        return Said(own if message.whole else [*as_given(said.entries[:given], given), *own], answers)

    async def read(self, count: int | None = None, tail: TranscriptPage | None = None) -> None:
        """Reads up to `count` items, or all; what `tail` holds is not asked for."""
        if tail is not None and tail.epoch != self._epoch:
            self._start_over(tail.epoch)
        while tail is None or len(self._entries) < tail.first:
            start = len(self._entries)
            upto = count if tail is None else tail.first
            epoch = self._wanted if tail is None else tail.epoch
            page = await self._ask(PageRequest(epoch=epoch, start=start, upto=upto))
            page = await unblocked(self._blobs, unsealed, page, self._blobs)
            if page.epoch != self._epoch:
                self._start_over(page.epoch)
                if page.first > 0:
                    continue
            await unblocked(self._blobs, self._take, page)
            if len(self._entries) >= (page.count if count is None else min(count, page.count)):
                break
        if tail is not None:
            tail = await unblocked(self._blobs, unsealed, tail, self._blobs)
            await unblocked(self._blobs, self._take, tail)

    def _start_over(self, epoch: int) -> None:
        self._epoch, self._entries, self._responses, self._digest = epoch, [], {}, ""

    def _take(self, page: TranscriptPage) -> None:
        entries = page.entries[len(self._entries) - page.first :]
        before = page.before if not self._entries else self._digest
        self._digest = chain(before, [encode(entry.item) for entry in entries])
        if page.first + len(page.entries) == page.count and self._digest != page.digest:
            raise RuntimeError(f"The transcript's {page.count} items do not hash to their digest {page.digest[:12]}….")
        self._entries += [self._whole(entry) for entry in entries]
        self._settled, self._given = page.settled_turns, page.given
        for response in page.responses:
            items = [self._loaded(item) for item in response.items] if response.items is not None else None
            self._responses.setdefault(response.turn, response.model_copy(update={"items": items}))

    def _whole(self, entry: PageEntry) -> PageEntry:
        return entry.model_copy(update={"item": self._loaded(entry.item), "whole": load_whole(entry.item, self._blobs)})

    def _loaded(self, item: dict[str, Any]) -> dict[str, Any]:
        return loaded(item, self._blobs)


@contextlib.contextmanager
def naming(run_id: str) -> Generator[None]:
    """Lets an item that the blob store lacks be told with the run that needs it."""
    try:
        yield
    except BlobUnavailable as error:
        raise error.of_run(run_id) from None


def loaded(item: dict[str, Any], blobs: BlobStore | None) -> dict[str, Any]:
    """The item that a stored one stands for."""
    return json.loads(load_item(encode(item), blobs)) if "perdure_blob" in item else item


def answer_of(outcome: RunOutcome, blobs: BlobStore | None) -> str | None:
    """The text of a run's final output, where it lies in the item that the outcome names."""
    if outcome.final_item is None:
        return None
    item = load_whole(outcome.final_item, blobs) or loaded(outcome.final_item, blobs)
    if item.get("type") == "message":
        return message_text(item)
    output = item.get("output", "")
    return output if isinstance(output, str) else json.dumps(output, ensure_ascii=False)


def whole_inputs(inputs: list[InputView], blobs: BlobStore | None) -> list[InputView]:
    """Inputs whose items are whole, also those that lie in the blob store."""
    return [each.model_copy(update={"items": [loaded(item, blobs) for item in each.items]}) for each in inputs]


def with_items(status: StatusView, blobs: BlobStore | None) -> StatusView:
    """A status whose calls and outputs are whole, also those that lie in the blob store."""
    calls = [
        call.model_copy(
            update={
                "item": loaded(call.item, blobs),
                "output": None if call.output is None else loaded(call.output, blobs),
            }
        )
        for call in status.calls
    ]
    return status.model_copy(update={"calls": calls})
