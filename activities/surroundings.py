"""What the steps that run user code have in common: the live objects, the contexts they are handed, and the loop."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from temporalio import activity

from perdure.blobs import BlobStore
from perdure.context import AgentHookContext, RunContextWrapper, ToolContext
from perdure.contracts.steps import Cursor, StepInput, ToolCall
from perdure.contracts.tokens import Tokens
from perdure.errors import BlobUnavailable
from perdure.portable_context import changed_fields
from perdure.served import ServedAgents
from perdure.snapshot import Member

from .attempts import without_blob
from .conversations import Conversations

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a worker's steps find around them."""

    served: ServedAgents
    conversations: Conversations
    blobs: BlobStore | None

    @property
    def run_id(self) -> str:
        """The run that the step belongs to."""
        return activity.info().workflow_id or ""

    def member(self, step: StepInput) -> Member:
        """The live agent of a step, with its configuration."""
        return self.served.member(self.run_id, step.root, step.agent)

    def run_hooks(self, step: StepInput) -> Any | None:
        """The hooks of the run, or of the agent as a tool, that a step belongs to."""
        return self.served.run_hooks(self.run_id, step.root, step.opened_by)

    async def on_user_loop(self, work: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        """Runs user code on the loop it belongs to."""
        return await self.served.on_user_loop(self.run_id, work)

    async def conversation(self, step: StepInput, cursor: Cursor, new: list[dict[str, Any]]) -> list[bytes]:
        """The items that a cursor names, as canonical JSON."""
        execution = activity.info().workflow_run_id or ""
        try:
            return list(await self.conversations.items(self.run_id, execution, cursor, new, step.path))
        except BlobUnavailable as error:
            raise without_blob(error) from None

    def context(self, step: StepInput) -> RunContextWrapper[Any]:
        """The context for functions of the user."""
        return RunContextWrapper(**self._fields(step))

    def agent_context(self, step: StepInput, turn_input: list[dict[str, Any]]) -> AgentHookContext[Any]:
        """The context for the hooks that hear of an agent's start and end."""
        return AgentHookContext(**self._fields(step), turn_input=turn_input)

    def tool_context(self, step: StepInput, call: ToolCall, arguments: str) -> ToolContext[Any]:
        """The context for a tool, and for what is asked about one call of it.

        Args:
            step: Whose context, usage and tool input count.
            call: The call, which may be the step itself.
            arguments: As the model wrote them.
        """
        member = self.member(call)
        return ToolContext(
            **self._fields(step),
            tool_name=call.tool,
            tool_call_id=call.model_call_id,
            tool_arguments=arguments,
            tool_call={
                "type": "function_call",
                "call_id": call.model_call_id,
                "name": call.tool,
                "arguments": arguments,
            },
            agent=member.agent,
            run_config=member.config,
            idempotency_key=call.idempotency_key,
            run_id=self.run_id,
        )

    def _fields(self, step: StepInput) -> dict[str, Any]:
        return {
            "context": self.served.context(self.run_id, step.context),
            "usage": self.served.usage(self.run_id, (step.usage or Tokens()).usage()),
            "tool_input": step.tool_input,
            "attempt": activity.info().attempt,
        }


def context_changes(step: StepInput, context: RunContextWrapper[Any]) -> dict[str, Any]:
    """The field `context_changes` of a step's output, if functions of the user changed something."""
    changes = {} if step.context is None else changed_fields(step.context, context.context)
    return {"context_changes": changes} if changes else {}
