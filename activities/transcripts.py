"""A run's transcript as user code gets it: items around live agents."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from temporalio import activity
from temporalio.client import Client
from temporalio.service import RPCError

from perdure.agent import Agent
from perdure.blobs import BlobStore, load_item
from perdure.canonical import encode
from perdure.contracts.given import answers_after, as_given
from perdure.contracts.run import PageEntry, PageRequest, ResponseView
from perdure.contracts.steps import TranscriptName
from perdure.item_json import output_value
from perdure.items import HandoffOutputItem, InputItem, RunItem, ToolCallOutputItem, run_item
from perdure.model import ModelResponse
from perdure.openai_types import typed_output_item
from perdure.served import AgentNotServed
from perdure.shown_outputs import load_whole
from perdure.snapshot import Member

from .attempts import Unavailable
from .conversations import Said, ask_by_pages


@dataclass(frozen=True, slots=True)
class Transcript:
    """A run's items, in the form that the model gets, and the answers that brought them."""

    entries: list[PageEntry]
    answers: list[ResponseView]
    answer_items: list[list[dict[str, Any]]]

    @property
    def input_count(self) -> int:
        """How many items from the first on are the run's input."""
        said = (place for place, entry in enumerate(self.entries) if entry.kind != "input")
        return next(said, len(self.entries))

    def input(self, *, is_text: bool) -> str | list[dict[str, Any]]:
        """What the run was given, as it was given: a text or items."""
        items = [entry.item for entry in self.entries[: self.input_count]]
        if is_text and len(items) == 1 and isinstance(items[0].get("content"), str):
            return items[0]["content"]
        return items

    def run_items(self, members: dict[str, Member]) -> list[RunItem]:
        """What the run said and did.

        Raises:
            AgentNotServed: This worker lacks an agent that took part.
        """
        return [item_of(entry, members) for entry in self.entries[self.input_count :]]

    def responses(self) -> list[ModelResponse]:
        """The model's answers."""
        return [
            ModelResponse(
                [typed_output_item(item) for item in items],
                view.usage.usage_of_answer(),
                view.response_id,
                view.request_id,
                view.raw_usage,
            )
            for view, items in zip(self.answers, self.answer_items, strict=True)
        ]


class Transcripts:
    """Asks runs for their transcripts."""

    def __init__(self, client: Client, blobs: BlobStore | None) -> None:
        self._client = client
        self._blobs = blobs

    async def read(self, name: TranscriptName) -> Transcript:
        """A transcript of the run that the step belongs to; see `said`."""
        return await self.loaded(await self.said(name))

    async def loaded(self, said: Said) -> Transcript:
        """What a run told, with large items in full."""
        return await asyncio.to_thread(self._loaded, said.entries, said.responses)

    async def said(self, name: TranscriptName) -> Said:
        """A transcript of the run that the step belongs to, in stored form.

        Raises:
            Unavailable: `TranscriptUnavailable` if the run did not tell it; worth another attempt.
        """
        info = activity.info()
        handle = self._client.get_workflow_handle(info.workflow_id or "", run_id=info.workflow_run_id)
        wanted = PageRequest(path=name.path, epoch=name.epoch, upto=name.count)
        try:
            said = await ask_by_pages(handle, wanted, self._blobs)
        except RPCError as error:
            text = f"The run does not tell its transcript: {error}"
            raise Unavailable(text, type="TranscriptUnavailable") from None
        if len(said.entries) < name.count:
            text = f"The run told {len(said.entries)} of {name.count} items."
            raise Unavailable(text, type="TranscriptUnavailable")
        answers = answers_after(said.responses, said.entries, said.given)
        return Said(as_given(said.entries, said.given), answers)

    def _loaded(self, entries: list[PageEntry], answers: list[ResponseView]) -> Transcript:
        whole = [self._whole(entry) for entry in entries]
        items = [
            [entry.item for entry in whole[view.first : view.first + view.count]]
            if view.items is None
            else [self._load(item) for item in view.items]
            for view in answers
        ]
        return Transcript(whole, answers, items)

    def _whole(self, entry: PageEntry) -> PageEntry:
        return entry.model_copy(update={"item": self._load(entry.item), "whole": load_whole(entry.item, self._blobs)})

    def _load(self, item: dict[str, Any]) -> dict[str, Any]:
        return json.loads(load_item(encode(item), self._blobs)) if "perdure_blob" in item else item


def item_of(entry: PageEntry, members: dict[str, Member]) -> RunItem:
    """One entry as the typed item of a live agent."""
    agent = _agent(entry.agent, members)
    if entry.kind in ("output", "value"):
        output = output_value((entry.whole or entry.item).get("output"), is_value=entry.kind == "value")
        return ToolCallOutputItem(agent, entry.item, output)
    if entry.kind == "added":
        return InputItem(agent, entry.item)
    if entry.kind == "handed_off":
        return HandoffOutputItem(agent, entry.item, source_agent=agent, target_agent=_agent(entry.target, members))
    return run_item(agent, entry.item, is_handoff=entry.kind == "handoff")


def _agent(key: str, members: dict[str, Member]) -> Agent[Any]:
    if key not in members:
        raise AgentNotServed(f"This worker's agents do not lead to {key!r}, which took part; deploy one that does.")
    return members[key].agent
