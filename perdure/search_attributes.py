"""Search attributes: by what the list of runs in the Temporal UI can be filtered.

Runs work without them: a run is started with them only where all are registered in its namespace, and its workflow sets
only what it was started with, so that its history alone decides. `STATUS` stands for `APPROVERS` and `COST`, too, which
nothing has at a start; an attribute that is added later needs a value of its own at the start.
"""

from __future__ import annotations

from collections.abc import Iterable
from shlex import quote

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

from perdure.limits import MAX_LISTED_CHARACTERS
from perdure.redaction import redacted
from perdure.visible import in_line

AGENT = SearchAttributeKey.for_keyword("PerdureAgent")  # the agent that the run was started with
STATUS = SearchAttributeKey.for_keyword("PerdureStatus")  # for whom it waits: see `workflows/listing.py`
APPROVERS = SearchAttributeKey.for_keyword_list("PerdureApprovers")  # who has decided about its calls, as they claim
COST = SearchAttributeKey.for_float("PerdureCostUsd")  # US dollars, as far as they are known; else it has none

REGISTERED: dict[str, int] = {
    AGENT.name: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    STATUS.name: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    APPROVERS.name: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD_LIST,
    COST.name: IndexedValueType.INDEXED_VALUE_TYPE_DOUBLE,
}


def at_start(agent: str) -> TypedSearchAttributes:
    """What a run is listed by before it has done anything."""
    return TypedSearchAttributes([SearchAttributePair(AGENT, word(agent)), SearchAttributePair(STATUS, "running")])


def word(text: str) -> str:
    """A text as a value: of bounded length, with nothing in it that a database refuses."""
    return in_line(redacted(text))[:MAX_LISTED_CHARACTERS]


def missing(registered: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Those that a namespace does not have, or has of another type, by name."""
    known = dict(registered)
    return {name: kind for name, kind in REGISTERED.items() if known.get(name) != kind}


def type_name(kind: int) -> str:
    """A type as Temporal's command line takes it."""
    name = IndexedValueType.Name(IndexedValueType.ValueType(kind)).removeprefix("INDEXED_VALUE_TYPE_")
    return "".join(part.capitalize() for part in name.split("_"))


def commands_for(namespace: str, names: dict[str, int]) -> list[str]:
    """The commands of Temporal's own command line that register search attributes."""
    command = f"temporal operator search-attribute create --namespace {quote(namespace)}"
    return [f"`{command} --name {name} --type {type_name(kind)}`" for name, kind in names.items()]
