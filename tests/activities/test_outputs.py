"""Outputs keep what they are on their way between texts and values."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from activities.outputs import final_output, read_final, read_output, value_output
from activities.tool_outputs import as_output, is_object
from perdure.agent import Agent
from perdure.blob_directory import DirectoryBlobStore
from perdure.contracts.steps import Output
from perdure.errors import UserError
from perdure.limits import MAX_OUTPUT_BYTES
from perdure.served import AgentNotServed
from tests.activities.workbench import assistant, output_item


@dataclasses.dataclass
class Point:
    x: int
    y: int


PLAIN, TYPED = Agent[Any](name="plain"), Agent[Any](name="typed", output_type=Point)


async def test_a_typed_output_is_read_back_as_the_same_object() -> None:
    output = final_output(Point(1, 2), TYPED, None)
    assert output.kind == "typed"
    assert await read_output(output, TYPED, None) == Point(1, 2)


@pytest.mark.parametrize("deployed", [PLAIN, Agent[Any](name="other", output_type=list[int])], ids=["text", "list"])
async def test_a_typed_output_is_not_read_by_an_agent_that_has_another_type_since(deployed: Agent[Any]) -> None:
    with pytest.raises(AgentNotServed, match=r"The run's output is not of the type .* Deploy a worker"):
        await read_output(final_output(Point(1, 2), TYPED, None), deployed, None)


async def test_a_text_that_is_too_long_to_travel_is_an_item(tmp_path: Path) -> None:
    blobs = DirectoryBlobStore(tmp_path)
    text = "long " * 20_000
    output = value_output(text, blobs)
    assert output.item is not None
    assert "perdure_blob" in output.item
    assert await read_output(output, PLAIN, blobs) == text


async def test_the_output_of_an_item_is_its_text() -> None:
    assert await read_output(Output(item=assistant("said")), PLAIN, None) == "said"
    assert await read_output(Output(kind="value", item=output_item("[1, 2]")), PLAIN, None) == [1, 2]


def test_a_value_that_is_not_json_is_refused() -> None:
    with pytest.raises(UserError, match="is a object, which is not JSON"):
        value_output(object(), None)


class Receipt:
    """Has no JSON."""

    def __str__(self) -> str:
        return "receipt 7"


class Mute:
    """Has no JSON, and its text cannot be read."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


def test_a_tools_result_that_is_not_json_is_told_as_its_text() -> None:
    assert as_output(Receipt(), "json") == ("receipt 7", False)
    circle: list[Any] = []
    circle.append(circle)
    assert as_output(circle, "json") == ("[[...]]", False)


@pytest.mark.parametrize("output_format", ["json", "str"])
def test_a_tools_result_without_any_text_is_not_told_as_a_failure_either(output_format: str) -> None:
    text, is_value = as_output(Mute(), output_format)
    assert "Mute whose text cannot be read: no words" in text
    assert not is_value


async def test_an_object_that_is_what_the_type_would_have_written_is_of_the_type() -> None:
    value = Output(kind="object", text='{"x":1,"y":2}')
    assert await read_final(value, TYPED, None) == Point(1, 2)
    assert await read_output(value, TYPED, None) == {"x": 1, "y": 2}
    assert await read_final(value, PLAIN, None) == {"x": 1, "y": 2}
    assert await read_final(Output(kind="value", text=value.text), TYPED, None) == {"x": 1, "y": 2}


def test_an_object_is_told_from_a_value_where_the_agent_has_an_output_type() -> None:
    assert is_object(Point(1, 2), TYPED, '{"x":1,"y":2}')
    assert is_object([Point(1, 2)], TYPED, '[{"x":1,"y":2}]')
    assert not is_object({"x": 1, "y": 2}, TYPED, '{"x":1,"y":2}')
    assert not is_object(Point(1, 2), PLAIN, '{"x":1,"y":2}')


@pytest.mark.parametrize("text", ['{"x":1}', '{"x":1,"y":2,"z":3}', '{"x":"1","y":2}', "[1]"])
async def test_a_value_that_the_type_would_change_or_refuse_stays_what_it_is(text: str) -> None:
    assert await read_final(Output(kind="object", text=text), TYPED, None) == json.loads(text)


def test_a_tools_result_as_python_text_where_the_run_says_so() -> None:
    assert as_output({"n": None}, "str") == ("{'n': None}", False)


def test_a_tools_text_that_nobody_can_keep_is_cut() -> None:
    text, is_value = as_output(["x" * MAX_OUTPUT_BYTES], "json")
    assert len(text) < MAX_OUTPUT_BYTES + 100
    assert str(text).endswith(f"of {MAX_OUTPUT_BYTES + 4} bytes no more than {MAX_OUTPUT_BYTES} bytes are kept]")
    assert not is_value
