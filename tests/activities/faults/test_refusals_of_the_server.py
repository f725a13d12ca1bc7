"""The server says no: what may pass is asked again, as late as it wishes and not too often; the rest never."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import openai
import pytest

from perdure import ModelRetrySettings, Run, Runner
from perdure.client.host import Host
from tests.activities.faults.apis import CHAT, RESPONSES, Api, failure_of_one_attempt, through_both
from tests.activities.faults.mock import Mock
from tests.activities.loopback import Loopback

MAY_PASS = (408, 409, 429, 500, 502, 503, 504)
CANNOT_PASS = {
    400: openai.BadRequestError,
    401: openai.AuthenticationError,
    403: openai.PermissionDeniedError,
    404: openai.NotFoundError,
    422: openai.UnprocessableEntityError,
}


def fail(status: int, times: int | None = 1, **more: Any) -> dict[str, Any]:
    return {"type": "fail", "status": status, "times": times, **more}


REPLY = {"type": "reply", "text": "at last", "times": None}


@through_both
async def test_a_rate_limit_is_waited_out_as_long_as_it_says(api: Api, mock: Mock) -> None:  # row 18
    mock.will(fail(429, retry_after=1.5), REPLY)
    assert (await Runner.run(api.agent(), "go")).final_output == "at last"
    assert len(mock.asked()) == 2
    assert mock.findings() == []


WAITS = {
    "1.5": 1.5,
    "120": 120.0,
    "1e9": 300.0,
    "inf": 300.0,
    "-inf": None,
    "nan": None,
    "0": None,
    "-5": None,
    "": None,
    "soon": None,
}


@through_both
@pytest.mark.parametrize("said", WAITS)
async def test_a_wait_in_seconds_is_kept_and_bounded(said: str, api: Api, loopback: Loopback) -> None:  # row 19
    loopback.reply({"error": {"message": "Slow down."}}, 429, retry_after=said)
    failure = await failure_of_one_attempt(api.agent())
    wait = WAITS[said]
    assert failure.next_retry_delay == (None if wait is None else timedelta(seconds=wait))
    assert not failure.non_retryable


@through_both
@pytest.mark.parametrize(("ahead", "least", "most"), [(120, 60, 120), (86_400, 300, 300), (-60, None, None)])
async def test_a_wait_until_a_date_is_kept_and_bounded(  # row 19
    ahead: int, least: int | None, most: int | None, api: Api, loopback: Loopback
) -> None:
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=ahead), usegmt=True)
    loopback.reply({"error": {"message": "Slow down."}}, 503, retry_after=until)
    failure = await failure_of_one_attempt(api.agent())
    if least is None or most is None:
        assert failure.next_retry_delay is None
    else:
        assert failure.next_retry_delay is not None
        assert timedelta(seconds=least) <= failure.next_retry_delay <= timedelta(seconds=most)
    assert not failure.non_retryable


async def attempt_that_is_due(run: Run) -> Any:
    """The model call that waits for its next attempt, as the server has it."""
    host = Host.current()
    client = (await host.call(host.connection())).client
    handle = client.get_workflow_handle(run.id)
    while True:
        described = await host.call(handle.describe())
        for pending in described.raw_description.pending_activities:
            if pending.HasField("last_failure") and pending.HasField("current_retry_interval"):
                return pending


@through_both
async def test_a_long_wait_is_temporals_and_bounded(api: Api, loopback: Loopback) -> None:  # row 19
    loopback.reply({"error": {"message": "Slow down."}}, 429, retry_after="1e9")
    run = await Runner.start(api.agent(), "go")
    due = await attempt_that_is_due(run)
    await run.cancel()
    assert due.current_retry_interval.ToSeconds() == 300
    assert "429: Slow down." in due.last_failure.message
    assert len(loopback.received) == 1


@through_both
async def test_what_may_pass_is_asked_again(api: Api, mock: Mock) -> None:  # row 20
    mock.will(*(fail(status, retry_after=0.05, match={"model": f"{status}"}) for status in MAY_PASS), REPLY)
    runs = await asyncio.gather(*(Runner.run(api.agent(model=f"{status}"), "go") for status in MAY_PASS))
    assert [run.final_output for run in runs] == ["at last" for _ in MAY_PASS]
    assert mock.requests_by_model() == {f"{status}": 2 for status in MAY_PASS}
    assert mock.findings() == []


async def test_a_server_that_stays_down_is_asked_ten_times(mock: Mock) -> None:  # row 20
    mock.will(fail(503, None, retry_after=0.01))

    async def ask(api: Api) -> None:
        with pytest.raises(openai.InternalServerError, match="503"):
            await Runner.run(api.agent(model=api.name), "go")

    await asyncio.gather(ask(RESPONSES), ask(CHAT))
    assert mock.requests_by_model() == {"responses": 10, "chat": 10}
    assert mock.findings() == []


@through_both
async def test_a_server_that_stays_down_is_asked_as_often_as_the_settings_say(api: Api, mock: Mock) -> None:  # row 20
    mock.will(fail(500, None, retry_after=0.01))
    with pytest.raises(openai.InternalServerError):
        await Runner.run(api.agent(retry=ModelRetrySettings(max_retries=1)), "go")
    assert len(mock.asked()) == 2
    assert mock.findings() == []


@through_both
@pytest.mark.parametrize("status", CANNOT_PASS)
async def test_what_cannot_pass_is_asked_once(status: int, api: Api, mock: Mock) -> None:  # row 21
    mock.will(fail(status, None, message="The reason."))
    with pytest.raises(CANNOT_PASS[status], match=r"The reason\."):
        await Runner.run(api.agent(), "go")
    assert len(mock.asked()) == 1
    assert mock.findings() == []


@through_both
async def test_a_spent_quota_is_not_asked_about_again(api: Api, mock: Mock) -> None:  # row 21
    mock.will(fail(429, None, code="insufficient_quota", message="Nothing left."))
    with pytest.raises(openai.RateLimitError, match="Nothing left"):
        await Runner.run(api.agent(), "go")
    assert len(mock.asked()) == 1


@through_both
async def test_a_conversation_that_is_too_long_is_asked_about_once(api: Api, mock: Mock) -> None:  # row 30
    mock.will(fail(400, None, code="context_length_exceeded", message="At most 8192 tokens."))
    assert "shorten it" in (await failure_of_one_attempt(api.agent())).message
    with pytest.raises(openai.BadRequestError, match="At most 8192 tokens") as raised:
        await Runner.run(api.agent(), "go")
    assert raised.value.code == "context_length_exceeded"
    assert len(mock.asked()) == 2  # one of each way to ask
