"""Ready-made input filters for handoffs."""

from __future__ import annotations

from perdure.handoff import HandoffInputData
from perdure.handoff_history import default_handoff_history_mapper, nest_handoff_history
from perdure.items import CompactionItem, InputItem, MessageOutputItem, RunItem, TResponseInputItem

__all__ = ["default_handoff_history_mapper", "nest_handoff_history", "remove_all_tools"]

# What a tool call, its output, or the reasoning that led to it looks like in a run's input.
_CALLS = ("apply_patch_call", "computer_call", "custom_tool_call", "function_call", "local_shell_call", "shell_call")
_PROVIDERS_CALLS = (
    "code_interpreter_call", "file_search_call", "hosted_tool_call", "image_generation_call", "web_search_call",
    "mcp_approval_request", "mcp_approval_response", "mcp_call", "mcp_list_tools", "program", "program_output",
    "tool_search_call", "tool_search_output",
)  # fmt: skip  # one a line would take a page
_REMOVED = frozenset((*_CALLS, *(f"{call}_output" for call in _CALLS), *_PROVIDERS_CALLS, "reasoning"))


def remove_all_tools(handoff_input_data: HandoffInputData) -> HandoffInputData:
    """Lets the next agent see what was said, and nothing of tools, handoffs and reasoning."""
    history = handoff_input_data.input_history
    items = handoff_input_data.input_items
    return handoff_input_data.clone(
        input_history=history if isinstance(history, str) else tuple(each for each in history if not _is_tools(each)),
        pre_handoff_items=_said(handoff_input_data.pre_handoff_items),
        new_items=_said(handoff_input_data.new_items),
        input_items=None if items is None else _said(items),
    )


def _is_tools(item: TResponseInputItem) -> bool:
    return item.get("type") in _REMOVED


def _said(items: tuple[RunItem, ...]) -> tuple[RunItem, ...]:
    return tuple(item for item in items if isinstance(item, MessageOutputItem | InputItem | CompactionItem))
