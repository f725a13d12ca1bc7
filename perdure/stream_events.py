"""What a watcher of a run is told: events of its models, items as they are said, agents as they take over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from perdure.agent import Agent
from perdure.items import RunItem

ItemEventName: TypeAlias = Literal[
    "message_output_created",
    "handoff_requested",
    "handoff_occured",  # the Agents SDK's spelling
    "tool_called",
    "tool_search_called",
    "tool_search_output_created",
    "tool_output",
    "reasoning_item_created",
    "mcp_approval_requested",
    "mcp_approval_response",
    "mcp_list_tools",
]

_NAMES: dict[str, ItemEventName] = {
    "message_output_item": "message_output_created",
    "handoff_call_item": "handoff_requested",
    "handoff_output_item": "handoff_occured",
    "tool_call_item": "tool_called",
    "tool_search_call_item": "tool_search_called",
    "tool_search_output_item": "tool_search_output_created",
    "tool_call_output_item": "tool_output",
    "reasoning_item": "reasoning_item_created",
    "mcp_approval_request_item": "mcp_approval_requested",
    "mcp_approval_response_item": "mcp_approval_response",
    "mcp_list_tools_item": "mcp_list_tools",
}


@dataclass
class RawResponsesStreamEvent:
    """An event of the model's answer, as it came.

    Attributes:
        data: The event of the Responses API; a chat model's chunks are told as such events, too.
        turn: The turn that it belongs to.
        attempt: Which attempt of the model call it is of, from 1. One above the last event's means that the answer
            begins anew: what the earlier attempt said does not count.
    """

    data: Any
    type: Literal["raw_response_event"] = "raw_response_event"
    turn: int = 0
    attempt: int = 1


@dataclass
class RunItemStreamEvent:
    """An item that the run said or did; each is told once, in the order of the transcript."""

    name: ItemEventName
    item: RunItem
    type: Literal["run_item_stream_event"] = "run_item_stream_event"


@dataclass
class AgentUpdatedStreamEvent:
    """An agent has become active: the first one, or one that was handed over to."""

    new_agent: Agent[Any]
    type: Literal["agent_updated_stream_event"] = "agent_updated_stream_event"


StreamEvent: TypeAlias = RawResponsesStreamEvent | RunItemStreamEvent | AgentUpdatedStreamEvent


@dataclass(frozen=True)
class RunEvent:
    """An event of a run, told to whoever asks.

    Attributes:
        offset: Its place among the run's events, `"TURN.PLACE"`: the same for whoever asks, whenever. What a model says
            has none of its own, but that of the event before: who goes on after that is told the answer.
        event: What happened.
    """

    offset: str
    event: StreamEvent


def item_event(item: RunItem) -> RunItemStreamEvent | None:
    """The event of an item; `None` for what is none: calls that wait, added input, compacted conversations."""
    name = _NAMES.get(item.type)
    return None if name is None else RunItemStreamEvent(name, item)
