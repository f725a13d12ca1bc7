"""What a run has said and done, as typed items around the JSON of the Responses API."""

from __future__ import annotations

import json
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NoReturn, TypeAlias, cast

from perdure.context import qualified_name
from perdure.errors import AgentsException, UserError
from perdure.item_json import TResponseInputItem, item_json
from perdure.item_json import input_items as input_items  # noqa: PLC0414  for those who read items from here
from perdure.item_json import is_reference as is_reference  # noqa: PLC0414  as above
from perdure.item_json import message_refusal as message_refusal  # noqa: PLC0414  as above
from perdure.item_json import message_text as message_text  # noqa: PLC0414  as above
from perdure.openai_types import typed_output_item

if TYPE_CHECKING:
    from perdure.agent import Agent


class RunItemBase:
    """One item of a run.

    Attributes:
        agent: The agent whose turn it belongs to.
        data: The item as JSON of the Responses API; may be given as openai's object, and under the name `raw_item`.
    """

    _raw_is_json: ClassVar[bool] = False

    def __init__(self, agent: Agent[Any], data: Any = None, *, raw_item: Any = None) -> None:
        given = data if raw_item is None else raw_item
        self.agent = agent
        self.data = item_json(given)
        if given is not self.data:
            self.raw_item = given

    @cached_property
    def raw_item(self) -> Any:
        """The item as the Agents SDK has it: what the model said as the openai package's typed object, else JSON."""
        if self._raw_is_json:
            return self.data
        return typed_output_item(self.data)

    def to_input_item(self) -> TResponseInputItem:
        """The item as input for another run or request."""
        return self.data

    def __repr__(self) -> str:
        return f"{type(self).__name__}(agent={self.agent.name!r}, data={json.dumps(self.data)[:200]})"


class InputItem(RunItemBase):
    """Something said to the run while it was under way."""

    type: ClassVar[Literal["input_item"]] = "input_item"
    _raw_is_json = True


class MessageOutputItem(RunItemBase):
    """A message of the model."""

    type: ClassVar[Literal["message_output_item"]] = "message_output_item"


class ReasoningItem(RunItemBase):
    """What the model thought, as far as the provider shows it."""

    type: ClassVar[Literal["reasoning_item"]] = "reasoning_item"


class ToolCallBase(RunItemBase):
    """A call, by the model's id and the tool's name."""

    @property
    def call_id(self) -> str | None:
        """The model's id of the call."""
        return self.data.get("call_id") or self.data.get("id")

    @property
    def tool_name(self) -> str | None:
        """The tool's name; for a tool that the provider runs, the item's type."""
        return self.data.get("name") or self.data.get("type")


class ToolCallItem(ToolCallBase):
    """A call of a tool: a function of yours, or one that the provider runs."""

    type: ClassVar[Literal["tool_call_item"]] = "tool_call_item"


class ToolCallOutputItem(RunItemBase):
    """The output of a tool call.

    Attributes:
        output: What the tool returned, as far as it is JSON.
    """

    type: ClassVar[Literal["tool_call_output_item"]] = "tool_call_output_item"
    _raw_is_json = True

    def __init__(self, agent: Agent[Any], data: Any = None, output: Any = None, *, raw_item: Any = None) -> None:
        super().__init__(agent, data, raw_item=raw_item)
        self.output = output

    @property
    def call_id(self) -> str | None:
        """The model's id of the call."""
        return self.data.get("call_id")


class HandoffCallItem(ToolCallBase):
    """The model's call of a handoff."""

    type: ClassVar[Literal["handoff_call_item"]] = "handoff_call_item"


class HandoffOutputItem(RunItemBase):
    """The output of a handoff's call: it names the agent that is active now.

    Attributes:
        source_agent: The agent that handed over.
        target_agent: The agent that took over.
    """

    type: ClassVar[Literal["handoff_output_item"]] = "handoff_output_item"
    _raw_is_json = True

    def __init__(
        self,
        agent: Agent[Any],
        data: Any = None,
        source_agent: Agent[Any] | None = None,
        target_agent: Agent[Any] | None = None,
        *,
        raw_item: Any = None,
    ) -> None:
        super().__init__(agent, data, raw_item=raw_item)
        self.source_agent = agent if source_agent is None else source_agent
        self.target_agent = agent if target_agent is None else target_agent


class ToolSearchCallItem(RunItemBase):
    """The model, or the provider for it, looks for tools that were not loaded."""

    type: ClassVar[Literal["tool_search_call_item"]] = "tool_search_call_item"


class ToolSearchOutputItem(RunItemBase):
    """The tools that a search found and loaded."""

    type: ClassVar[Literal["tool_search_output_item"]] = "tool_search_output_item"


class MCPListToolsItem(RunItemBase):
    """The tools that a remote MCP server offers, as the provider listed them."""

    type: ClassVar[Literal["mcp_list_tools_item"]] = "mcp_list_tools_item"


class MCPApprovalRequestItem(RunItemBase):
    """The provider asks whether it may call a remote MCP server's tool."""

    type: ClassVar[Literal["mcp_approval_request_item"]] = "mcp_approval_request_item"


class MCPApprovalResponseItem(RunItemBase):
    """The answer to such a question."""

    type: ClassVar[Literal["mcp_approval_response_item"]] = "mcp_approval_response_item"
    _raw_is_json = True


class CompactionItem(RunItemBase):
    """A part of the conversation that the provider compacted."""

    type: ClassVar[Literal["compaction_item"]] = "compaction_item"


class ToolApprovalItem(RunItemBase):
    """A tool call that waits for a decision; never sent to the model.

    Attributes:
        id: The run's own id of the call, as `"2.0"`: what signals, the command line and the Temporal UI name it by.
        digest: Names tool and arguments; a decision that carries it holds for exactly this call.
        run_id: The run in which it waits; empty if it is not known.
    """

    type: ClassVar[Literal["tool_approval_item"]] = "tool_approval_item"

    def __init__(self, agent: Agent[Any], data: dict[str, Any], *, id: str, digest: str, run_id: str = "") -> None:
        super().__init__(agent, data)
        self.id = id
        self.digest = digest
        self.run_id = run_id

    def check_run(self, run_id: str) -> None:
        """Refuses to decide about this call in another run.

        Raises:
            UserError: The call waits in another one.
        """
        if self.run_id and self.run_id != run_id:
            raise UserError(
                f"Call {self.id} of tool {self.name!r} waits in run {self.run_id!r}, not in run {run_id!r}. Give an "
                "item of this run's own: its result's `interruptions`, or its state's `get_interruptions()`."
            )

    @property
    def name(self) -> str:
        """The tool's name."""
        return self.data["name"]

    tool_name = name

    @property
    def tool_namespace(self) -> str | None:
        """The namespace that the model called the tool in, if in one."""
        return self.data.get("namespace")

    @property
    def qualified_name(self) -> str:
        """The tool's name, with its namespace before it."""
        return qualified_name(self.name, self.tool_namespace)

    @property
    def tool_origin(self) -> None:
        """Where the tool comes from: not known."""
        return None

    def to_input_item(self) -> NoReturn:
        """A call that waits is no input: its item is the call's own.

        Raises:
            AgentsException: Always, as in the Agents SDK.
        """
        raise AgentsException(f"The approval of call {self.id} cannot be converted to an input item; leave it out.")

    @property
    def call_id(self) -> str:
        """The model's id of the call."""
        return self.data["call_id"]

    @property
    def arguments(self) -> str:
        """The arguments as the model wrote them, a JSON string; empty if they lie in the blob store."""
        return self.data.get("arguments", "")


RunItem: TypeAlias = (
    InputItem
    | MessageOutputItem
    | ReasoningItem
    | ToolCallItem
    | ToolCallOutputItem
    | HandoffCallItem
    | HandoffOutputItem
    | ToolSearchCallItem
    | ToolSearchOutputItem
    | MCPListToolsItem
    | MCPApprovalRequestItem
    | MCPApprovalResponseItem
    | CompactionItem
    | ToolApprovalItem
)

_BY_TYPE: dict[str, type[RunItemBase]] = {
    "message": MessageOutputItem,
    "reasoning": ReasoningItem,
    "tool_search_call": ToolSearchCallItem,
    "tool_search_output": ToolSearchOutputItem,
    "mcp_list_tools": MCPListToolsItem,
    "mcp_approval_request": MCPApprovalRequestItem,
    "mcp_approval_response": MCPApprovalResponseItem,
    "compaction": CompactionItem,
}


def run_item(agent: Agent[Any], data: dict[str, Any], *, is_handoff: bool = False) -> RunItem:
    """The typed item around one item of a model's answer; what is of no known kind is a tool's.

    Args:
        agent: The agent whose model answered.
        data: The item.
        is_handoff: Whether a function call is one of a handoff's tool.
    """
    kind = data.get("type", "")
    if is_handoff and kind == "function_call":
        return HandoffCallItem(agent, data)
    return cast("RunItem", _BY_TYPE.get(str(kind), ToolCallItem)(agent, data))
