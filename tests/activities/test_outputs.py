"""Outputs keep what they are on their way between texts and values."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from activities.outputs import final_output, read_output, value_output
from activities.tool_outputs import as_output
from perdure.agent import Agent
from perdure.blobs import DirectoryBlobStore
from perdure.context import RunContextWrapper
from perdure.contracts.steps import Output
from perdure.errors import UserError
from perdure.limits import MAX_ITEM_BYTES
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


def test_a_tools_result_that_is_not_json_is_told_to_the_model() -> None:
    text, is_value = as_output("look", RunContextWrapper(None), object(), "json")
    assert "tool look returned a object, which is not JSON" in text
    assert not is_value


def test_a_tools_result_as_python_text_where_the_run_says_so() -> None:
    assert as_output("look", RunContextWrapper(None), {"n": None}, "str") == ("{'n': None}", False)


def test_a_tools_text_that_no_model_reads_is_cut() -> None:
    text, _ = as_output("look", RunContextWrapper(None), "x" * (MAX_ITEM_BYTES + 1), "json")
    assert len(text) < MAX_ITEM_BYTES
    assert str(text).endswith("reach a model]")
