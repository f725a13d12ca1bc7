"""Steps done as a worker does them, without a server: one process, one loop, runs that answer from a list."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from temporalio.client import Client
from temporalio.common import RawValue
from temporalio.converter import DataConverter
from temporalio.testing import ActivityEnvironment

from activities.call_model import CallModel
from activities.conversations import Conversations
from activities.definitions import Definitions
from activities.ledger import Ledger
from activities.live_tools import LiveTools
from activities.providers.dispatch import Providers
from activities.surroundings import Surroundings
from activities.transcripts import Transcripts
from activities.user_steps import UserSteps
from perdure.agent import Agent
from perdure.canonical import encode
from perdure.contracts.converter import data_converter
from perdure.contracts.run import PageEntry, PageRequest, ResponseView, TranscriptPage
from perdure.contracts.steps import (
    CALL_TOOL,
    CALL_USER,
    CHECK_GUARDRAIL,
    RUN_HOOK,
    CallModelInput,
    CallModelOutput,
    CallToolOutput,
    CallUserOutput,
    Cursor,
    GuardrailOutput,
    HookOutput,
    ToolCall,
)
from perdure.definition import AgentDefinition, ToolDefinition
from perdure.lending import Lent
from perdure.portable_context import context_state
from perdure.run_config import RunConfig
from perdure.served import ServedAgents
from perdure.snapshot import members, snapshot
from perdure.transcript import chain, chain_start

RUN_ID = "run"
_RESULTS = {
    CALL_TOOL: CallToolOutput,
    CALL_USER: CallUserOutput,
    CHECK_GUARDRAIL: GuardrailOutput,
    RUN_HOOK: HookOutput,
}
ORIGIN = chain_start("default", RUN_ID, "execution", "", 0)


@dataclass
class ToldRun:
    """A run that answers queries from what it is given, and keeps what it was asked."""

    entries: list[PageEntry] = field(default_factory=list[PageEntry])
    responses: list[ResponseView] = field(default_factory=list[ResponseView])
    asked: list[PageRequest] = field(default_factory=list[PageRequest])
    id: str = RUN_ID
    namespace: str = "default"
    data_converter: DataConverter = data_converter

    def get_workflow_handle(self, workflow_id: str, *, run_id: str | None = None) -> ToldRun:
        return self

    async def query(self, name: str, *, args: Sequence[Any], **_: Any) -> TranscriptPage:
        wanted: PageRequest = args[0]
        self.asked.append(wanted)
        entries = self.entries[wanted.start : wanted.upto]
        return TranscriptPage(
            first=wanted.start, entries=entries, responses=self.responses, count=len(self.entries), before="", digest=""
        )


@dataclass
class Workbench:
    """One run's agents, lent by a caller, and a worker's steps for them."""

    agent: Agent[Any]
    config: RunConfig = field(default_factory=RunConfig)
    context: Any = None
    hooks: Any = None
    error_handlers: dict[str, Any] = field(default_factory=dict[str, Any])
    run: ToldRun = field(default_factory=ToldRun)
    attempt: int = 1
    heartbeat_details: list[Any] = field(default_factory=list[Any])

    def __post_init__(self) -> None:
        self.served = ServedAgents()
        loop = asyncio.get_running_loop()
        self.lent = Lent(self.agent, self.config, self.context, loop, self.hooks, self.error_handlers)
        self.served.lend(RUN_ID, self.lent)
        self.client = cast("Client", self.run)
        self.around = Surroundings(self.served, Conversations(self.client, None), None)
        self.steps = UserSteps(
            self.around, LiveTools(self.served, None), Transcripts(self.client, None), Ledger(self.client)
        )

    def step(self, **more: Any) -> dict[str, Any]:
        """What every step's input has."""
        state = context_state(self.context)
        return {"root": self.agent.name, "agent": self.agent.name, "context": state, **more}

    def definition(self, key: str = "") -> AgentDefinition:
        """One of the agents as the run has it."""
        taken = snapshot(self.agent, self.config, self.hooks, self.error_handlers)
        return taken.agents[key or self.agent.name]

    def call(self, tool: str, arguments: str = "{}", **more: Any) -> ToolCall:
        """A call of one of the agent's tools."""
        defined = self.definition().tools_by_name.get(tool, ToolDefinition(name=tool, wire={}))
        fields: dict[str, Any] = {
            "call_id": "1.0",
            "model_call_id": "call_1",
            "tool": tool,
            "fingerprint": defined.fingerprint,
        }
        return ToolCall(**{**self.step(), **fields, "arguments": arguments, **more})

    async def do(self, activity_type: str, value: Any) -> Any:
        """Does a step of the dynamic activity."""
        payload = data_converter.payload_converter.to_payload(value)
        said: RawValue = await self._environment(activity_type).run(self.steps.do, [RawValue(payload)])
        kind = next(kind for prefix, kind in _RESULTS.items() if activity_type.startswith(prefix))
        return data_converter.payload_converter.from_payload(said.payload, kind)

    async def ask_model(self, call: CallModelInput) -> CallModelOutput:
        """Does a model call."""
        definitions = Definitions(self.client)
        definitions.remember(snapshot(self.agent, self.config, self.hooks, self.error_handlers))
        model = CallModel(self.around, definitions, Providers(self.served))
        return await self._environment("call_model").run(model.call_model, call)

    def member_key(self, agent: Agent[Any]) -> str:
        """The key of an agent that the first one leads to."""
        found = members(self.agent, self.config)
        return next(key for key, member in found.items() if member.agent is agent)

    def _environment(self, activity_type: str) -> ActivityEnvironment:
        environment = ActivityEnvironment()
        environment.payload_converter = data_converter.payload_converter
        environment.info = dataclasses.replace(
            environment.info,
            activity_type=activity_type,
            workflow_id=RUN_ID,
            attempt=self.attempt,
            heartbeat_details=self.heartbeat_details,
        )
        environment.on_heartbeat = lambda *details: self.heartbeats.append(details)
        return environment

    @property
    def heartbeats(self) -> list[tuple[Any, ...]]:
        """What the steps told the server while they ran."""
        return self.__dict__.setdefault("_heartbeats", [])


def cursor_of(items: list[dict[str, Any]], *, start: int = 0, base: int = 0) -> tuple[Cursor, list[dict[str, Any]]]:
    """A cursor for a conversation, and the items that travel with it: those after the first `base`."""
    stored = [encode(item) for item in items]
    cursor = Cursor(
        origin=ORIGIN,
        digest=chain(ORIGIN, stored),
        count=len(items),
        base=chain(ORIGIN, stored[:base]),
        base_count=base,
        start=start,
    )
    return cursor, items[base:]


def user(text: str) -> dict[str, Any]:
    """A message of the user."""
    return {"content": text, "role": "user"}


def assistant(text: str) -> dict[str, Any]:
    """A message of the model."""
    content: list[dict[str, Any]] = [{"annotations": [], "text": text, "type": "output_text"}]
    return {"content": content, "id": "msg", "role": "assistant", "status": "completed", "type": "message"}


def call_item(name: str, call_id: str = "call_1", arguments: str = "{}") -> dict[str, Any]:
    """The model's call of a tool or handoff."""
    return {"arguments": arguments, "call_id": call_id, "name": name, "type": "function_call"}


def output_item(output: Any, call_id: str = "call_1") -> dict[str, Any]:
    """What answers a call."""
    return {"call_id": call_id, "output": output, "type": "function_call_output"}
