"""Tools that the model's provider runs: definitions only, nothing of them is executed here.

Each says what it is on the wire (`to_wire`) and which extra data the request must ask for (`includes`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from pydantic import BaseModel

if TYPE_CHECKING:
    from openai.types.responses.file_search_tool_param import Filters, RankingOptions
    from openai.types.responses.tool_param import CodeInterpreter, ImageGeneration, Mcp
    from openai.types.responses.web_search_tool import Filters as WebSearchToolFilters
    from openai.types.responses.web_search_tool_param import UserLocation


@dataclass
class WebSearchTool:
    """Searches the web.

    Attributes:
        user_location: Where the search's results should be relevant.
        filters: Limits the search, as to `allowed_domains`.
        search_context_size: How much of what is found the model reads: `"low"`, `"medium"` or `"high"`.
        external_web_access: Whether pages may be fetched live; `None` leaves it to the provider.
        search_content_types: What is searched for: `"text"`, `"image"`.
        image_settings: How images are searched for.
    """

    user_location: UserLocation | None = None
    filters: WebSearchToolFilters | None = None
    search_context_size: Literal["low", "medium", "high"] = "medium"
    external_web_access: bool | None = None
    search_content_types: list[Literal["text", "image"]] | None = None
    image_settings: Mapping[str, Any] | None = None

    @property
    def name(self) -> str:
        """What the tool is called."""
        return "web_search"

    def to_wire(self) -> dict[str, Any]:
        """The tool in the form of the Responses API."""
        wire: dict[str, Any] = {
            "type": "web_search",
            "filters": _plain(self.filters),
            "user_location": _plain(self.user_location),
            "search_context_size": self.search_context_size,
        }
        for key in ("external_web_access", "search_content_types", "image_settings"):
            if getattr(self, key) is not None:
                wire[key] = _plain(getattr(self, key))
        return wire

    def includes(self) -> list[str]:
        """What the request must ask for besides: images are part of the search's results."""
        return ["web_search_call.results"] if "image" in (self.search_content_types or ()) else []


@dataclass
class FileSearchTool:
    """Searches the provider's vector stores.

    Attributes:
        vector_store_ids: The stores.
        max_num_results: At most so many results.
        include_search_results: Whether the answer carries what was found.
        ranking_options: How results are ranked.
        filters: Which files are searched, by their attributes.
    """

    vector_store_ids: list[str]
    max_num_results: int | None = None
    include_search_results: bool = False
    ranking_options: RankingOptions | None = None
    filters: Filters | None = None

    @property
    def name(self) -> str:
        """What the tool is called."""
        return "file_search"

    def to_wire(self) -> dict[str, Any]:
        """The tool in the form of the Responses API."""
        wire: dict[str, Any] = {"type": "file_search", "vector_store_ids": list(self.vector_store_ids)}
        for key in ("max_num_results", "ranking_options", "filters"):
            if getattr(self, key):
                wire[key] = _plain(getattr(self, key))
        return wire

    def includes(self) -> list[str]:
        """What the request must ask for besides."""
        return ["file_search_call.results"] if self.include_search_results else []


@dataclass
class CodeInterpreterTool:
    """Runs code in the provider's sandbox; `tool_config` is the tool as the Responses API writes it."""

    tool_config: CodeInterpreter

    @property
    def name(self) -> str:
        """What the tool is called."""
        return "code_interpreter"

    def to_wire(self) -> dict[str, Any]:
        """The tool in the form of the Responses API."""
        return _plain(self.tool_config)

    def includes(self) -> list[str]:
        """What the request must ask for besides: nothing."""
        return []


@dataclass
class ImageGenerationTool:
    """Makes images; `tool_config` is the tool as the Responses API writes it."""

    tool_config: ImageGeneration

    @property
    def name(self) -> str:
        """What the tool is called."""
        return "image_generation"

    def to_wire(self) -> dict[str, Any]:
        """The tool in the form of the Responses API."""
        return _plain(self.tool_config)

    def includes(self) -> list[str]:
        """What the request must ask for besides: nothing."""
        return []


@dataclass
class HostedMCPTool:
    """Calls a remote MCP server from the provider's side.

    Attributes:
        tool_config: The tool as the Responses API writes it, with the server's address.
        on_approval_request: Not supported yet; refused.
    """

    tool_config: Mcp
    on_approval_request: Callable[[Any], Any | Awaitable[Any]] | None = None

    @property
    def name(self) -> str:
        """What the tool is called."""
        return "hosted_mcp"

    @property
    def may_ask(self) -> bool:
        """Whether the provider may ask before it makes a call, as it does unless it is told not to."""
        config: dict[str, Any] = _plain(self.tool_config)
        return self.on_approval_request is not None or config.get("require_approval") != "never"

    def to_wire(self) -> dict[str, Any]:
        """The tool in the form of the Responses API."""
        return _plain(self.tool_config)

    def includes(self) -> list[str]:
        """What the request must ask for besides: nothing."""
        return []


HostedTool = WebSearchTool | FileSearchTool | CodeInterpreterTool | ImageGenerationTool | HostedMCPTool


def _plain(value: Any) -> Any:
    """A copy as plain JSON data, with pydantic models as the provider's client writes them."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_unset=True)
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in cast("Mapping[str, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in cast("list[Any]", value)]
    return value
