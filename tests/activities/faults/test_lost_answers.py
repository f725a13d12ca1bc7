"""No answer arrives, or half of one: it is asked for again, and nothing of it is ever a result."""

from __future__ import annotations

import zlib

import openai

from perdure import ModelBehaviorError, ModelRetrySettings, Runner
from tests.activities.faults.apis import SOON, Api, ask, ask_each, failure_of_one_attempt, sent, some, through_both
from tests.activities.loopback import CLOSE, CUT, RESET, STALL, STALL_INSIDE, Loopback


def without_length(answer: bytes) -> bytes:
    """The answer's end is the connection's, so that a cut looks like one."""
    return b"\r\n".join(line for line in answer.split(b"\r\n") if not line.startswith(b"content-length"))


def chunked(body: bytes) -> bytes:
    """One chunk of an answer, and not the empty one that would end it."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    return b"%b%x\r\n%b\r\n" % (head, len(body), body)


def half(api: Api) -> bytes:
    said = api.said("half an answer").partition(b"\r\n\r\n")[2]
    return said[: said.index(b"half") + 4]


def whole(api: Api) -> bytes:
    return api.said("half an answer").partition(b"\r\n\r\n")[2]


@through_both
async def test_an_answer_that_does_not_come_is_asked_for_again(api: Api) -> None:  # rows 22, 26
    faults = {"no byte": STALL, "no byte more": STALL_INSIDE}
    told = await ask_each(api, {name: (fault, api.said("at last")) for name, fault in faults.items()})
    assert told == dict.fromkeys(faults, ("at last", 2))


@through_both
async def test_an_answer_that_takes_longer_than_the_settings_allow_is_asked_for_again(api: Api) -> None:  # row 22
    async with Loopback() as server:
        server.replies += [STALL, api.said("at last")]
        agent = api.agent(client=server.client())
        agent.model_settings.timeout = 1.0
        assert (await Runner.run(agent, "go")).final_output == "at last"
    assert len(server.received) == 2


@through_both
async def test_a_server_that_is_not_there_may_be_later(api: Api) -> None:  # row 22
    async with Loopback() as server:
        client = server.client()
    failure = await failure_of_one_attempt(api.agent(client=client))
    assert (failure.type, failure.non_retryable) == ("APIConnectionError", False)


@through_both
async def test_a_connection_that_breaks_is_asked_over_again(api: Api) -> None:  # row 23
    faults = {
        "before the answer": CLOSE,
        "in the middle": CUT,
        "by a reset": RESET,
        "after less than the length": sent(half(api), content_length="100000"),
        "after all but the length's end": sent(whole(api), content_length=f"{len(whole(api)) + 1}"),
        "between chunks": chunked(half(api)),
        "after a whole answer without its end": chunked(whole(api)),
        "in compressed bytes": sent(zlib.compress(whole(api))[:40], content_encoding="deflate", content_length="100"),
    }
    faults = some(api, faults)
    told = await ask_each(api, {name: (fault, api.said("at last")) for name, fault in faults.items()})
    assert told == dict.fromkeys(faults, ("at last", 2))


@through_both
async def test_a_truncated_answer_is_never_an_answer(api: Api) -> None:  # row 24
    faults = {
        "of the right length": sent(half(api)),
        "that ends with the connection": without_length(sent(half(api))),
        "in chunks that end": chunked(half(api)) + b"0\r\n\r\n",
        "to nothing": sent(b""),
    }
    faults = some(api, faults)
    told = await ask_each(api, {name: (fault, api.said("at last")) for name, fault in faults.items()})
    assert told == dict.fromkeys(faults, ("at last", 2))


@through_both
async def test_nothing_of_a_truncated_answer_is_in_the_result(api: Api) -> None:  # row 24
    asked = await ask(api, sent(half(api)), api.said("at last"))
    assert asked.result is not None
    assert [item.type for item in asked.result.new_items] == ["message_output_item"]


@through_both
async def test_a_body_that_is_not_json_is_asked_for_again(api: Api) -> None:  # row 25
    faults = {
        "but a page": sent(b"<html>Please log in</html>", content_type="text/html"),
        "but broken": sent(whole(api).replace(b":", b"=", 1)),
        "but followed by more": sent(whole(api) + b"\n[DONE] garbage"),
        "but another encoding": sent(b"\xff\xfe" + whole(api)),
        "but wrongly compressed": sent(whole(api), content_encoding="gzip"),
        "nor HTTP": b"at last\r\n",
    }
    faults = some(api, faults)
    told = await ask_each(api, {name: (fault, api.said("at last")) for name, fault in faults.items()})
    assert told == dict.fromkeys(faults, ("at last", 2))


@through_both
async def test_a_stream_that_nobody_asked_for_is_asked_for_once_more(api: Api) -> None:  # row 25
    stream = sent(b"data: " + whole(api) + b"\n\ndata: [DONE]\n\n", content_type="text/event-stream")
    asked = await ask(api, *[stream] * 3)
    assert asked.told == (ModelBehaviorError, 2)
    assert "stream" in str(asked.error)


@through_both
async def test_what_never_arrives_is_asked_for_as_often_as_the_settings_say(api: Api) -> None:  # rows 22 to 25
    retry = ModelRetrySettings(max_retries=2, backoff=SOON.backoff)
    faults = {"reset": RESET, "stalled": STALL_INSIDE, "truncated": sent(half(api))}
    told = await ask_each(api, {name: (fault,) * 4 for name, fault in faults.items()}, retry=retry)
    lost, late = openai.APIConnectionError, openai.APITimeoutError
    assert told == {"reset": (lost, 3), "stalled": (late, 3), "truncated": (ModelBehaviorError, 3)}


@through_both
async def test_the_wait_after_a_lost_answer_is_left_to_the_backoff(api: Api, loopback: Loopback) -> None:
    loopback.replies.append(RESET)
    failure = await failure_of_one_attempt(api.agent())
    assert failure.next_retry_delay is None
    assert not failure.non_retryable
