"""A stream that breaks off, ends too early or brings rubbish is no answer, whatever was shown of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from perdure import ModelBehaviorError, ModelRetrySettings, Runner
from tests.activities.faults.apis import CHAT, SOON, Api, Asked, failure_of_one_attempt, sent, some, through_both
from tests.activities.faults.mock import Mock
from tests.activities.loopback import CLOSE, RESET, STALL, Loopback
from tests.conformance.streams import streamed


def stream(api: Api, text: str = "at last", **fields: Any) -> bytes:
    """The stream of an answer, as it is sent."""
    return sent_stream(streamed(api.answer(text) | fields))


def sent_stream(content: bytes, *, length: int | None = None) -> bytes:
    """A stream, as it is sent; with a length that may be another one than its own."""
    named = {"content-type": "text/event-stream", "connection": "close"}
    named |= {} if length is None else {"content-length": str(length)}
    lines = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    return f"HTTP/1.1 200 OK\r\n{lines}\r\n".encode() + content


def events(api: Api) -> list[bytes]:
    """The stream of an answer by its events."""
    return [event + b"\n\n" for event in streamed(api.answer("half an answer")).split(b"\n\n") if event]


def half(api: Api) -> bytes:
    """A stream up to the middle of the answer's text."""
    whole = b"".join(events(api))
    return whole[: whole.index(b'" an"')]


def without_end(api: Api) -> bytes:
    """A stream with all of the text, and without what says that the answer is complete."""
    last = {"responses": b"response.completed", "chat": b'"finish_reason": "stop"'}[api.name]
    return b"".join(event for event in events(api) if last not in event and b"[DONE]" not in event)


async def watch(api: Api, *replies: bytes | str, retry: ModelRetrySettings | None = None) -> tuple[Asked, list[str]]:
    """Watches a run against a server that replies so: how it ended, and the text that each attempt showed."""
    async with Loopback() as server:
        server.replies += replies
        agent = api.agent(client=server.client(), retry=retry)
        result, shown = Runner.run_streamed(agent, "go"), list[str]()
        try:
            async for event in result.stream_events():
                if event.type != "raw_response_event":
                    continue
                if event.data.type == "response.created":
                    shown.append("")
                elif event.data.type == "response.output_text.delta":
                    shown[-1] += event.data.delta
        except Exception as error:  # noqa: BLE001  its class is what is compared
            return Asked(server.received, error=error), shown
        return Asked(server.received, result=result), shown


async def told(api: Api, faults: Mapping[str, tuple[bytes | str, ...]], **more: Any) -> dict[str, tuple[Any, int]]:
    """What runs against servers that reply so came to."""
    assert faults
    return {name: (await watch(api, *replies, **more))[0].told for name, replies in faults.items()}


@through_both
async def test_a_stream_that_breaks_is_asked_for_again(api: Api) -> None:  # rows 22 to 24
    faults: dict[str, bytes | str] = {
        "before the answer": CLOSE,
        "by a reset": RESET,
        "not at all": STALL,
        "in the middle, cleanly": sent_stream(half(api)),
        "in the middle, by the length": sent_stream(half(api), length=100_000),
        "before its end": sent_stream(without_end(api)),
        "between its end and the line after it": sent_stream(without_end(api) + b"data: {"),
        "before it began": sent_stream(b""),
    }
    faults = some(api, faults)
    assert await told(api, {name: (fault, stream(api)) for name, fault in faults.items()}) == dict.fromkeys(
        faults, ("at last", 2)
    )


@through_both
async def test_a_stream_of_rubbish_is_asked_for_again(api: Api) -> None:  # row 25
    faults = {
        "no JSON": sent_stream(events(api)[0] + b"data: <html>\n\n"),
        "no object": sent_stream(events(api)[0] + b"data: [1]\n\n"),
        "a page": sent(b"<html>Please log in</html>", content_type="text/html"),
    }
    assert await told(api, {name: (fault, stream(api)) for name, fault in faults.items()}) == dict.fromkeys(
        faults, ("at last", 2)
    )


@through_both
async def test_each_attempt_shows_its_own_text_and_the_last_one_s_is_the_answer(api: Api) -> None:
    asked, shown = await watch(api, sent_stream(half(api)), stream(api))
    assert asked.told == ("at last", 2)
    assert shown[-1] == "at last"
    assert "half an answer".startswith(shown[0])
    assert asked.result is not None
    assert [item.type for item in asked.result.new_items] == ["message_output_item"]


@through_both
async def test_a_stream_that_never_ends_well_is_asked_for_as_often_as_the_settings_say(api: Api) -> None:
    retry = ModelRetrySettings(max_retries=2, backoff=SOON.backoff)
    asked, _ = await watch(api, *[sent_stream(without_end(api))] * 4, retry=retry)
    assert asked.told == (ModelBehaviorError, 3)


@through_both
async def test_a_whole_answer_to_a_request_for_a_stream_is_taken(api: Api) -> None:
    asked, shown = await watch(api, api.said("whole"))
    assert (asked.told, shown) == (("whole", 1), [])
    assert asked.received[0].body["stream"] is True


@through_both
async def test_an_error_inside_a_stream_is_judged_by_its_code(api: Api) -> None:
    def failing(code: Any) -> bytes:
        error = {"error": {"code": code, "message": "Sorry."}} if api is CHAT else {"code": code, "message": "Sorry."}
        return sent_stream(events(api)[0] + b"data: " + json.dumps({"type": "error", **error}).encode() + b"\n\n")

    faults = {"passing": (failing("server_error"), stream(api)), "for good": (failing("invalid_prompt"), stream(api))}
    assert await told(api, faults) == {"passing": ("at last", 2), "for good": (ModelBehaviorError, 1)}


@through_both
async def test_a_streamed_answer_that_was_cut_is_no_answer(api: Api) -> None:
    cut: dict[str, Any] = {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
    if api is CHAT:
        [choice] = api.answer("half")["choices"]
        cut = {"choices": [choice | {"finish_reason": "length"}]}
    asked, _ = await watch(api, stream(api, "half", **cut))
    assert asked.told == (ModelBehaviorError, 1)


@through_both
async def test_lines_may_end_and_arrive_as_they_like(api: Api) -> None:
    content = b"".join(events(api))
    odd = {
        "with a comment and a name": b": hello\n\n" + content,
        "by both signs": content.replace(b"\n", b"\r\n"),
        "without a blank": content.replace(b"data: ", b"data:"),
        "with a separator that is none": content.replace(b"half an answer", "half\u2028an answer".encode()),
    }
    ended = await told(api, {name: (sent_stream(each),) for name, each in odd.items()})
    assert {count for _, count in ended.values()} == {1}
    assert [said for said, _ in ended.values()][:3] == ["half an answer"] * 3


@through_both
async def test_a_mock_that_truncates_or_disconnects_is_asked_again(api: Api, mock: Mock) -> None:  # rows 23, 24
    for kind in ("truncate", "disconnect", "malformed"):
        mock.reset()
        mock.will({"type": "stream_fault", "kind": kind, "after_chunks": 2, "times": 1})
        result = Runner.run_streamed(api.agent(retry=SOON), "go")
        shown: dict[int, str] = {}
        async for event in result.stream_events():
            if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
                shown[event.attempt] = shown.get(event.attempt, "") + event.data.delta
        assert shown[max(shown)] == result.final_output, kind
        assert len(mock.asked()) == 2, kind


@through_both
async def test_a_refused_request_for_a_stream_is_judged_like_any_other(api: Api) -> None:
    async with Loopback() as server:
        server.reply({"error": {"message": "No.", "code": "no"}}, 400)
        result = Runner.run_streamed(api.agent(client=server.client()), "go")
        await result.run_loop_task
    assert type(result.run_loop_exception).__name__ == "BadRequestError"


@through_both
async def test_nobody_watches_a_step_alone(api: Api) -> None:
    async with Loopback() as server:
        server.replies.append(stream(api))
        failure = await failure_of_one_attempt(api.agent(client=server.client()))
    assert failure.type == "ModelBehaviorError"
    assert "stream" not in server.received[0].body
