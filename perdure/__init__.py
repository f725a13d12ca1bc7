"""Perdure: AI agents that survive anything, written with the vocabulary of the OpenAI Agents SDK."""

from perdure.agent import Agent
from perdure.client.listing import RunSummary
from perdure.context import RunContextWrapper, TContext, ToolContext
from perdure.errors import (
    AgentsException,
    ContextNotPortableError,
    DecisionConflictError,
    MaxTurnsExceeded,
    ModelBehaviorError,
    ModelRefusalError,
    PerdureError,
    RunCancelled,
    RunConflictError,
    RunFailed,
    RunNotFound,
    RunUnattended,
    ServerTooOld,
    ServerUnavailable,
    ToolTimeoutError,
    UserError,
)
from perdure.hosted_tools import (
    CodeInterpreterTool,
    FileSearchTool,
    HostedMCPTool,
    ImageGenerationTool,
    WebSearchTool,
)
from perdure.items import (
    CompactionItem,
    ItemHelpers,
    MCPApprovalRequestItem,
    MCPListToolsItem,
    MessageOutputItem,
    ReasoningItem,
    RunItem,
    ToolApprovalItem,
    ToolCallItem,
    ToolCallOutputItem,
    TResponseInputItem,
)
from perdure.model import Model, ModelResponse, ModelTracing
from perdure.result import RunErrorDetails, RunResult
from perdure.run import Run
from perdure.runner import Runner, RunOptions
from perdure.settings import ModelSettings, RunConfig
from perdure.state import RunState
from perdure.tool import FunctionTool, Tool, default_tool_error_function, function_tool
from perdure.usage import RequestUsage, Usage

__all__ = [
    "Agent",
    "AgentsException",
    "CodeInterpreterTool",
    "CompactionItem",
    "ContextNotPortableError",
    "DecisionConflictError",
    "FileSearchTool",
    "FunctionTool",
    "HostedMCPTool",
    "ImageGenerationTool",
    "ItemHelpers",
    "MCPApprovalRequestItem",
    "MCPListToolsItem",
    "MaxTurnsExceeded",
    "MessageOutputItem",
    "Model",
    "ModelBehaviorError",
    "ModelRefusalError",
    "ModelResponse",
    "ModelSettings",
    "ModelTracing",
    "PerdureError",
    "ReasoningItem",
    "RequestUsage",
    "Run",
    "RunCancelled",
    "RunConfig",
    "RunConflictError",
    "RunContextWrapper",
    "RunErrorDetails",
    "RunFailed",
    "RunItem",
    "RunNotFound",
    "RunOptions",
    "RunResult",
    "RunState",
    "RunSummary",
    "RunUnattended",
    "Runner",
    "ServerTooOld",
    "ServerUnavailable",
    "TContext",
    "TResponseInputItem",
    "Tool",
    "ToolApprovalItem",
    "ToolCallItem",
    "ToolCallOutputItem",
    "ToolContext",
    "ToolTimeoutError",
    "Usage",
    "UserError",
    "WebSearchTool",
    "default_tool_error_function",
    "function_tool",
]
