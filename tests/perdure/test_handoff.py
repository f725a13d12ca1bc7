"""Handoffs: what the model sees of one, and what happens when it calls it."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any

import pytest
from pydantic import BaseModel

from perdure.agent import Agent
from perdure.context import RunContextWrapper
from perdure.errors import ModelBehaviorError, UserError
from perdure.handoff import Handoff, HandoffInputData, as_handoff, filter_input, handoff
from perdure.items import MessageOutputItem

BILLING: Agent[Any] = Agent(name="Billing & Co 2", handoff_description="about money")
CONTEXT = RunContextWrapper("shop")
DATA = HandoffInputData("hi", (), ())


class Reason(BaseModel):
    why: str
    level: int = 1


def of_context(context: Any) -> None:
    assert context is CONTEXT


def with_reason(context: Any, reason: Any) -> None:
    assert context is CONTEXT


async def choose(context: Any, arguments: str) -> Agent[Any]:
    return BILLING


def test_a_handoff_is_named_and_described_after_its_agent() -> None:
    made = handoff(BILLING)
    assert (made.tool_name, made.agent_name) == ("transfer_to_billing___co_2", "Billing & Co 2")
    assert made.tool_description == "Handoff to the Billing & Co 2 agent to handle the request. about money"


def test_name_and_description_can_be_given_by_position() -> None:
    made = handoff(BILLING, "go", "Goes.")
    assert (made.tool_name, made.tool_description) == ("go", "Goes.")


@pytest.mark.parametrize("name", ["a  b", "A-b", "é", "", "x.y/z", "CamelCase", "  lead", "日本"])
def test_default_names_descriptions_and_messages_are_those_of_the_agents_sdk(name: str) -> None:
    agents: Any = pytest.importorskip("agents")
    theirs, ours = agents.handoff(agents.Agent(name=name)), handoff(Agent(name=name))
    assert (ours.tool_name, ours.tool_description) == (theirs.tool_name, theirs.tool_description)
    assert ours.get_transfer_message(Agent(name=name)) == theirs.get_transfer_message(agents.Agent(name=name))


def test_the_fields_of_a_handoff_are_those_of_the_agents_sdk() -> None:
    agents: Any = pytest.importorskip("agents")

    def fields(kind: Any) -> list[tuple[str, Any]]:
        return [(each.name, each.default) for each in dataclasses.fields(kind) if each.name[0] != "_"]

    assert [name for name, _ in fields(Handoff)] == [name for name, _ in fields(agents.Handoff)]
    assert [each for _, each in fields(Handoff)][5:] == [each for _, each in fields(agents.Handoff)][5:]
    assert [each.name for each in dataclasses.fields(HandoffInputData)] == [
        each.name for each in dataclasses.fields(agents.HandoffInputData)
    ]


def test_the_model_sees_a_strict_function_tool_without_arguments() -> None:
    assert handoff(BILLING, "go", "Goes.").to_wire() == {
        "name": "go",
        "parameters": {"type": "object", "properties": {}, "required": [], "additionalProperties": False},
        "strict": True,
        "type": "function",
        "description": "Goes.",
    }


def test_the_model_sees_the_strict_schema_of_an_input_type() -> None:
    made = handoff(BILLING, on_handoff=with_reason, input_type=Reason)
    assert made.to_wire()["parameters"] == {
        "title": "Reason",
        "type": "object",
        "properties": {
            "why": {"title": "Why", "type": "string"},
            "level": {"title": "Level", "type": "integer", "default": 1},
        },
        "required": ["why", "level"],
        "additionalProperties": False,
    }


def test_a_schema_of_the_users_own_goes_out_as_it_is() -> None:
    made: Handoff[Any, Any] = Handoff("go", "Goes.", {"type": "object"}, choose, "any", strict_json_schema=False)
    assert (made.to_wire()["parameters"], made.to_wire()["strict"]) == ({"type": "object"}, False)


def test_the_output_of_a_handoff_is_json_that_names_the_agent() -> None:
    assert handoff(BILLING).get_transfer_message(BILLING) == '{"assistant": "Billing & Co 2"}'


async def test_without_callback_a_handoff_names_its_agent_whatever_the_model_wrote() -> None:
    assert await handoff(BILLING).on_invoke_handoff(CONTEXT, "{{") is BILLING


async def test_a_callback_gets_the_context_and_the_checked_input() -> None:
    seen: list[Any] = []
    made = handoff(BILLING, on_handoff=lambda context, reason: seen.append((context, reason)), input_type=Reason)
    assert await made.on_invoke_handoff(CONTEXT, '{"why": "broken"}') is BILLING
    assert seen == [(CONTEXT, Reason(why="broken"))]


async def test_a_callback_may_be_async() -> None:
    seen: list[Any] = []

    async def on_handoff(context: Any) -> None:
        seen.append(context)

    await handoff(BILLING, on_handoff=on_handoff).on_invoke_handoff(CONTEXT, "")
    await handoff(BILLING, on_handoff=lambda context: on_handoff(context)).on_invoke_handoff(CONTEXT, "")  # noqa: PLW0108  returns a coroutine
    assert seen == [CONTEXT, CONTEXT]


async def test_what_a_callback_raises_is_raised() -> None:
    def on_handoff(context: Any) -> None:
        raise KeyError("shop")

    with pytest.raises(KeyError, match="shop"):
        await handoff(BILLING, on_handoff=on_handoff).on_invoke_handoff(CONTEXT, "")


@pytest.mark.parametrize("arguments", ["", "{", "null", "[]", '{"why": 5}', '{"why": "a"} x', None])
async def test_input_that_does_not_fit_is_the_models_fault_and_the_callback_is_not_called(arguments: Any) -> None:
    called: list[Any] = []
    made = handoff(BILLING, on_handoff=lambda _, reason: called.append(reason), input_type=Reason)
    with pytest.raises(ModelBehaviorError):
        await made.on_invoke_handoff(CONTEXT, arguments)
    assert called == []


async def test_an_error_about_input_says_where_and_why_and_never_what_the_model_wrote() -> None:
    made = handoff(BILLING, "go", on_handoff=with_reason, input_type=Reason)
    with pytest.raises(ModelBehaviorError) as caught:
        await made.on_invoke_handoff(CONTEXT, '{"why": {"card": "4711"}}')
    assert caught.value.message == (
        "Invalid JSON when parsing model output: the input of 'go' does not fit (why: string_type)"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"input_type": Reason}, "has an input_type but no on_handoff"),
        ({"on_handoff": lambda: None}, r"takes \(\); it is called with context\. Give it exactly this parameter"),
        (
            {"on_handoff": with_reason},
            r"reason: 'Any'\) -> 'None'; it is called with context\.",
        ),
        (
            {"on_handoff": of_context, "input_type": Reason},
            "it is called with context and input. Give it exactly",
        ),
        ({"on_handoff": 5}, "has on_handoff=5. Give a function"),
        ({"on_handoff": with_reason, "input_type": dict[str, int]}, "additional properties"),
    ],
)
def test_a_callback_that_cannot_work_is_refused_at_the_definition(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        handoff(BILLING, **options)


def test_a_method_and_a_partial_count_their_free_parameters() -> None:
    class Desk:
        def note(self, context: Any) -> None:
            pass

    assert handoff(BILLING, on_handoff=Desk().note).has_callback
    assert handoff(BILLING, on_handoff=partial(with_reason, CONTEXT)).has_callback


def test_a_handoff_goes_to_an_agent() -> None:
    with pytest.raises(UserError, match=r"got 5, a int\. Give the agent that takes over"):
        handoff(5)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [None, 1, "yes"])
def test_is_enabled_is_a_bool_or_a_function(value: Any) -> None:
    with pytest.raises(TypeError, match="Give a bool or a function"):
        handoff(BILLING, is_enabled=value)


def test_only_a_handoff_that_calls_user_code_has_a_callback() -> None:
    assert not handoff(BILLING).has_callback
    assert handoff(BILLING, on_handoff=of_context).has_callback
    assert Handoff("go", "Goes.", {}, choose, "any").has_callback


def test_a_handoff_knows_its_agent_unless_a_function_chooses_it() -> None:
    assert handoff(BILLING).agent is BILLING
    assert Handoff("go", "Goes.", {}, choose, "any").agent is None


def test_a_changed_copy_of_a_handoff_still_knows_its_agent() -> None:
    copied = dataclasses.replace(handoff(BILLING, on_handoff=of_context), tool_name="go")
    assert (copied.agent, copied.has_callback, copied.tool_name) == (BILLING, True, "go")
    assert dataclasses.replace(handoff(BILLING), on_invoke_handoff=choose).agent is None


def test_an_agent_is_a_handoff_by_itself_and_a_handoff_stays_what_it_is() -> None:
    made = handoff(BILLING, is_enabled=False)
    assert as_handoff(made) is made
    assert (as_handoff(BILLING).agent, as_handoff(BILLING).tool_name) == (BILLING, made.tool_name)


def test_input_data_is_copied_with_changes() -> None:
    items = (MessageOutputItem(BILLING, {"type": "message", "content": []}),)
    changed = DATA.clone(new_items=items, input_history=({"role": "user", "content": "hi"},))
    assert (changed.new_items, changed.pre_handoff_items, DATA.new_items) == (items, (), ())


async def test_an_input_filter_may_be_sync_or_async() -> None:
    async def later(data: HandoffInputData) -> HandoffInputData:
        return data.clone(input_history="later")

    assert (await filter_input(lambda data: data.clone(input_history="now"), DATA)).input_history == "now"
    assert (await filter_input(later, DATA)).input_history == "later"


@pytest.mark.parametrize(
    ("input_filter", "message"),
    [(5, "is 5. Give a function"), (lambda _: None, r"returned None, a NoneType\. Return a HandoffInputData")],
)
async def test_an_input_filter_that_does_not_filter_is_a_user_error(input_filter: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        await filter_input(input_filter, DATA)
