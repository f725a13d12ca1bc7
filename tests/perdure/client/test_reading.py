"""A transcript is read by pages; what is known is not asked again."""

from __future__ import annotations

import pytest

from perdure.blobs import BlobStore, store_item
from perdure.client.reading import Said, Transcript
from perdure.limits import MAX_INLINE_ITEM_BYTES
from tests.perdure.client.runs import HI, Pages, answer, call, entry, output, page, text, two_turns


async def test_all_items_are_read_page_by_page() -> None:
    pages = Pages(two_turns())
    transcript = Transcript(pages.ask, None)
    await transcript.read()
    assert transcript.said == two_turns()
    assert [asked.start for asked in pages.asked] == [0, 2]


async def test_what_is_known_is_not_asked_again() -> None:
    pages = Pages(two_turns())
    transcript = Transcript(pages.ask, None)
    await transcript.read(2)
    pages.asked.clear()
    await transcript.read(tail=page(two_turns(), 2))
    assert pages.asked == []
    assert transcript.said == two_turns()


async def test_what_lies_before_the_tail_is_asked() -> None:
    pages = Pages(two_turns())
    transcript = Transcript(pages.ask, None)
    await transcript.read(tail=page(two_turns(), 3))
    assert [(asked.start, asked.upto) for asked in pages.asked] == [(0, 3), (2, 3)]
    assert transcript.said == two_turns()


async def test_an_edited_conversation_is_read_anew() -> None:
    edited = Said([HI, entry(text("short"))], [answer(1, 1, items=[call("c1")])])
    pages = Pages(two_turns(), edited)
    transcript = Transcript(pages.ask, None)
    await transcript.read(2)
    pages.record = 1
    await transcript.read()
    assert (transcript.epoch, transcript.said) == (1, edited)


async def test_a_conversation_that_was_edited_before_its_tail_is_read_anew() -> None:
    edited = Said([HI, entry(text("a")), entry(text("b")), entry(text("c"))], [])
    pages = Pages(two_turns(), edited)
    transcript = Transcript(pages.ask, None)
    await transcript.read()
    await transcript.read(tail=page(edited, 3, epoch=1))
    assert transcript.said.entries == edited.entries


async def test_another_transcript_is_asked_by_its_epoch() -> None:
    shown = Said([HI, entry(text("summary"))], [])
    pages = Pages(two_turns(), shown)
    transcript = Transcript(pages.ask, None, epoch=1)
    await transcript.read()
    assert transcript.said == shown
    assert {asked.epoch for asked in pages.asked} == {1}


async def test_items_that_do_not_hash_to_their_digest_are_refused() -> None:
    other = page(two_turns()).model_copy(update={"digest": "11" * 32})
    transcript = Transcript(Pages(two_turns()).ask, None)
    with pytest.raises(RuntimeError, match="do not hash to their digest"):
        await transcript.read(tail=other)


class Shelf(BlobStore):
    is_remote = False

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def put(self, data: bytes) -> str:
        self.kept[str(len(self.kept)).zfill(64)] = data
        return str(len(self.kept) - 1).zfill(64)

    def get(self, digest: str) -> bytes:
        return self.kept[digest]


async def test_a_reference_is_read_as_what_it_stands_for() -> None:
    shelf, long = Shelf(), output("c1", "x" * MAX_INLINE_ITEM_BYTES)
    stored = store_item(long, shelf)
    said = Said([HI, entry(call("c1")), entry(stored, "output")], [answer(1, 1, items=[stored])])
    transcript = Transcript(Pages(said).ask, shelf)
    await transcript.read()
    assert transcript.said.entries[2].item == long
    assert transcript.said.responses[0].items == [long]


def test_the_first_items_of_a_conversation_keep_all_input() -> None:
    said = two_turns()
    assert said.first(0, 0) == Said([HI], [])
    assert said.first(3, 1) == Said(said.entries[:3], said.responses[:1])
