"""Definitions that scenarios are made of: agents, tools, guardrails and hooks that log what they do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any


class Definitions:
    """Makes definitions of one side's classes."""

    sdk: Any
    log: Any
    model: str

    def agent(self, name: str = "A", **fields: Any) -> Any:
        """An agent whose model is the main script's."""
        return self.sdk.Agent(**{"name": name, "model": self.model, **fields})

    def function(self, body: Callable[..., Any], **options: Any) -> Any:
        """A function tool; a parameter `ctx` is the run's context, `call_ctx` the call's."""
        for name, kind in (("ctx", "RunContextWrapper"), ("call_ctx", "ToolContext")):
            if name in body.__code__.co_varnames[: body.__code__.co_argcount]:
                body.__annotations__[name] = getattr(self.sdk, kind)[Any]
        return self.sdk.function_tool(body, **options)

    def tool(
        self, name: str, output: Any = "ok", *, seconds: float = 0.0, error: Exception | None = None, **options: Any
    ) -> Any:
        """A function tool with one text argument, which logs that it runs."""

        async def body(text: str = "") -> Any:
            self.log("tool", name, text or "-")
            if seconds:
                await asyncio.sleep(seconds)
                self.log("tool", name, "slept")
            if error is not None:
                raise error
            return output

        body.__doc__ = f"Do {name}."
        return self.sdk.function_tool(body, name_override=name, **options)

    # Guardrails

    def input_guardrail(
        self, name: str = "check", *, trip: bool = False, seconds: float = 0.0, error: Exception | None = None,
        blocking: bool = False, info: Any = None,
    ) -> Any:  # fmt: skip
        async def check(context: Any, agent: Any, value: Any) -> Any:
            self.log("guardrail", name)
            if seconds:
                await asyncio.sleep(seconds)
            if error is not None:
                raise error
            return self.sdk.GuardrailFunctionOutput(output_info=info or name, tripwire_triggered=trip)

        return self.sdk.InputGuardrail(guardrail_function=check, name=name, run_in_parallel=not blocking)

    def output_guardrail(
        self, name: str = "judge", *, trip: bool = False, seconds: float = 0.0, error: Exception | None = None
    ) -> Any:
        async def judge(context: Any, agent: Any, output: Any) -> Any:
            self.log("output guardrail", name, agent.name, repr(output))
            if seconds:
                await asyncio.sleep(seconds)
            if error is not None:
                raise error
            return self.sdk.GuardrailFunctionOutput(output_info=name, tripwire_triggered=trip)

        return self.sdk.OutputGuardrail(guardrail_function=judge, name=name)

    def _behaviour(self, does: str, name: str) -> Any:
        outputs = self.sdk.ToolGuardrailFunctionOutput
        if does == "raise":
            return outputs.raise_exception(output_info=name)
        return outputs.allow(output_info=name) if does == "allow" else outputs.reject_content(does, output_info=name)

    def tool_input_guardrail(self, does: str = "allow", name: str = "before") -> Any:
        """A guardrail that allows, raises, or rejects with a text."""

        async def check(data: Any) -> Any:
            self.log("tool input guardrail", name, data.context.tool_name, data.context.tool_arguments)
            return self._behaviour(does, name)

        return self.sdk.ToolInputGuardrail(guardrail_function=check, name=name)

    def tool_output_guardrail(self, does: str = "allow", name: str = "after") -> Any:
        """A guardrail that allows, raises, or rejects with a text."""

        async def check(data: Any) -> Any:
            self.log("tool output guardrail", name, data.context.tool_name, repr(data.output))
            return self._behaviour(does, name)

        return self.sdk.ToolOutputGuardrail(guardrail_function=check, name=name)

    # Hooks

    def run_hooks(self, *, error_in: str | None = None) -> Any:
        """Hooks of a run; with `error_in` one of them raises."""
        log = self._hook_log("run", error_in)

        class Hooks(self.sdk.RunHooks):
            async def on_agent_start(self, context: Any, agent: Any) -> None:
                log("start", agent.name)

            async def on_agent_end(self, context: Any, agent: Any, output: Any) -> None:
                log("end", agent.name, repr(output))

            async def on_handoff(self, context: Any, from_agent: Any, to_agent: Any) -> None:
                log("handoff", from_agent.name, to_agent.name)

            async def on_tool_start(self, context: Any, agent: Any, tool: Any) -> None:
                log("tool_start", agent.name, tool.name)

            async def on_tool_end(self, context: Any, agent: Any, tool: Any, result: Any) -> None:
                log("tool_end", agent.name, tool.name, repr(result))

            async def on_llm_start(self, context: Any, agent: Any, system_prompt: Any, input_items: Any) -> None:
                log("llm_start", agent.name, len(input_items))

            async def on_llm_end(self, context: Any, agent: Any, response: Any) -> None:
                log("llm_end", agent.name, response.response_id)

        return Hooks()

    def agent_hooks(self, label: str = "agent", *, error_in: str | None = None) -> Any:
        """Hooks of an agent; with `error_in` one of them raises."""
        log = self._hook_log(label, error_in)

        class Hooks(self.sdk.AgentHooks):
            async def on_start(self, context: Any, agent: Any) -> None:
                log("start", agent.name)

            async def on_end(self, context: Any, agent: Any, output: Any) -> None:
                log("end", agent.name, repr(output))

            async def on_handoff(self, context: Any, agent: Any, source: Any) -> None:
                log("handoff", source.name, agent.name)

            async def on_tool_start(self, context: Any, agent: Any, tool: Any) -> None:
                log("tool_start", agent.name, tool.name)

            async def on_tool_end(self, context: Any, agent: Any, tool: Any, result: Any) -> None:
                log("tool_end", agent.name, tool.name, repr(result))

            async def on_llm_start(self, context: Any, agent: Any, system_prompt: Any, input_items: Any) -> None:
                log("llm_start", agent.name, len(input_items))

            async def on_llm_end(self, context: Any, agent: Any, response: Any) -> None:
                log("llm_end", agent.name, response.response_id)

        return Hooks()

    def _hook_log(self, label: str, error_in: str | None) -> Callable[..., None]:
        def log(event: str, *words: Any) -> None:
            self.log(f"{label}:{event}", *words)
            if event == error_in:
                raise HookError(f"{event} hook failed")

        return log


class HookError(Exception):
    """What a hook of a scenario raises."""
