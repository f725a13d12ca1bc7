"""What user code hands over: Python objects, exceptions, and the items of a model's answer."""

from __future__ import annotations

import decimal
import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from pydantic import BaseModel, model_serializer
from temporalio.exceptions import ApplicationError
from temporalio.exceptions import CancelledError as ActivityCancelledError

from perdure import AgentsException, MaxTurnsExceeded, Usage
from tests.chaos.fuzz.values import BIG_TEXT, DEEP, HALF, LONG_INTEGER, json_values, nested, spoilt, texts


class Mischief(RuntimeError):
    """What such an object raises by itself: its own, whoever meets it."""


class Unspeakable:
    """An object that says nothing of itself."""

    def __repr__(self) -> str:
        raise Mischief("no repr")

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        raise Mischief("not comparable")

    def __bool__(self) -> bool:
        raise Mischief("neither true nor false")

    __hash__ = None  # type: ignore[assignment]  it cannot be compared, so it cannot be hashed


class Unwritable(BaseModel):
    """A model whose serialiser raises."""

    name: str = "n"

    @model_serializer
    def _write(self) -> Any:
        raise Mischief("not to be written")


class Colour(enum.Enum):
    """An enum whose value is no JSON."""

    RED = Unspeakable


@dataclass
class Inner:
    """A dataclass around anything."""

    value: Any


class Keyed(dict[str, Any]):
    """A dict whose items cannot be had."""

    def items(self) -> Any:
        raise Mischief("no items")


class Shouting(str):
    """A text that cannot be encoded."""

    __slots__ = ()

    def encode(self, *_: Any, **__: Any) -> bytes:
        raise Mischief("no bytes")


def looped() -> list[Any]:
    """A list that holds itself."""
    found: list[Any] = []
    found.append(found)
    return found


OBJECTS: list[Callable[[], Any]] = [
    Unspeakable,
    lambda: Unspeakable,
    Unwritable,
    lambda: Colour.RED,
    lambda: Inner(Unspeakable()),
    lambda: Inner(HALF),
    lambda: Keyed(a=1),
    lambda: Shouting("text"),
    lambda: nested(DEEP),
    lambda: nested(300),
    lambda: nested(70),
    looped,
    lambda: LONG_INTEGER,
    lambda: -LONG_INTEGER,
    lambda: {"a": LONG_INTEGER},
    lambda: float("nan"),
    lambda: [float("inf"), float("-inf")],
    lambda: {1: 2, None: 3, (1, 2): 4},
    lambda: {HALF: HALF},
    lambda: {"a", "b"},
    lambda: b"\xff\x00",
    lambda: bytearray(b"x"),
    lambda: decimal.Decimal("NaN"),
    lambda: complex(1, 2),
    lambda: range(3),
    lambda: (n for n in range(3)),
    lambda: (_ for _ in [1 / 0]) if False else iter([1]),
    lambda: Exception("as a value"),
    lambda: NotImplemented,
    lambda: ...,
    lambda: open,
    object,
    lambda: BIG_TEXT,
    lambda: {"a": BIG_TEXT},
    lambda: ["x"] * 100_000,
    lambda: {"type": "text"},
    lambda: {"type": "image", "image_url": 7},
    lambda: [{"type": "text", "text": HALF}],
    lambda: {"perdure_blob": {"sha256": "0" * 64, "size": 1, "head": ""}},
    lambda: {"perdure_blob": 7},
    lambda: {"perdure_removed": True},
]
"""Python objects by hand; each is made when it is needed."""

objects = st.one_of(
    st.sampled_from(OBJECTS),
    json_values.map(lambda value: lambda: value),
    st.binary(max_size=50).map(lambda value: lambda: value),
    st.dates().map(lambda value: lambda: value),
    st.complex_numbers().map(lambda value: lambda: value),
    texts.map(lambda value: lambda: value),
    json_values.map(lambda value: lambda: Inner(value)),
)
"""What makes a Python object."""


class Silent(Exception):
    """An exception that does not say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class Hollow(Exception):
    """An exception whose text is none."""

    def __str__(self) -> str:
        return 7  # noqa: PLE0307  on purpose


def _caused() -> Exception:
    error = ValueError("outer")
    error.__cause__ = error.__context__ = Silent()
    error.add_note(HALF)
    return error


ERRORS: list[Callable[[], BaseException]] = [
    Silent,
    Hollow,
    _caused,
    lambda: ValueError(HALF),
    lambda: ValueError("\x00" * 5000),
    lambda: ValueError(BIG_TEXT),
    lambda: ValueError(nested(DEEP)),
    lambda: ValueError(LONG_INTEGER),
    lambda: ValueError(Unspeakable()),
    ValueError,
    lambda: KeyError(HALF),
    lambda: type("E" * 100_000, (Exception,), {})("long name"),
    lambda: type("", (Exception,), {})("no name"),
    lambda: type("StepDeclined", (Exception,), {})("as ours"),
    lambda: type("AttemptLost", (Exception,), {})("as ours"),
    lambda: type("UserError", (Exception,), {})("as ours"),
    lambda: ExceptionGroup("group", [ValueError(HALF), Silent()]),
    lambda: BaseExceptionGroup("group", [KeyError("k")]),
    lambda: RecursionError("deep"),
    MemoryError,
    lambda: StopIteration(7),
    StopAsyncIteration,
    TimeoutError,
    lambda: OSError(2, HALF),
    lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
    lambda: ApplicationError(HALF, Unspeakable(), type="StepDeclined"),
    lambda: ApplicationError("x", nested(DEEP), non_retryable=False),
    lambda: ActivityCancelledError("as if cancelled"),
    lambda: AgentsException(HALF),
    lambda: MaxTurnsExceeded("as ours"),
]
"""Exceptions by hand."""

errors = st.one_of(
    st.sampled_from(ERRORS),
    texts.map(lambda text: lambda: ValueError(text)),
    st.sampled_from(OBJECTS).map(lambda made: lambda: RuntimeError(made(), made())),
)
"""What makes an exception."""

_ITEMS: list[Any] = [
    [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "t", "annotations": []}]}],
    [{"type": "function_call", "name": "take", "arguments": "{}", "call_id": "c", "id": "fc"}],
    [{"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "t"}], "encrypted_content": "e"}],
    [{"type": "web_search_call", "id": "ws", "status": "completed", "action": {"type": "search", "query": "q"}}],
    [{"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]}],
    [{"type": "mcp_approval_request", "id": "m", "arguments": "{}", "name": "n", "server_label": "s"}],
]
items = st.sampled_from(_ITEMS).flatmap(spoilt).filter(lambda value: isinstance(value, list))
"""The items of an answer, one thing in them spoilt."""

ITEMS: list[Any] = [
    [],
    [{}],
    [{"type": "function_call", "name": "take", "call_id": "c", "perdure_blob": {"sha256": "0" * 64}}],
    [{"type": "function_call", "name": "take", "call_id": "c", "perdure_blob": {"sha256": "0" * 64, "head": 7}}],
    [{"type": "function_call", "name": "take", "call_id": "c", "perdure_blob": {"sha256": "0" * 64, "head": "h"}}],
    [{"type": "function_call", "name": "take", "call_id": "", "arguments": "{}"}] * 3,
    [{"type": "function_call", "name": "take", "call_id": HALF, "arguments": HALF}],
    [{"type": "function_call", "name": "take", "call_id": "c" * 300_000, "arguments": "{}"}],
    [{"type": "function_call", "name": "take", "call_id": f"c{n}", "arguments": "{}"} for n in range(120)],
    [{"type": "function_call", "name": "take", "call_id": f"d{n}", "arguments": "{}"} for n in range(1001)],
    [{"type": "message", "role": "assistant", "content": BIG_TEXT}],
    [{"type": "message", "role": "assistant", "content": "x" * 60_000}] * 40,
    [{"type": "computer_call", "name": 7}],
    [{"type": "unheard_of", "deep": nested(62)}],
    [{"type": "unheard_of", "deep": nested(70)}],
    [{"type": "unheard_of", "number": LONG_INTEGER}],
    [{"type": "unheard_of", "object": Unspeakable()}],
    [{7: 8, None: 9}],
    [7, None, "text"],
    [{"type": ["message"], "role": "assistant"}],
    [{"type": "output_text"}, {"type": "function_call_output", "call_id": "c", "output": "mine"}],
]
"""Items of answers by hand."""

USAGES: list[Callable[[], Any]] = [
    lambda: Usage(requests=1, input_tokens=LONG_INTEGER),
    lambda: Usage(requests=LONG_INTEGER),
    lambda: Usage(requests=1, output_tokens=-5, total_tokens=2**80),
    lambda: Usage(requests=1, input_tokens=float("nan")),  # type: ignore[arg-type]  on purpose
    lambda: Usage(requests=0, total_tokens=None),  # type: ignore[arg-type]  likewise
    lambda: Usage(requests=50),
]
"""What models may have counted."""
