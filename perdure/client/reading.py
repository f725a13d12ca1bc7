"""Reads a run's transcript: what is known already is not asked again."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from perdure.agent import Agent
from perdure.blobs import BlobStore, load_item
from perdure.canonical import encode
from perdure.contracts.messages import StatusView
from perdure.contracts.run import PageEntry, PageRequest, ResponseView, RunOutcome, TranscriptPage
from perdure.items import RunItem, ToolApprovalItem, ToolCallOutputItem, TResponseInputItem, message_text, run_item
from perdure.model import ModelResponse
from perdure.transcript import chain

AskForPage: TypeAlias = Callable[[PageRequest], Awaitable[TranscriptPage]]


class Transcript:
    """The items of one run, as far as they were read."""

    def __init__(self, ask: AskForPage, blobs: BlobStore | None) -> None:
        self._ask = ask
        self._blobs = blobs
        self._entries: list[PageEntry] = []
        self._responses: list[ResponseView] = []
        self._digest = ""

    async def read(self, count: int | None = None, tail: TranscriptPage | None = None) -> None:
        """Reads up to `count` items, or all; what `tail` holds is not asked for."""
        while tail is None or len(self._entries) < tail.first:
            start = len(self._entries)
            page = await self._ask(PageRequest(start=start, upto=count if tail is None else tail.first))
            self._take(page)
            if len(self._entries) >= (page.count if count is None else min(count, page.count)):
                break
        if tail is not None:
            self._take(tail)

    def _take(self, page: TranscriptPage) -> None:
        entries = page.entries[len(self._entries) - page.first :]
        before = page.before if not self._entries else self._digest
        self._digest = chain(before, [encode(entry.item) for entry in entries])
        if page.first + len(page.entries) == page.count and self._digest != page.digest:
            raise RuntimeError(f"The transcript's {page.count} items do not hash to their digest {page.digest[:12]}….")
        self._entries += [entry.model_copy(update={"item": self._loaded(entry.item)}) for entry in entries]
        known = {response.turn for response in self._responses}
        self._responses += [response for response in page.responses if response.turn not in known]

    def _loaded(self, item: dict[str, Any]) -> dict[str, Any]:
        return json.loads(load_item(encode(item), self._blobs)) if "perdure_blob" in item else item

    @property
    def entries(self) -> list[PageEntry]:
        """The items with who said them."""
        return list(self._entries)

    @property
    def responses(self) -> list[ResponseView]:
        """The model's answers, as records of which items they brought."""
        return list(self._responses)

    def input(self) -> list[TResponseInputItem]:
        """What the run was given."""
        return [entry.item for entry in self._entries if entry.kind == "input"]

    def new_items(self, agent: Agent[Any]) -> list[RunItem]:
        """What the run said and did."""
        return [_item(agent, entry) for entry in self._entries if entry.kind != "input"]

    def raw_responses(self) -> list[ModelResponse]:
        """The model's answers."""
        return [self._response(record) for record in self._responses]

    def final_text(self, outcome: RunOutcome) -> str | None:
        """The answer of a finished run."""
        if outcome.final_output is not None:
            return outcome.final_output
        messages = [entry.item for entry in self._entries if entry.item.get("type") == "message"]
        return message_text(messages[-1]) if messages else None

    def _response(self, record: ResponseView) -> ModelResponse:
        from perdure.openai_types import typed_output_item

        items = [entry.item for entry in self._entries[record.first : record.first + record.count]]
        output = [typed_output_item(item) for item in items]
        return ModelResponse(output, record.usage.usage(), record.response_id, record.request_id)


def open_items(agent: Agent[Any], status: StatusView) -> list[RunItem]:
    """The open turn: outputs that are there, and the calls that wait in the place of theirs."""
    items: list[RunItem] = []
    for call in status.calls:
        if call.output is not None:
            kind = "value" if call.output_is_value else "output"
            items.append(_item(agent, PageEntry(item=call.output, kind=kind, agent=agent.name, turn=status.turn)))
        elif call.phase == "waiting":
            items.append(ToolApprovalItem(agent, call.item, id=call.call_id, digest=call.digest))
    return items


def _item(agent: Agent[Any], entry: PageEntry) -> RunItem:
    if entry.kind not in ("output", "value"):
        return run_item(agent, entry.item)
    output = entry.item.get("output")
    return ToolCallOutputItem(agent, entry.item, json.loads(output) if entry.kind == "value" and output else output)
