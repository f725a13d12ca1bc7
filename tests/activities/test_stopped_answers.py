"""What is heard of an answer that is stopped in the middle: its words, by message, and nothing else."""

from __future__ import annotations

from typing import Any

from activities.stopped_answers import Spoken
from perdure.openai_types import typed_stream_event


def delta(text: str, item: int = 0, part: int = 0) -> dict[str, Any]:
    kind = "response.output_text.delta"
    return {"type": kind, "output_index": item, "content_index": part, "item_id": "m", "delta": text, "logprobs": []}


def texts(said: list[dict[str, Any]]) -> list[list[str]]:
    return [[part["text"] for part in message["content"]] for message in said]


def test_words_are_kept_by_message_and_part_whatever_form_the_events_have() -> None:
    heard: list[Any] = []
    spoken = Spoken(heard.append)
    assert spoken.publish is not None
    for event in (None, delta("It "), typed_stream_event(delta("is", 0)), delta("!", 0, 1), delta("five", 2)):
        spoken.publish(event)
    said = spoken.stop()
    assert texts(said) == [["It is", "!"], ["five"]]
    assert {(message["status"], message["role"], "id" in message) for message in said} == {
        ("incomplete", "assistant", False)
    }
    assert len(heard) == 5


def test_calls_thoughts_and_refusals_are_not_kept() -> None:
    spoken = Spoken(lambda event: None)
    assert spoken.publish is not None
    for kind in ("function_call_arguments", "reasoning_text", "refusal"):
        spoken.publish({**delta("half"), "type": f"response.{kind}.delta"})
    assert spoken.stop() == []


def test_nothing_that_is_said_after_the_stop_is_told() -> None:
    heard: list[Any] = []
    spoken = Spoken(heard.append)
    assert spoken.publish is not None
    spoken.publish(delta("one"))
    spoken.stop()
    spoken.publish(delta("two"))
    assert (len(heard), texts(spoken.stop())) == (1, [["one"]])


def test_half_a_character_is_no_obstacle() -> None:
    spoken = Spoken(lambda event: None)
    assert spoken.publish is not None
    spoken.publish(delta("\ud83d"))
    [[text]] = texts(spoken.stop())
    text.encode()


def test_where_nobody_watches_nothing_is_streamed() -> None:
    assert Spoken(None).publish is None
    assert Spoken(None).stop() == []
