"""Texts, images and files that a tool returns."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from perdure.tool_output import (
    ToolOutputFileContent,
    ToolOutputFileContentDict,
    ToolOutputImage,
    ToolOutputImageDict,
    ToolOutputText,
    ToolOutputTextDict,
    structured_output,
)


class Other(BaseModel):
    type: str = "text"
    text: str = "not ours"


@pytest.mark.parametrize(
    ("value", "part"),
    [
        (ToolOutputText(text="t"), {"type": "input_text", "text": "t"}),
        (
            ToolOutputImage(image_url="u", detail="low"),
            {"type": "input_image", "image_url": "u", "detail": "low"},
        ),
        (ToolOutputImage(file_id="f"), {"type": "input_image", "file_id": "f"}),
        (
            ToolOutputFileContent(file_data="d", filename="n"),
            {"type": "input_file", "file_data": "d", "filename": "n"},
        ),
        (ToolOutputFileContent(file_url="u"), {"type": "input_file", "file_url": "u"}),
        (ToolOutputTextDict(type="text", text="t"), {"type": "input_text", "text": "t"}),
        (ToolOutputImageDict(type="image", image_url="u"), {"type": "input_image", "image_url": "u"}),
        (ToolOutputFileContentDict(type="file", file_id="i"), {"type": "input_file", "file_id": "i"}),
        ({"type": "image", "image_url": None, "file_id": "z"}, {"type": "input_image", "file_id": "z"}),
        ({"type": "text", "text": "t", "more": 1}, {"type": "input_text", "text": "t"}),
    ],
    ids=str,
)
def test_an_output_becomes_one_part_of_content(value: Any, part: dict[str, Any]) -> None:
    assert structured_output(value) == [part]


@pytest.mark.parametrize("kind", [list, tuple])
def test_a_list_of_outputs_keeps_its_order(kind: Any) -> None:
    value = kind([{"type": "image", "image_url": "u"}, ToolOutputText(text="a")])

    assert structured_output(value) == [
        {"type": "input_image", "image_url": "u"},
        {"type": "input_text", "text": "a"},
    ]


@pytest.mark.parametrize(
    "value",
    [
        None, 5, "text", {}, {"a": 1}, [], (), ["a"], {"type": "text"}, {"type": "image"}, {"type": "file"},
        {"type": "other", "text": "t"}, {"type": "input_text", "text": "t"}, {"type": "text", "text": 1},
        {"type": "image", "image_url": "u", "detail": "huge"}, {"type": ["text"], "text": "t"}, Other(),
        [ToolOutputText(text="a"), "b"], [[ToolOutputText(text="a")]], [{"type": "text", "text": "t"}, {"type": "x"}],
    ],
    ids=str,
)  # fmt: skip
def test_everything_else_is_plain(value: Any) -> None:
    assert structured_output(value) is None


def test_an_image_or_file_without_a_source_is_refused() -> None:
    with pytest.raises(ValidationError, match="neither image_url nor file_id"):
        ToolOutputImage()
    with pytest.raises(ValidationError, match="neither file_data, file_url nor file_id"):
        ToolOutputFileContent(filename="n")
