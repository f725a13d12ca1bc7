"""What a run has said and done, as typed items around the JSON of the Responses API."""

from __future__ import annotations

import json
import re
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, cast

if TYPE_CHECKING:
    from perdure.agent import Agent

TResponseInputItem: TypeAlias = dict[str, Any]

_SHA256 = re.compile(r"[0-9a-f]{64}")


class RunItemBase:
    """One item of a run.

    Attributes:
        agent: The agent whose turn it belongs to.
        data: The item as JSON, in the shape of the Responses API.
    """

    type: ClassVar[str]

    def __init__(self, agent: Agent[Any], data: dict[str, Any]) -> None:
        self.agent = agent
        self.data = data

    @cached_property
    def raw_item(self) -> Any:
        """The item as the openai package's typed object, where it has one; imports openai at first use."""
        from perdure.openai_types import typed_output_item

        return typed_output_item(self.data)

    def to_input_item(self) -> TResponseInputItem:
        """The item as input for another run or request."""
        return self.data

    def __repr__(self) -> str:
        return f"{type(self).__name__}(agent={self.agent.name!r}, data={json.dumps(self.data)[:200]})"


class MessageOutputItem(RunItemBase):
    """A message of the model."""

    type = "message_output_item"


class ReasoningItem(RunItemBase):
    """What the model thought, as far as the provider shows it."""

    type = "reasoning_item"


class ToolCallItem(RunItemBase):
    """A call of a tool: a function of yours, or one that the provider runs."""

    type = "tool_call_item"

    @property
    def call_id(self) -> str | None:
        """The model's id of the call."""
        return self.data.get("call_id") or self.data.get("id")

    @property
    def tool_name(self) -> str | None:
        """The tool's name; for a tool that the provider runs, the item's type."""
        return self.data.get("name") or self.data.get("type")


class ToolCallOutputItem(RunItemBase):
    """The output of a tool call.

    Attributes:
        output: What the tool returned, as far as it is JSON.
    """

    type = "tool_call_output_item"

    def __init__(self, agent: Agent[Any], data: dict[str, Any], output: Any) -> None:
        super().__init__(agent, data)
        self.output = output

    @cached_property
    def raw_item(self) -> Any:
        """The output as JSON, as the Agents SDK has it."""
        return self.data

    @property
    def call_id(self) -> str | None:
        """The model's id of the call."""
        return self.data.get("call_id")


class MCPListToolsItem(RunItemBase):
    """The tools that a remote MCP server offers, as the provider listed them."""

    type = "mcp_list_tools_item"


class MCPApprovalRequestItem(RunItemBase):
    """The provider asks whether it may call a remote MCP server's tool."""

    type = "mcp_approval_request_item"


class CompactionItem(RunItemBase):
    """A part of the conversation that the provider compacted."""

    type = "compaction_item"


class ToolApprovalItem(RunItemBase):
    """A tool call that waits for a decision; never sent to the model.

    Attributes:
        id: The run's own id of the call, as `"2.0"`: what signals, the command line and the Temporal UI name it by.
        digest: Names tool and arguments; a decision that carries it holds for exactly this call.
    """

    type = "tool_approval_item"

    def __init__(self, agent: Agent[Any], data: dict[str, Any], *, id: str, digest: str) -> None:
        super().__init__(agent, data)
        self.id = id
        self.digest = digest

    @property
    def name(self) -> str:
        """The tool's name."""
        return self.data["name"]

    @property
    def tool_name(self) -> str:
        """The tool's name."""
        return self.data["name"]

    @property
    def call_id(self) -> str:
        """The model's id of the call."""
        return self.data["call_id"]

    @property
    def arguments(self) -> str:
        """The arguments as the model wrote them, a JSON string; empty if they lie in the blob store."""
        return self.data.get("arguments", "")


RunItem: TypeAlias = (
    MessageOutputItem
    | ReasoningItem
    | ToolCallItem
    | ToolCallOutputItem
    | MCPListToolsItem
    | MCPApprovalRequestItem
    | CompactionItem
    | ToolApprovalItem
)

_BY_TYPE: dict[str, type[RunItemBase]] = {
    "message": MessageOutputItem,
    "reasoning": ReasoningItem,
    "mcp_list_tools": MCPListToolsItem,
    "mcp_approval_request": MCPApprovalRequestItem,
    "compaction": CompactionItem,
}


def run_item(agent: Agent[Any], data: dict[str, Any]) -> RunItem:
    """The typed item around one item of a model's answer; what is neither of the known kinds is a tool's."""
    return cast("RunItem", _BY_TYPE.get(data.get("type", ""), ToolCallItem)(agent, data))


def is_reference(item: dict[str, Any]) -> bool:
    """Whether the item stands for a larger one in the blob store."""
    blob: Any = item.get("perdure_blob")
    return isinstance(blob, dict) and bool(_SHA256.fullmatch(str(cast("dict[str, Any]", blob).get("sha256"))))


def message_text(item: dict[str, Any]) -> str:
    """The text parts of a message, joined; refusals are not text."""
    content = item.get("content")
    if isinstance(content, str):
        return content
    return "".join(str(part.get("text") or "") for part in _parts(content) if part.get("type") == "output_text")


def message_refusal(item: dict[str, Any]) -> str | None:
    """The refusal in a message, if it is one."""
    parts = _parts(item.get("content"))
    return next((str(part.get("refusal") or "") for part in parts if part.get("type") == "refusal"), None)


def _parts(content: Any) -> list[dict[str, Any]]:
    """A message's content as far as it has parts: a model of the user's own may send anything."""
    parts = cast("list[Any]", content) if isinstance(content, list) else []
    return [cast("dict[str, Any]", part) for part in parts if isinstance(part, dict)]


def input_items(input: str | list[TResponseInputItem]) -> list[TResponseInputItem]:
    """A run's input as items: a string is one message of the user."""
    return [{"content": input, "role": "user"}] if isinstance(input, str) else [dict(item) for item in input]


class ItemHelpers:
    """Reads and makes items; the names are those of the Agents SDK."""

    @staticmethod
    def input_to_new_input_list(input: str | list[TResponseInputItem]) -> list[TResponseInputItem]:
        """A run's input as a list that may be changed."""
        return input_items(input)

    @staticmethod
    def text_message_output(message: MessageOutputItem) -> str:
        """The text of one message."""
        return message_text(message.data)

    @staticmethod
    def text_message_outputs(items: list[RunItem]) -> str:
        """The text of all messages among the items."""
        return "".join(message_text(item.data) for item in items if isinstance(item, MessageOutputItem))

    @staticmethod
    def tool_call_output_item(tool_call: Any, output: Any) -> TResponseInputItem:
        """The item that answers a tool call."""
        call_id = cast("dict[str, Any]", tool_call)["call_id"] if isinstance(tool_call, dict) else tool_call.call_id
        return {"call_id": call_id, "output": str(output), "type": "function_call_output"}
