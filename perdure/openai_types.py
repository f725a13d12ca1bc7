"""Items as the openai package's typed objects, made only when a program asks for them.

The package is imported then: that takes longer than all of Perdure.
"""

from __future__ import annotations

from functools import cache
from typing import Any, cast


@cache
def _classes() -> dict[str, type[Any]]:
    from openai.types import responses
    from openai.types.responses import response_output_item

    return {
        "message": responses.ResponseOutputMessage,
        "reasoning": responses.ResponseReasoningItem,
        "function_call": responses.ResponseFunctionToolCall,
        "file_search_call": responses.ResponseFileSearchToolCall,
        "web_search_call": responses.ResponseFunctionWebSearch,
        "computer_call": responses.ResponseComputerToolCall,
        "code_interpreter_call": responses.ResponseCodeInterpreterToolCall,
        "image_generation_call": response_output_item.ImageGenerationCall,
        "local_shell_call": response_output_item.LocalShellCall,
        "mcp_call": response_output_item.McpCall,
        "mcp_list_tools": response_output_item.McpListTools,
        "mcp_approval_request": response_output_item.McpApprovalRequest,
        "custom_tool_call": responses.ResponseCustomToolCall,
    }


def typed_output_item(data: dict[str, Any]) -> Any:
    """The typed object for one item of an answer; the JSON itself where the package knows no such item.

    Nothing is validated (`construct`), so an item that a newer provider extended passes unharmed.
    """
    wanted = _classes().get(str(data.get("type", "")))
    return data if wanted is None else wanted.construct(**data)


def typed_stream_event(event: Any) -> Any:
    """The typed object for an event of a model's answer; what is none of JSON, and of no known type, stays as it is."""
    if not isinstance(event, dict):
        return event
    from openai._models import construct_type
    from openai.types.responses import ResponseStreamEvent

    fields = cast("dict[str, Any]", event)
    return construct_type(type_=ResponseStreamEvent, value=fields) if fields.get("type") else fields
