"""What a tool may return beside plain values: texts, images and files that the model reads as such."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypeAlias, cast

from pydantic import BaseModel, ValidationError, model_validator
from typing_extensions import TypedDict

ImageDetail: TypeAlias = Literal["low", "high", "auto"]


class ToolOutputText(BaseModel):
    """A text for the model."""

    type: Literal["text"] = "text"
    text: str


class ToolOutputTextDict(TypedDict):
    """A `ToolOutputText` as a dict."""

    type: Literal["text"]
    text: str


class ToolOutputImage(BaseModel):
    """An image for the model.

    Attributes:
        image_url: Where it is; a `data:` URL holds the image itself.
        file_id: Its id, if the provider has the file.
        detail: How closely the model looks.
    """

    type: Literal["image"] = "image"
    image_url: str | None = None
    file_id: str | None = None
    detail: ImageDetail | None = None

    @model_validator(mode="after")
    def _has_a_source(self) -> ToolOutputImage:
        if self.image_url is None and self.file_id is None:
            raise ValueError("an image has neither image_url nor file_id; give one")
        return self


class ToolOutputImageDict(TypedDict):
    """A `ToolOutputImage` as a dict."""

    type: Literal["image"]
    image_url: NotRequired[str]
    file_id: NotRequired[str]
    detail: NotRequired[ImageDetail]


class ToolOutputFileContent(BaseModel):
    """A file for the model.

    Attributes:
        file_data: The file itself, in base64.
        file_url: Where it is.
        file_id: Its id, if the provider has it.
        filename: Its name, as the model sees it.
    """

    type: Literal["file"] = "file"
    file_data: str | None = None
    file_url: str | None = None
    file_id: str | None = None
    filename: str | None = None

    @model_validator(mode="after")
    def _has_a_source(self) -> ToolOutputFileContent:
        if self.file_data is None and self.file_url is None and self.file_id is None:
            raise ValueError("a file has neither file_data, file_url nor file_id; give one")
        return self


class ToolOutputFileContentDict(TypedDict):
    """A `ToolOutputFileContent` as a dict."""

    type: Literal["file"]
    file_data: NotRequired[str]
    file_url: NotRequired[str]
    file_id: NotRequired[str]
    filename: NotRequired[str]


ToolOutput: TypeAlias = ToolOutputText | ToolOutputImage | ToolOutputFileContent

_KINDS: dict[Any, type[ToolOutput]] = {
    "text": ToolOutputText,
    "image": ToolOutputImage,
    "file": ToolOutputFileContent,
}


def structured_output(value: Any) -> list[dict[str, Any]] | None:
    """A tool's result as content of the Responses API; `None` where it is plain.

    One output object or its dict, or a list or tuple of nothing else, is structured. A dict that names a known
    `type` but lacks what that needs is plain, and so is a list with one plain member.
    """
    members = list(cast("list[Any]", value)) if isinstance(value, list | tuple) else [value]
    parts = [_part(member) for member in members]
    known = [part for part in parts if part is not None]
    return known if known and len(known) == len(parts) else None


def _part(value: Any) -> dict[str, Any] | None:
    output = _parsed(cast("dict[str, Any]", value)) if isinstance(value, dict) else value
    if not isinstance(output, ToolOutput):
        return None
    return {"type": f"input_{output.type}", **output.model_dump(exclude={"type"}, exclude_none=True)}


def _parsed(value: dict[str, Any]) -> ToolOutput | None:
    kind = value.get("type")
    wanted = _KINDS.get(kind) if isinstance(kind, str) else None
    if wanted is None:
        return None
    try:
        return wanted.model_validate(value)
    except ValidationError:
        return None
