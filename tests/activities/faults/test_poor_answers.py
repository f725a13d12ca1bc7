"""A whole answer that is empty, refused, cut off or cannot be followed: never paid for more often than it must be."""

from __future__ import annotations

import json
from typing import Any

import pytest

from perdure import MaxTurnsExceeded, ModelBehaviorError, ModelRefusalError, ModelRetrySettings, Runner, function_tool
from tests.activities.faults.apis import CHAT, RESPONSES, SOON, Api, ask, ask_each, sent, some, through_both
from tests.activities.faults.mock import Mock
from tests.activities.loopback import CLOSE
from tests.agents import add
from tests.conformance.answers import call, refuse


def chosen(**choice: Any) -> dict[str, Any]:
    """An answer of the Chat Completions API whose choice has these fields."""
    answer = CHAT.answer("half")
    answer["choices"][0] |= choice
    return answer


def responded(**fields: Any) -> dict[str, Any]:
    """An answer of the Responses API with these fields."""
    return RESPONSES.answer("half") | fields


def called(**function: Any) -> dict[str, Any]:
    """A choice of the Chat Completions API with a call that lacks something."""
    one = {"id": "c", "type": "function", "function": {"name": "add", "arguments": "{}"}} | function
    return chosen(message={"role": "assistant", "content": None, "tool_calls": [one]})


EMPTY: dict[str, dict[str, Any]] = {  # answers that say nothing, with all that an answer has
    "responses": {"no items": responded(output=[]), "no text": RESPONSES.answer("")},
    "chat": {
        "no text": chosen(message={"role": "assistant", "content": ""}),
        "no content": chosen(message={"role": "assistant", "content": None}),
    },
}
HOLLOW: dict[str, dict[str, Any]] = {  # answers without what makes them some
    "responses": {"no output": responded(output=None), "no items but texts": responded(output=["half"]), "{}": {}},
    "chat": {
        "no choices": CHAT.answer("half") | {"choices": []},
        "an error instead": {"error": {"message": "Upstream is busy.", "code": 502}},
        "no message": chosen(message=None),
        "a call without a name": called(function={"arguments": "{}"}),
        "a call without an id": called(id=None),
    },
}
UNFINISHED: dict[str, dict[str, Any]] = {
    "responses": {
        "by the content filter": responded(status="incomplete", incomplete_details={"reason": "content_filter"}),
        "by the limit of tokens": responded(status="incomplete", incomplete_details={"reason": "max_output_tokens"}),
        "for an unknown reason": responded(status="incomplete"),
        "before it was made": responded(status="in_progress"),
        "by an error for good": responded(status="failed", error={"code": "invalid_prompt", "message": "No."}),
    },
    "chat": {
        "by the content filter": chosen(finish_reason="content_filter"),
        "by the limit of tokens": chosen(finish_reason="length"),
        "by the model's limit": chosen(finish_reason="model_length"),
    },
}
BROKEN_OFF: dict[str, dict[str, Any]] = {  # by an error of the server, in the middle of an answer
    "responses": {
        code: responded(status="failed", error={"code": code, "message": "Sorry."})
        for code in ("server_error", "rate_limit_exceeded")
    },
    "chat": {reason: chosen(finish_reason=reason) for reason in ("error", "insufficient_system_resource")},
}


@through_both
async def test_an_answer_that_says_nothing_is_the_final_one_as_in_the_agents_sdk(api: Api) -> None:  # row 27
    answers = EMPTY[api.name]
    told = await ask_each(api, {name: (sent(answer),) for name, answer in answers.items()})
    assert told == dict.fromkeys(answers, ("", 1))


@through_both
async def test_a_hollow_answer_is_asked_for_once_more(api: Api) -> None:  # row 27
    answers = some(api, HOLLOW[api.name])
    told = await ask_each(api, {name: (sent(answer), api.said("at last")) for name, answer in answers.items()})
    assert told == dict.fromkeys(answers, ("at last", 2))


@through_both
async def test_a_second_hollow_answer_ends_the_run(api: Api) -> None:  # row 27
    answers = HOLLOW[api.name]
    told = await ask_each(api, {name: (sent(answer),) * 3 for name, answer in answers.items()})
    assert told == dict.fromkeys(answers, (ModelBehaviorError, 2))


@through_both
async def test_other_failures_do_not_count_as_hollow_answers(api: Api) -> None:  # row 27
    hollow = sent(next(iter(HOLLOW[api.name].values())))
    told = await ask_each(
        api, {"before": (CLOSE, hollow, CLOSE, api.said("at last")), "between": (hollow, CLOSE, hollow)}, retry=SOON
    )
    assert told == {"before": ("at last", 4), "between": (ModelBehaviorError, 3)}


@through_both
async def test_a_policy_decides_about_hollow_answers_too(api: Api) -> None:  # row 27
    hollow = sent(next(iter(HOLLOW[api.name].values())))
    retry = ModelRetrySettings(max_retries=3, backoff=SOON.backoff, policy=lambda _: True)
    assert (await ask(api, hollow, hollow, api.said("at last"), retry=retry)).told == ("at last", 3)


@through_both
async def test_a_refusal_is_told_and_not_asked_about_again(api: Api) -> None:  # row 28
    asked = await ask(api, api.said(refuse("I will not.")))
    assert asked.told == (ModelRefusalError, 1)
    assert "I will not." in str(asked.error)


@through_both
async def test_an_unfinished_answer_is_never_a_result_nor_asked_for_again(api: Api) -> None:  # row 29
    answers = UNFINISHED[api.name]
    told = await ask_each(api, {name: (sent(answer),) for name, answer in answers.items()})
    assert told == dict.fromkeys(answers, (ModelBehaviorError, 1))


async def test_an_answer_that_the_filter_withheld_whole_is_a_refusal() -> None:  # row 29
    withheld = chosen(message={"role": "assistant", "content": None}, finish_reason="content_filter")
    assert (await ask(CHAT, sent(withheld))).told == (ModelRefusalError, 1)


@pytest.mark.parametrize(("api", "reason"), [(CHAT, "content_filter"), (CHAT, "length"), (RESPONSES, "length")])
async def test_what_llmock_cuts_off_is_never_a_result(api: Api, reason: str, mock: Mock) -> None:  # row 29
    mock.will({"type": "reply", "text": "half", "finish_reason": reason})
    with pytest.raises(ModelBehaviorError, match="incomplete"):
        await Runner.run(api.agent(), "go")
    assert len(mock.asked()) == 1


@through_both
async def test_an_answer_that_the_server_broke_off_is_asked_for_again(api: Api) -> None:  # rows 20, 29
    answers = BROKEN_OFF[api.name]
    told = await ask_each(api, {name: (sent(answer), api.said("at last")) for name, answer in answers.items()})
    assert told == dict.fromkeys(answers, ("at last", 2))


@through_both
async def test_the_model_is_told_of_arguments_that_cannot_be_read(api: Api, mock: Mock) -> None:  # row 31
    mock.will({"type": "tool_fault", "kind": "malformed_arguments"})
    result = await Runner.run(api.agent(add), "go")
    assert result.final_output
    first, second = mock.asked()
    assert json.dumps(first) != json.dumps(second)
    assert "Invalid JSON" in json.dumps(second)
    assert mock.findings() == []


@through_both
async def test_arguments_that_are_never_readable_cost_as_many_requests_as_there_are_turns(api: Api) -> None:  # row 31
    asked = await ask(api, *[api.said(call("add", _raw='{"a": 1, '))] * 4, tools=(add,), max_turns=3)
    assert asked.told == (MaxTurnsExceeded, 3)


@through_both
async def test_an_unknown_tool_ends_the_run_as_in_the_agents_sdk(api: Api, mock: Mock) -> None:  # row 32
    mock.will({"type": "tool_fault", "kind": "unknown_tool"})
    with pytest.raises(ModelBehaviorError, match="llmock_unknown_tool"):
        await Runner.run(api.agent(add), "go")
    assert len(mock.asked()) == 1


DUPLICATES = {
    "other arguments": ([call("note", "c", what="a"), call("note", "c", what="b")], ["a", "b"]),
    "the same call": ([call("note", "c", what="a"), call("note", "c", what="a")], ["a"]),
    "another tool": ([call("note", "c", what="a"), call("add", "c", a=1, b=2)], ["a"]),
}


@through_both
@pytest.mark.parametrize("name", DUPLICATES)
async def test_calls_that_share_an_id_are_each_made_once(name: str, api: Api) -> None:  # row 33
    noted: list[str] = []

    @function_tool
    async def note(what: str) -> str:
        """Note something."""
        noted.append(what)
        return f"noted {what}"

    calls, effects = DUPLICATES[name]
    asked = await ask(api, api.said(*calls), api.said("done"), tools=(note, add))
    assert asked.told == ("done", 2)
    assert sorted(noted) == effects
    assert all(f"noted {what}" in json.dumps(asked.received[1].body) for what in effects)
