"""The agent's tools: the schema that the model saw, and the outputs that were recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from examples.airline import store, tools
from examples.airline.agent import airline
from examples.airline.conversations import Conversation, load
from perdure import FunctionTool, ToolContext

TOOLS = {tool.name: tool for tool in airline.tools if isinstance(tool, FunctionTool)}
SHOWN = {each["function"]["name"]: each["function"] for each in json.loads((store.DATA_DIR / "tools.json").read_text())}
CHANGING = {
    "book_reservation",
    "cancel_reservation",
    "send_certificate",
    "update_reservation_baggages",
    "update_reservation_flights",
    "update_reservation_passengers",
}


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    database = tmp_path / "airline.db"
    store.build(database)
    monkeypatch.setenv("AIRLINE_DB", str(database))
    return database


async def call(name: str, arguments: str, key: str = "key") -> Any:
    context = ToolContext(
        context=None, tool_name=name, tool_call_id="call_1", tool_arguments=arguments, idempotency_key=key
    )
    return await TOOLS[name].on_invoke_tool(context, arguments)


def plain(schema: Any, definitions: dict[str, Any]) -> Any:
    """A schema without what says nothing to the model: titles, references, line breaks, and closing an object."""
    if isinstance(schema, list):
        return [plain(each, definitions) for each in schema]
    if not isinstance(schema, dict):
        return " ".join(schema.split()) if isinstance(schema, str) else schema
    if "$ref" in schema:
        return plain(definitions[schema["$ref"].removeprefix("#/$defs/")], definitions)
    shown: dict[str, Any] = {}
    for name, value in schema.items():
        if name == "properties":
            shown[name] = {each: plain(kind, definitions) for each, kind in value.items()}
        elif name not in ("$defs", "title", "additionalProperties"):
            shown[name] = plain(value, definitions)
    if shown.get("type") == "object":
        shown.setdefault("required", [])
    return shown


@pytest.mark.parametrize("name", sorted(SHOWN))
def test_a_tool_shows_the_model_what_the_recorded_one_showed(name: str) -> None:
    schema = TOOLS[name].params_json_schema
    assert plain(schema, schema.get("$defs", {})) == plain(SHOWN[name]["parameters"], {})
    assert plain(TOOLS[name].description, {}) == SHOWN[name]["description"]


def test_the_agent_has_the_recorded_tools_in_their_order_and_the_recorded_policy() -> None:
    assert [tool.name for tool in airline.tools] == list(SHOWN)
    assert airline.instructions == load(store.DATA_DIR)[0].system
    assert (airline.name, airline.model) == ("Airline", "gpt-4o")


def test_the_tools_that_change_something_ask_first_and_may_be_repeated() -> None:
    assert {name for name, tool in TOOLS.items() if tool.needs_approval is True} == CHANGING
    assert all(TOOLS[name].effect == "repeatable" for name in CHANGING)


@pytest.mark.parametrize("conversation", load(store.DATA_DIR), ids=lambda each: each.id)
async def test_every_recorded_call_answers_as_recorded(path: Path, conversation: Conversation) -> None:
    calls = [call for turn in conversation.turns for step in turn.steps for call in step.calls]
    assert calls
    for index, recorded in enumerate(calls):
        assert await call(recorded.name, recorded.arguments, key=f"{conversation.id}/{index}") == recorded.output


async def test_a_call_repeated_under_its_key_changes_nothing_more(path: Path) -> None:
    arguments = '{"user_id": "noah_muller_9847", "amount": 50}'
    first = await call("send_certificate", arguments)
    after_first = store.changes(path)
    assert await call("send_certificate", arguments) == first
    assert store.changes(path) == after_first
    assert await call("send_certificate", arguments, key="another") != first


@pytest.mark.parametrize("amount", ["50", "50.0", "50.25"])
async def test_an_amount_stays_as_the_model_wrote_it(path: Path, amount: str) -> None:
    answer = await call("send_certificate", f'{{"user_id": "noah_muller_9847", "amount": {amount}}}')
    assert answer.endswith(f"with amount {amount}.")


async def test_arguments_of_the_wrong_shape_change_nothing(path: Path) -> None:
    flights = '{"reservation_id": "FQ8APE", "cabin": "economy", "flights": [{"date": "x"}], "payment_id": "p"}'
    assert "An error occurred" in await call("update_reservation_flights", flights)
    assert "An error occurred" in await call("send_certificate", '{"user_id": "noah_muller_9847", "amount": "much"}')
    assert store.changes(path) == []


def test_without_a_database_the_error_names_the_missing_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRLINE_DB", raising=False)
    with pytest.raises(RuntimeError, match="AIRLINE_DB is not set"):
        tools.database()
