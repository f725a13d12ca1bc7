"""Perdure: AI agents that survive anything, written with the vocabulary of the OpenAI Agents SDK."""

from typing import TYPE_CHECKING

from perdure.agent import Agent
from perdure.agent_output import AgentOutputSchema, AgentOutputSchemaBase
from perdure.agent_tool import AgentToolStreamEvent
from perdure.context import AgentHookContext, RunContextWrapper, TContext, ToolContext
from perdure.effects import DidNotHappen, Happened
from perdure.error_handlers import (
    RunErrorData,
    RunErrorHandler,
    RunErrorHandlerInput,
    RunErrorHandlerResult,
    RunErrorHandlers,
)
from perdure.errors import (
    AgentsException,
    BlobUnavailable,
    ContextNotPortableError,
    ConversationStateUnknown,
    DecisionConflictError,
    InputGuardrailTripwireTriggered,
    MaxTurnsExceeded,
    ModelBehaviorError,
    ModelRefusalError,
    ModelTimeoutError,
    OutputGuardrailTripwireTriggered,
    PayloadUnreadable,
    PerdureError,
    RunCancelled,
    RunConflictError,
    RunFailed,
    RunNotFound,
    RunUnattended,
    ServerTooOld,
    ServerUnavailable,
    SessionUnavailable,
    ThreadClosed,
    ToolInputGuardrailTripwireTriggered,
    ToolOutputGuardrailTripwireTriggered,
    ToolTimeoutError,
    UserError,
)
from perdure.guardrail import (
    GuardrailFunctionOutput,
    InputGuardrail,
    InputGuardrailResult,
    OutputGuardrail,
    OutputGuardrailResult,
    input_guardrail,
    output_guardrail,
)
from perdure.handoff import Handoff, HandoffHistoryMapper, HandoffInputData, HandoffInputFilter, handoff
from perdure.handoff_history import (
    default_handoff_history_mapper,
    get_conversation_history_wrappers,
    nest_handoff_history,
    reset_conversation_history_wrappers,
    set_conversation_history_wrappers,
)
from perdure.hooks import AgentHooks, RunHooks
from perdure.hosted_tools import CodeInterpreterTool, FileSearchTool, HostedMCPTool, ImageGenerationTool, WebSearchTool
from perdure.item_helpers import ItemHelpers
from perdure.items import (
    CompactionItem,
    HandoffCallItem,
    HandoffOutputItem,
    InputItem,
    MCPApprovalRequestItem,
    MCPApprovalResponseItem,
    MCPListToolsItem,
    MessageOutputItem,
    ReasoningItem,
    RunItem,
    ToolApprovalItem,
    ToolCallItem,
    ToolCallOutputItem,
    ToolSearchCallItem,
    ToolSearchOutputItem,
    TResponseInputItem,
)
from perdure.model import Model, ModelProvider, ModelResponse, ModelTracing
from perdure.model_input import CallModelData, CallModelInputFilter, ModelInputData
from perdure.models import (
    MultiProvider,
    OpenAIChatCompletionsModel,
    OpenAIProvider,
    OpenAIResponsesModel,
    set_default_openai_api,
    set_default_openai_client,
    set_default_openai_key,
)
from perdure.prompts import DynamicPromptFunction, GenerateDynamicPromptData, Prompt
from perdure.result import AgentToolInvocation, RunErrorDetails, RunResult
from perdure.result_streaming import RunResultStreaming
from perdure.retry import (
    ModelRetryAdvice,
    ModelRetryAdviceRequest,
    ModelRetryBackoffSettings,
    ModelRetryNormalizedError,
    ModelRetrySettings,
    RetryDecision,
    RetryPolicy,
    RetryPolicyContext,
)
from perdure.retry_policies import retry_policies
from perdure.run_config import (
    ReasoningItemIdPolicy,
    ToolExecutionConfig,
    ToolNameCollisionPolicy,
    ToolNotFoundBehavior,
)
from perdure.run_summary import DeletedRun, RunSummary
from perdure.runner import Runner, RunOptions
from perdure.session import Session, SessionABC, SessionSettings
from perdure.settings import DEFAULT_MAX_TURNS, MCPToolChoice, ModelSettings, RunConfig
from perdure.sqlite_session import SQLiteSession
from perdure.state import RunState
from perdure.stream_events import (
    AgentUpdatedStreamEvent,
    RawResponsesStreamEvent,
    RunEvent,
    RunItemStreamEvent,
    StreamEvent,
)
from perdure.tool import FunctionTool, Tool, default_tool_error_function, function_tool
from perdure.tool_errors import ToolErrorFormatter, ToolErrorFormatterArgs
from perdure.tool_guardrails import (
    ToolGuardrailFunctionOutput,
    ToolInputGuardrail,
    ToolInputGuardrailData,
    ToolInputGuardrailResult,
    ToolOutputGuardrail,
    ToolOutputGuardrailData,
    ToolOutputGuardrailResult,
    tool_input_guardrail,
    tool_output_guardrail,
)
from perdure.tool_output import (
    ToolOutputFileContent,
    ToolOutputFileContentDict,
    ToolOutputImage,
    ToolOutputImageDict,
    ToolOutputText,
    ToolOutputTextDict,
)
from perdure.tool_use import FunctionToolResult, StopAtTools, ToolsToFinalOutputFunction, ToolsToFinalOutputResult
from perdure.usage import RequestUsage, Usage

if TYPE_CHECKING:
    from perdure.run import Run
    from perdure.thread import Thread
else:  # kept from type checkers, which would take any name for one of ours

    def __getattr__(name: str) -> object:
        """`Run` and `Thread`, which bring Temporal's client: a program that only defines agents does without."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from perdure import running

        return getattr(running, name)


__all__ = [
    "DEFAULT_MAX_TURNS",
    "Agent",
    "AgentHookContext",
    "AgentHooks",
    "AgentOutputSchema",
    "AgentOutputSchemaBase",
    "AgentToolInvocation",
    "AgentToolStreamEvent",
    "AgentUpdatedStreamEvent",
    "AgentsException",
    "BlobUnavailable",
    "CallModelData",
    "CallModelInputFilter",
    "CodeInterpreterTool",
    "CompactionItem",
    "ContextNotPortableError",
    "ConversationStateUnknown",
    "DecisionConflictError",
    "DeletedRun",
    "DidNotHappen",
    "DynamicPromptFunction",
    "FileSearchTool",
    "FunctionTool",
    "FunctionToolResult",
    "GenerateDynamicPromptData",
    "GuardrailFunctionOutput",
    "Handoff",
    "HandoffCallItem",
    "HandoffHistoryMapper",
    "HandoffInputData",
    "HandoffInputFilter",
    "HandoffOutputItem",
    "Happened",
    "HostedMCPTool",
    "ImageGenerationTool",
    "InputGuardrail",
    "InputGuardrailResult",
    "InputGuardrailTripwireTriggered",
    "InputItem",
    "ItemHelpers",
    "MCPApprovalRequestItem",
    "MCPApprovalResponseItem",
    "MCPListToolsItem",
    "MCPToolChoice",
    "MaxTurnsExceeded",
    "MessageOutputItem",
    "Model",
    "ModelBehaviorError",
    "ModelInputData",
    "ModelProvider",
    "ModelRefusalError",
    "ModelResponse",
    "ModelRetryAdvice",
    "ModelRetryAdviceRequest",
    "ModelRetryBackoffSettings",
    "ModelRetryNormalizedError",
    "ModelRetrySettings",
    "ModelSettings",
    "ModelTimeoutError",
    "ModelTracing",
    "MultiProvider",
    "OpenAIChatCompletionsModel",
    "OpenAIProvider",
    "OpenAIResponsesModel",
    "OutputGuardrail",
    "OutputGuardrailResult",
    "OutputGuardrailTripwireTriggered",
    "PayloadUnreadable",
    "PerdureError",
    "Prompt",
    "RawResponsesStreamEvent",
    "ReasoningItem",
    "ReasoningItemIdPolicy",
    "RequestUsage",
    "RetryDecision",
    "RetryPolicy",
    "RetryPolicyContext",
    "Run",
    "RunCancelled",
    "RunConfig",
    "RunConflictError",
    "RunContextWrapper",
    "RunErrorData",
    "RunErrorDetails",
    "RunErrorHandler",
    "RunErrorHandlerInput",
    "RunErrorHandlerResult",
    "RunErrorHandlers",
    "RunEvent",
    "RunFailed",
    "RunHooks",
    "RunItem",
    "RunItemStreamEvent",
    "RunNotFound",
    "RunOptions",
    "RunResult",
    "RunResultStreaming",
    "RunState",
    "RunSummary",
    "RunUnattended",
    "Runner",
    "SQLiteSession",
    "ServerTooOld",
    "ServerUnavailable",
    "Session",
    "SessionABC",
    "SessionSettings",
    "SessionUnavailable",
    "StopAtTools",
    "StreamEvent",
    "TContext",
    "TResponseInputItem",
    "Thread",
    "ThreadClosed",
    "Tool",
    "ToolApprovalItem",
    "ToolCallItem",
    "ToolCallOutputItem",
    "ToolContext",
    "ToolErrorFormatter",
    "ToolErrorFormatterArgs",
    "ToolExecutionConfig",
    "ToolGuardrailFunctionOutput",
    "ToolInputGuardrail",
    "ToolInputGuardrailData",
    "ToolInputGuardrailResult",
    "ToolInputGuardrailTripwireTriggered",
    "ToolNameCollisionPolicy",
    "ToolNotFoundBehavior",
    "ToolOutputFileContent",
    "ToolOutputFileContentDict",
    "ToolOutputGuardrail",
    "ToolOutputGuardrailData",
    "ToolOutputGuardrailResult",
    "ToolOutputGuardrailTripwireTriggered",
    "ToolOutputImage",
    "ToolOutputImageDict",
    "ToolOutputText",
    "ToolOutputTextDict",
    "ToolSearchCallItem",
    "ToolSearchOutputItem",
    "ToolTimeoutError",
    "ToolsToFinalOutputFunction",
    "ToolsToFinalOutputResult",
    "Usage",
    "UserError",
    "WebSearchTool",
    "default_handoff_history_mapper",
    "default_tool_error_function",
    "function_tool",
    "get_conversation_history_wrappers",
    "handoff",
    "input_guardrail",
    "nest_handoff_history",
    "output_guardrail",
    "reset_conversation_history_wrappers",
    "retry_policies",
    "set_conversation_history_wrappers",
    "set_default_openai_api",
    "set_default_openai_client",
    "set_default_openai_key",
    "tool_input_guardrail",
    "tool_output_guardrail",
]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
