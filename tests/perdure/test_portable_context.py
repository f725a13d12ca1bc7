"""How a context travels."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from perdure.canonical import encode
from perdure.errors import ContextNotPortableError
from perdure.portable_context import REMOVED, changed_fields, context_state, open_context, update_context

if TYPE_CHECKING:
    from decimal import Decimal as OnlyForTheChecker


class Address(BaseModel):
    city: str


class Customer(BaseModel):
    name: str = "Zoë"
    seen: set[int] = set()
    address: Address = Address(city="Bern")
    connection: Any = Field(default=None, exclude=True)
    _cache: Any = PrivateAttr(default=None)


@dataclass
class Order:
    number: int = 1
    lines: list[Address] = field(default_factory=list[Address])
    at: datetime = datetime(2026, 1, 2, tzinfo=UTC)
    note: Annotated[str | None, "free text"] = None
    store: Any = field(default=None, metadata={"exclude": True})
    _lock: OnlyForTheChecker | None = None


@dataclass
class RushedOrder(Order):
    hours: int = 2


@dataclass(frozen=True)
class Fixed:
    lines: tuple[int, ...] = ()


class FrozenModel(BaseModel):
    model_config = ConfigDict(frozen=True)

    lines: list[int] = []


@dataclass(slots=True)
class Slotted:
    number: int = 1


@dataclass
class Unreadable:
    amount: OnlyForTheChecker | None = None


class Resource:
    """A connection, a lock, a client: nothing that is JSON."""


def test_no_context_is_no_state() -> None:
    assert context_state(None) is None


def test_a_models_state_is_its_public_fields_as_json() -> None:
    customer = Customer(seen={3}, connection=Resource())
    customer._cache = Resource()
    assert context_state(customer) == {"name": "Zoë", "seen": [3], "address": {"city": "Bern"}}


def test_a_dataclasss_state_is_its_public_fields_as_json() -> None:
    order = Order(lines=[Address(city="Ulm")], store=Resource(), _lock=Resource())  # type: ignore[arg-type]  # lent
    assert context_state(order) == {
        "number": 1,
        "lines": [{"city": "Ulm"}],
        "at": "2026-01-02T00:00:00Z",
        "note": None,
    }


def test_a_dicts_state_is_its_public_keys() -> None:
    assert context_state({"a": 1, "_db": Resource()}) == {"a": 1}


@pytest.mark.parametrize("context", [5, "text", [1], Resource(), Order, object()])
def test_a_context_of_another_kind_is_refused_with_what_to_use(context: Any) -> None:
    with pytest.raises(ContextNotPortableError, match="use a pydantic model, a dataclass or a dict"):
        context_state(context)


@pytest.mark.parametrize("value", [Resource(), lambda: None, math.nan, [math.inf], {"deep": [Resource()]}])
def test_what_is_no_json_is_refused_by_the_fields_name(value: Any) -> None:
    for context in (Customer.model_construct(name=value), Order(number=value), {"name": value, "number": value}):
        with pytest.raises(ContextNotPortableError, match=r"Field '(name|number)' of the context .* private \(_n"):
            context_state(context)


@pytest.mark.parametrize("value", [datetime(2026, 1, 2, tzinfo=UTC), {1, 2}, Address(city="Ulm"), b"bytes", [1j]])
def test_a_dict_whose_values_would_come_back_as_something_else_is_refused(value: Any) -> None:
    with pytest.raises(ContextNotPortableError, match=r"Field 'a' of the context .* is not JSON"):
        context_state({"a": value})


def test_a_list_that_holds_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(ContextNotPortableError, match="Field 'a'"):
        context_state({"a": endless})


def test_a_key_that_is_no_text_is_refused() -> None:
    with pytest.raises(ContextNotPortableError, match="Key 5 of the context is no string"):
        context_state({5: "a"})


def test_a_field_whose_type_cannot_be_found_is_refused_before_the_run() -> None:
    with pytest.raises(ContextNotPortableError, match=r"type of field 'amount' .*OnlyForTheChecker.* \(_amount\)"):
        context_state(Unreadable())


def test_half_surrogates_become_question_marks() -> None:
    assert context_state({"a": "x\ud83d"}) == {"a": "x?"}


def test_a_context_of_more_than_256_kib_is_refused() -> None:
    room = 256 * 1024 - len(encode({"a": ""}))
    assert context_state({"a": "x" * room}) is not None
    with pytest.raises(ContextNotPortableError, match="takes 262145 bytes as JSON; at most 262144"):
        context_state({"a": "x" * (room + 1)})


@pytest.mark.parametrize(
    "context",
    [
        Customer(name="Ana", seen={1, 2}, address=Address(city="Ulm")),
        Order(7, [Address(city="Ulm")], datetime(2025, 5, 5, tzinfo=UTC), "hi"),
        RushedOrder(7, hours=1),
        Fixed((1, 2)),
        FrozenModel(lines=[1, 2]),
        Slotted(5),
        {"a": {"b": [1]}},
    ],
)
def test_a_context_opened_from_its_state_equals_it(context: Any) -> None:
    template = {} if isinstance(context, dict) else type(context)()
    assert open_context(template, context_state(context)) == context


def test_an_opened_context_has_the_templates_resources() -> None:
    connection, lock = Resource(), Resource()
    template = Customer(connection=connection)
    template._cache = lock
    opened = open_context(template, {"name": "Ana"})
    assert (opened.name, opened.connection, opened._cache) == ("Ana", connection, lock)
    assert template.name == "Zoë"


def test_what_a_call_does_to_its_context_stays_there() -> None:
    template = Order(lines=[Address(city="Ulm")])
    state = context_state(template)
    first, second = open_context(template, state), open_context(template, state)
    first.lines.append(Address(city="Bern"))
    first.lines[0].city = "Basel"
    assert [line.city for line in template.lines] == [line.city for line in second.lines] == ["Ulm"]


def test_without_a_template_the_context_is_a_copy_of_the_state() -> None:
    state = {"a": [1]}
    opened = open_context(None, state)
    opened["a"].append(2)
    assert changed_fields(state, opened) == {"a": [1, 2]}
    assert open_context(None, None) is None


def test_a_run_without_a_state_has_no_context() -> None:
    assert open_context(Customer(), None) is None


def test_an_update_changes_the_callers_own_object() -> None:
    order = Order(store="kept")
    lines = [{"city": "Ulm"}]
    update_context(order, {"number": 9, "lines": lines, "at": "2020-01-01T00:00:00Z"})
    assert order == Order(9, [Address(city="Ulm")], datetime(2020, 1, 1, tzinfo=UTC), store="kept")


def test_an_update_of_a_dict_keeps_what_it_does_not_name() -> None:
    context: dict[str, Any] = {"a": 1, "b": 2, "_db": "kept"}
    update_context(context, {"a": 5, "c": 6})
    assert context == {"a": 5, "b": 2, "c": 6, "_db": "kept"}


def test_a_key_that_was_taken_out_of_a_dict_is_told_and_taken_out_elsewhere() -> None:
    assert changed_fields({"a": 1, "b": 2}, {"a": 1, "_db": Resource()}) == {"b": REMOVED}
    context: dict[str, Any] = {"a": 1, "b": 2, "_db": "kept"}
    update_context(context, {"b": REMOVED, "c": REMOVED})
    assert context == {"a": 1, "_db": "kept"}


def test_a_dict_is_opened_without_keys_that_its_state_has_no_more() -> None:
    assert open_context({"a": 1, "b": 2, "_db": "kept"}, {"a": 1}) == {"a": 1, "_db": "kept"}


def test_an_updated_context_shares_nothing_with_the_state() -> None:
    context: dict[str, Any] = {}
    state = {"a": [1]}
    update_context(context, state)
    context["a"].append(2)
    assert state == {"a": [1]}


def test_an_update_leaves_out_fields_that_this_version_does_not_have() -> None:
    order = Order()
    update_context(order, {"of_tomorrow": 1, "_lock": 1, "store": 1})
    assert order == Order()


@pytest.mark.parametrize("context", [Fixed((1,)), FrozenModel(lines=[1])])
def test_a_frozen_context_is_given_its_new_state_too(context: Any) -> None:
    update_context(context, {"lines": [1, 2]})
    assert list(context.lines) == [1, 2]


def test_only_changed_fields_are_told() -> None:
    before = context_state(Customer())
    assert changed_fields(before, Customer()) == {}
    assert changed_fields(before, Customer(name="Ana")) == {"name": "Ana"}
    assert changed_fields(before, Customer(address=Address(city="Ulm"))) == {"address": {"city": "Ulm"}}


def test_new_fields_are_changed_fields() -> None:
    assert changed_fields({"a": 1}, {"a": 1, "b": None}) == {"b": None}
    assert changed_fields(None, {"a": 1}) == {"a": 1}
    assert changed_fields(None, None) == {}


def test_what_a_field_was_changed_to_must_be_portable_too() -> None:
    with pytest.raises(ContextNotPortableError, match="Field 'a'"):
        changed_fields({"a": 1}, {"a": Resource()})


def test_a_local_type_can_be_a_context_if_its_fields_types_are_known() -> None:
    @dataclass
    class Local:
        count: int = 0

    opened = open_context(Local(), {"count": 3})
    assert dataclasses.asdict(opened) == {"count": 3}
