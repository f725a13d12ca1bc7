"""Nested histories: what the next agent's model sees in place of the items."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.agent import Agent
from perdure.context import RunContextWrapper
from perdure.handoff import HandoffInputData
from perdure.handoff_history import (
    default_handoff_history_mapper,
    get_conversation_history_wrappers,
    nest_handoff_history,
    reset_conversation_history_wrappers,
    set_conversation_history_wrappers,
)
from perdure.items import (
    HandoffCallItem,
    HandoffOutputItem,
    InputItem,
    MessageOutputItem,
    ReasoningItem,
    RunItem,
    ToolApprovalItem,
    ToolCallItem,
    ToolCallOutputItem,
    TResponseInputItem,
)

TRIAGE: Agent[Any] = Agent(name="Triage")
PREAMBLE = "For context, here is the conversation so far between the user and the previous agent:"
LOOK = {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}"}
FOUND = {"type": "function_call_output", "call_id": "c1", "output": "found"}
THOUGHT = {"type": "reasoning", "id": "r1", "summary": []}
TRANSFER = {"type": "function_call", "call_id": "h1", "name": "transfer_to_billing", "arguments": "{}"}
TRANSFERRED = {"type": "function_call_output", "call_id": "h1", "output": '{"assistant": "Billing"}'}


@pytest.fixture(autouse=True)
def _markers_as_by_default() -> Iterator[None]:
    yield
    reset_conversation_history_wrappers()


def said(text: str) -> dict[str, Any]:
    return {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}


def summary(*lines: str) -> dict[str, Any]:
    body = "\n".join(lines)
    return {"role": "assistant", "content": f"{PREAMBLE}\n<CONVERSATION HISTORY>\n{body}\n</CONVERSATION HISTORY>"}


def item(data: dict[str, Any]) -> RunItem:
    kinds: dict[str, Callable[..., RunItem]] = {
        "reasoning": ReasoningItem,
        "function_call": ToolCallItem,
        "function_call_output": lambda agent, data: ToolCallOutputItem(agent, data, data["output"]),
        "message": MessageOutputItem,
    }
    return kinds.get(data.get("type", ""), InputItem)(TRIAGE, data)


def nest(
    history: str | list[TResponseInputItem], before: list[dict[str, Any]], now: list[dict[str, Any]], **options: Any
) -> list[TResponseInputItem]:
    given = history if isinstance(history, str) else tuple(history)
    data = HandoffInputData(given, tuple(map(item, before)), tuple(map(item, now)))
    return list(nest_handoff_history(data, **options).input_history)  # type: ignore[arg-type]


def test_messages_of_the_turn_stay_and_the_rest_is_told_between_the_markers() -> None:
    nested = nest("hi", [said("one"), LOOK, FOUND], [THOUGHT, said("two"), TRANSFER, TRANSFERRED])
    assert nested == [
        summary(
            "1. user: hi",
            f"2. {json.dumps(said('one'))}",
            f"3. {json.dumps(LOOK)}",
            f"4. {json.dumps(FOUND)}",
            f"5. {json.dumps(THOUGHT)}",
        ),
        said("two"),
        summary(f"1. {json.dumps(TRANSFER)}", f"2. {json.dumps(TRANSFERRED)}"),
    ]


def test_what_stays_is_the_very_item() -> None:
    message = said("two")
    assert nest("hi", [], [message])[1] is message


def test_a_second_nesting_makes_one_flat_transcript() -> None:
    first = nest("hi", [LOOK, FOUND], [said("one"), TRANSFER, TRANSFERRED])
    second = nest(first, [], [])
    records = [LOOK, FOUND, said("one"), TRANSFER, TRANSFERRED]
    assert second == [summary("1. user: hi", *(f"{n}. {json.dumps(each)}" for n, each in enumerate(records, 2)))]


def test_the_models_input_is_the_history_alone_and_the_new_items_stay_for_the_result() -> None:
    context = RunContextWrapper(None)
    now = (item(said("one")), HandoffCallItem(TRIAGE, TRANSFER), HandoffOutputItem(TRIAGE, TRANSFERRED))
    nested = nest_handoff_history(HandoffInputData("hi", (item(LOOK),), now, context, (item(LOOK),)))
    assert (nested.pre_handoff_items, nested.new_items, nested.input_items) == ((), now, ())
    assert nested.run_context is context


def test_a_call_that_waits_for_approval_is_not_told() -> None:
    waiting = ToolApprovalItem(TRIAGE, LOOK, id="1.0", digest="d")
    nested = nest_handoff_history(HandoffInputData("hi", (waiting,), (waiting,)))
    assert nested.input_history == (summary("1. user: hi"),)


def test_a_mapper_gets_the_flat_transcript_and_its_word_is_the_models_input() -> None:
    seen: list[list[TResponseInputItem]] = []

    def mapper(transcript: list[TResponseInputItem]) -> list[TResponseInputItem]:
        seen.append(transcript)
        return transcript[-1:]

    nested = nest([summary("1. user: hi")], [said("one")], [THOUGHT, TRANSFER], history_mapper=mapper)
    assert seen == [[{"role": "user", "content": "hi"}, said("one"), THOUGHT, TRANSFER]]
    assert nested == [TRANSFER]


def test_a_mapper_may_change_what_it_gets() -> None:
    message = said("one")
    nest("hi", [], [message], history_mapper=lambda transcript: [each | {"role": each.clear()} for each in transcript])
    assert message == said("one")


def test_the_default_mapper_tells_all_in_one_summary() -> None:
    nested = nest("hi", [], [said("one"), TRANSFER], history_mapper=default_handoff_history_mapper)
    assert nested == [summary("1. user: hi", f"2. {json.dumps(said('one'))}", f"3. {json.dumps(TRANSFER)}")]


def test_an_empty_transcript_says_so() -> None:
    assert default_handoff_history_mapper([]) == [summary("(no previous turns recorded)")]
    assert nest([summary("(no previous turns recorded)")], [], []) == [summary("(no previous turns recorded)")]


@pytest.mark.parametrize(
    ("told", "line"),
    [
        ({"role": "user", "content": "hi", "name": "bob"}, "user (bob): hi"),
        ({"role": "user", "content": None}, "user: "),
        ({"role": "user", "content": "a\nb"}, '{"role": "user", "content": "a\\nb"}'),
        ({"role": "user", "content": "é"}, "user: é"),
        ({"role": "user", "content": ["é"]}, '{"role": "user", "content": ["é"]}'),
        ({"type": "reasoning", "provider_data": {"a": 1}, "created_by": "x"}, '{"type": "reasoning"}'),
        ({"content": "nobody"}, '{"content": "nobody"}'),
    ],
)
def test_a_record_is_role_and_text_or_json(told: dict[str, Any], line: str) -> None:
    assert default_handoff_history_mapper([told]) == [summary(f"1. {line}")]


@pytest.mark.parametrize(
    "given",
    [
        {"role": "user", "content": summary("1. user: hi")["content"]},
        {"role": "assistant", "content": f"{summary('1. user: hi')['content']} and more"},
        {"role": "assistant", "content": f"So: {summary('1. user: hi')['content']}"},
    ],
)
def test_only_an_assistants_message_that_is_nothing_but_a_summary_is_read_back(given: TResponseInputItem) -> None:
    assert nest([given], [], [], history_mapper=lambda transcript: transcript) == [given]


def test_markers_can_be_set_one_by_one_and_reset() -> None:
    set_conversation_history_wrappers(start="<<")
    set_conversation_history_wrappers(end=">>")
    assert get_conversation_history_wrappers() == ("<<", ">>")
    nested = default_handoff_history_mapper([{"role": "user", "content": "hi"}])
    assert nested == [{"role": "assistant", "content": f"{PREAMBLE}\n<<\n1. user: hi\n>>"}]
    assert nest(nested, [], []) == nested
    reset_conversation_history_wrappers()
    assert get_conversation_history_wrappers() == ("<CONVERSATION HISTORY>", "</CONVERSATION HISTORY>")


_TEXT = st.text(st.sampled_from('ab 1.:(){}"\n é'), max_size=12)
_ROLE = st.sampled_from(["user", "assistant", "system", "developer"])
_MESSAGE = st.one_of(
    st.builds(lambda role, text: {"role": role, "content": text}, _ROLE, _TEXT),
    st.builds(said, _TEXT),
    st.builds(lambda text, name: {"role": "user", "content": text, "name": name}, _TEXT, st.sampled_from(["bob", ""])),
)
_CALL = st.one_of(
    st.just(LOOK),
    st.just(THOUGHT),
    st.just({"type": "web_search_call", "id": "w", "status": "completed"}),
    st.just({"type": "compaction", "id": "c", "encrypted_content": "x"}),
    st.builds(lambda text: {**FOUND, "output": text}, _TEXT),
)
_LINES = [
    "user: x", "bob: y", "more", "assistant (z): x", "user", '{"type": "reasoning"}', "2. ", "", "1. user: x",
    'function_call: {"call_id": "c"}', "3. system:  x ", "(no previous turns recorded)", "4. {", "5. (z): x",
]  # fmt: skip  # one a line would take a page
_LINE = st.one_of(st.sampled_from(_LINES), _TEXT)
_SUMMARY = st.lists(_LINE, max_size=5).map(lambda lines: summary(*lines))
_ITEMS = st.lists(st.one_of(_MESSAGE, _CALL, _SUMMARY), max_size=4)


@settings(max_examples=150, deadline=None)
@given(history=st.one_of(_TEXT, _ITEMS), before=_ITEMS, now=_ITEMS, later=_ITEMS, mapped=st.booleans())
def test_the_model_sees_what_it_sees_under_the_agents_sdk(
    history: Any, before: list[Any], now: list[Any], later: list[Any], mapped: bool
) -> None:
    pytest.importorskip("agents")
    options: dict[str, Any] = {"history_mapper": lambda transcript: transcript} if mapped else {}
    ours = nest(nest(history, before, now, **options), later, [], **options)
    theirs = nest_there(nest_there(history, before, now, options), later, [], options)
    assert ours == theirs


def nest_there(history: Any, before: list[Any], now: list[Any], options: dict[str, Any]) -> list[Any]:
    import agents.handoffs

    there: Any = agents
    agent = there.Agent(name="Triage")

    def wrapped(data: dict[str, Any]) -> Any:
        if data.get("type") == "function_call_output":
            return there.ToolCallOutputItem(agent=agent, raw_item=data, output=data["output"])
        kinds = {
            "reasoning": there.ReasoningItem,
            "function_call": there.ToolCallItem,
            "message": there.MessageOutputItem,
        }
        return kinds.get(data.get("type", ""), there.InputItem)(agent=agent, raw_item=data)

    data = there.HandoffInputData(
        history if isinstance(history, str) else tuple(history), tuple(map(wrapped, before)), tuple(map(wrapped, now))
    )
    return list(there.handoffs.nest_handoff_history(data, **options).input_history)
