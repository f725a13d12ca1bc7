"""Runs that wait while the agents behind them change: each kind of change, and a deployment of all of them at once."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel
from temporalio.client import Client

from perdure import (
    Agent,
    FunctionTool,
    GuardrailFunctionOutput,
    InputGuardrail,
    ModelSettings,
    OutputGuardrail,
    Run,
    Runner,
    RunUnattended,
    ToolGuardrailFunctionOutput,
    ToolInputGuardrail,
    function_tool,
    handoff,
)
from perdure.client.blob_stores import blob_store
from perdure.client.deploying import Affected, Deployed, check_deployment
from perdure.client.host import Host
from perdure.connection import connect
from perdure.contracts.converter import data_converter
from perdure.served import ServedAgents
from perdure.testing import ScriptedModel
from tests.conformance.answers import call, transfer
from tests.conformance.model_server import ModelServer
from worker import WorkerSettings, build_worker

Flow = Literal["desk", "manager", "both"]
SIDE = "drift"
PAID = ("paid 5",)
AS_TEXT = '{"paid": true}'
LOOK_SECONDS = 0.2


class Report(BaseModel):
    paid: bool


class FullReport(BaseModel):
    paid: bool
    currency: str


class Reason(BaseModel):
    why: str


class Excuse(BaseModel):
    why: str
    by: str


class Recording(ScriptedModel):
    """A model object of the user's own that keeps what it was asked, in the words of the Responses API."""

    def __init__(self, answers: list[Any]) -> None:
        super().__init__(answers)
        self.got: list[dict[str, Any]] = []

    async def get_response(self, *given: Any, **more: Any) -> Any:
        instructions, _, settings, tools, schema, handoffs, _ = given
        asked = {"instructions": instructions, "settings": settings.to_json(), "prompt": more["prompt"]}
        asked["tools"] = [each.to_wire() for each in [*tools, *handoffs]]
        self.got.append(asked | {"format": None if schema is None else schema.json_schema()})
        return await super().get_response(*given, **more)


def passes(data: Any) -> ToolGuardrailFunctionOutput:
    return ToolGuardrailFunctionOutput.allow()


def holds(context: Any, agent: Any, judged: Any) -> GuardrailFunctionOutput:
    return GuardrailFunctionOutput(None, tripwire_triggered=False)


def trips(context: Any, agent: Any, judged: Any) -> GuardrailFunctionOutput:
    return GuardrailFunctionOutput(None, tripwire_triggered=True)


SANE: ToolInputGuardrail[Any] = ToolInputGuardrail(passes, name="sane")
WELCOME: InputGuardrail[Any] = InputGuardrail(holds, name="welcome")
NOBODY: InputGuardrail[Any] = InputGuardrail(trips, name="nobody")
FITS: OutputGuardrail[Any] = OutputGuardrail(holds, name="fits")
NEVER: OutputGuardrail[Any] = OutputGuardrail(trips, name="never")


@function_tool
async def look(order: str) -> str:
    """Look an order up."""
    return order


@dataclass
class Desk:
    """The agents of one run as it is started with them, and what they did.

    Attributes:
        name: The first agent's name.
        own_model: Whether its models are objects of the user's own; else they are known by name.
        flow: Who asks for the payment: the desk; the manager, to whom it has handed over; or the desk, which then hands
            over in the same answer.
        effects: What the tools did.
    """

    name: str
    own_model: bool
    server: ModelServer
    flow: Flow = "desk"
    effects: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        pay, hand_over = call("pay", amount=5), transfer("Manager", why="old")
        scripts: dict[Flow, tuple[list[Any], list[Any]]] = {
            "desk": ([pay, AS_TEXT], []),
            "manager": ([hand_over], [pay, AS_TEXT]),
            "both": ([[pay, hand_over]], [AS_TEXT]),
        }
        lanes = zip(("desk", "manager"), scripts[self.flow], strict=True)
        self.models = {lane: self._model(lane, answers) for lane, answers in lanes}
        self.manager = Agent(name="Manager", model=self.models["manager"], instructions="Decide.", tools=[self.pay()])
        self.agent = Agent(
            name=self.name, model=self.models["desk"], instructions="Be kind.", tools=[self.pay(), look],
            handoffs=[self.manager], input_guardrails=[WELCOME], output_guardrails=[FITS], output_type=Report,
        )  # fmt: skip

    def pay(self, **changed: Any) -> FunctionTool:
        """The tool that has an effect, changed or as it was."""

        async def pay(amount: float) -> str:
            """Pay."""
            self.effects.append(f"paid {amount:g}")
            return "paid"

        return function_tool(**{"func": pay, "needs_approval": True, "tool_input_guardrails": [SANE], **changed})

    def with_pay(self, **changed: Any) -> Agent[Any]:
        """The agent with that tool changed."""
        return self.agent.clone(tools=[self.pay(**changed), look])

    def with_callback(self, input_type: type[Any]) -> Agent[Any]:
        """The agent with a handoff that calls a function."""

        def told(context: Any, reason: Any) -> None:
            self.effects.append(f"handed over, {reason}")

        return self.agent.clone(handoffs=[handoff(self.manager, on_handoff=told, input_type=input_type)])

    def requests(self) -> list[dict[str, Any]]:
        """What the model of the agent that pays was asked, without the conversation."""
        lane = "manager" if self.flow == "manager" else "desk"
        if self.own_model:
            return self.models[lane].got
        script = self.server.script(SIDE, self.models[lane], lane)
        return [{name: value for name, value in each.body.items() if name != "input"} for each in script.received]

    def _model(self, lane: str, answers: list[Any]) -> Any:
        if self.own_model:
            return Recording(answers)
        name = f"{self.name}.{lane}"
        self.server.script(SIDE, name, lane).answers += answers
        return name


@dataclass(frozen=True)
class Change:
    """One kind of change.

    Attributes:
        deployed: The agent after it; `None`: it is gone.
        lacks: What the run says that the worker lacks; empty where the change does no harm.
        meanwhile: What takes effect before the run waits for another worker.
        before: The agent as the run is started with it.
        says: What is sent to the run while it waits.
        flow: See `Desk`.
        ends_in: The run's final output.
        effects: What has taken effect at the end.
    """

    deployed: Callable[[Desk], Agent[Any] | None]
    lacks: str = ""
    meanwhile: tuple[str, ...] = ()
    before: Callable[[Desk], Agent[Any]] = lambda desk: desk.agent
    says: str = ""
    flow: Flow = "desk"
    ends_in: Any = field(default_factory=lambda: {"paid": True})
    effects: tuple[str, ...] = PAID


def kind_words(context: Any, agent: Any) -> str:
    return "Be kind."


def kept_prompt(data: Any) -> Any:
    return {"id": "kind"}


async def pay_sum(sum: float) -> str:
    """Pay."""
    raise AssertionError("another tool than the run's was called")


async def pay_text(amount: str) -> str:
    """Pay."""
    raise AssertionError("another tool than the run's was called")


@function_tool
async def tip(amount: float) -> str:
    """Give a tip."""
    raise AssertionError("a tool that the run does not know was called")


def called_handoff(deployed: Callable[[Desk], Agent[Any]], lacks: str) -> Change:
    """A change of a handoff that the model has called, beside the call that waits."""
    return Change(
        deployed, f"Turn 2 waits for a worker: {lacks}", PAID, before=lambda desk: desk.with_callback(Reason),
        flow="both", ends_in=AS_TEXT, effects=(*PAID, "handed over, why='old'"),
    )  # fmt: skip


ANOTHER_PAY = "Call 1.0 waits for a worker: Tool 'pay' of this worker has definition "
CHANGES = {
    "instructions": Change(lambda desk: desk.agent.clone(instructions="Be rude.")),
    "order of tools": Change(lambda desk: desk.agent.clone(tools=desk.agent.tools[::-1])),
    "model settings": Change(lambda desk: desk.agent.clone(model_settings=ModelSettings(temperature=1.0))),
    "a tool added": Change(lambda desk: desk.agent.clone(tools=[tip, *desk.agent.tools])),
    "a tool removed that nothing called": Change(lambda desk: desk.agent.clone(tools=[desk.agent.tools[0]])),
    "the schema of a tool that nothing called": Change(
        lambda desk: desk.agent.clone(tools=[desk.agent.tools[0], function_tool(pay_sum, name_override="look")])
    ),
    "an output guardrail added": Change(lambda desk: desk.agent.clone(output_guardrails=[FITS, NEVER])),
    "an input guardrail removed": Change(lambda desk: desk.agent.clone(input_guardrails=[])),
    "an input guardrail added": Change(lambda desk: desk.agent.clone(input_guardrails=[WELCOME, NOBODY])),
    "a handoff removed that nothing called": Change(lambda desk: desk.agent.clone(handoffs=[])),
    "a handoff described otherwise": Change(
        lambda desk: desk.agent.clone(handoffs=[handoff(desk.manager, tool_description_override="Ask.")])
    ),
    "a handoff added": Change(lambda desk: desk.agent.clone(handoffs=[Agent(name="Clerk"), *desk.agent.handoffs])),
    "an output type where there was none": Change(
        lambda desk: desk.agent, before=lambda desk: desk.agent.clone(output_type=None), ends_in=AS_TEXT
    ),
    "a tool's argument renamed": Change(lambda desk: desk.with_pay(func=pay_sum, name_override="pay"), ANOTHER_PAY),
    "a tool's argument of another type": Change(
        lambda desk: desk.with_pay(func=pay_text, name_override="pay"), ANOTHER_PAY
    ),
    "a tool's description": Change(lambda desk: desk.with_pay(description_override="Pay anybody."), ANOTHER_PAY),
    "a tool removed": Change(
        lambda desk: desk.agent.clone(tools=[look]),
        "Call 1.0 waits for a worker: Agent {name!r} of this worker has no tool 'pay'",
    ),
    "a tool guardrail removed": Change(lambda desk: desk.with_pay(tool_input_guardrails=[]), ANOTHER_PAY),
    "a tool guardrail added": Change(lambda desk: desk.with_pay(tool_input_guardrails=[SANE, SANE]), ANOTHER_PAY),
    "approval switched off": Change(lambda desk: desk.with_pay(needs_approval=False), ANOTHER_PAY),
    "an output guardrail removed": Change(
        lambda desk: desk.agent.clone(output_guardrails=[]),
        "Turn 3 waits for a worker: Guardrail 'fits' is number 0 of the agent's output guardrails in this run; "
        "this worker has none there.",
        PAID,
    ),
    "an output guardrail before the others": Change(
        lambda desk: desk.agent.clone(output_guardrails=[NEVER, FITS]),
        "Turn 3 waits for a worker: Guardrail 'fits' is number 0 of the agent's output guardrails in this run; "
        "this worker has never, fits there.",
        PAID,
    ),
    "another output type": Change(
        lambda desk: desk.agent.clone(output_type=FullReport),
        "Turn 2 waits for a worker: The output type of agent {name!r} on this worker is FullReport, ",
        PAID,
    ),
    "no output type": Change(
        lambda desk: desk.agent.clone(output_type=None),
        "Turn 2 waits for a worker: The output type of agent {name!r} on this worker is text, ",
        PAID,
    ),
    "an input guardrail removed, and input sent": Change(
        lambda desk: desk.agent.clone(input_guardrails=[]),
        "Turn 2 waits for a worker: Guardrail 'welcome' is number 0 of the agent's input guardrails in this run; "
        "this worker has none there.",
        PAID,
        says="and a bag",
    ),
    "instructions that are no function any more": Change(
        lambda desk: desk.agent,
        "Turn 2 waits for a worker: The instructions of agent {name!r} are no function on this worker",
        PAID,
        before=lambda desk: desk.agent.clone(instructions=kind_words),
    ),
    "a prompt that is no function any more": Change(
        lambda desk: desk.agent,
        "Turn 2 waits for a worker: The prompt of agent {name!r} is no function on this worker",
        PAID,
        before=lambda desk: desk.agent.clone(prompt=kept_prompt),
    ),
    "the active agent's handoff removed": Change(
        lambda desk: desk.agent.clone(handoffs=[]),
        "Call 2.0 waits for a worker: Agent {name!r} of this worker does not lead to 'Manager'",
        flow="manager",
        ends_in=AS_TEXT,
    ),
    "a called handoff removed": called_handoff(
        lambda desk: desk.agent.clone(handoffs=[]), "Agent {name!r} of this worker has no handoff 'transfer_to_manager'"
    ),
    "a called handoff's input type": called_handoff(
        lambda desk: desk.with_callback(Excuse),
        "Handoff 'transfer_to_manager' of this worker takes another input than the run's",
    ),
    "a called handoff's callback removed": called_handoff(
        lambda desk: desk.agent, "Handoff 'transfer_to_manager' of this worker calls no function, as the run's does"
    ),
    "the agent removed": Change(lambda desk: None, "Call 1.0 waits for a worker: This worker has no agent {name!r} "),
}
BY_NAME = {  # of an agent whose model is known by its name
    "another model's name": Change(lambda desk: desk.agent.clone(model="another")),
    "a model object for a name": Change(lambda desk: desk.agent.clone(model=Recording(["another"]))),
}
BY_OBJECT = {
    "another model object": Change(lambda desk: desk.agent.clone(model=Recording(['{"paid": true}']))),
    "a model's name for an object": Change(
        lambda desk: desk.agent.clone(model="another"),
        "Turn 2 waits for a worker: Agent {name!r} of this worker has no model object",
        PAID,
    ),
}


@dataclass
class Redeployed:
    """What became of a run whose agents were changed while it waited.

    Attributes:
        foretold: What a check of the deployment said before; `unchanged`: of one that changes nothing.
    """

    desk: Desk
    change: Change
    run: Run
    warnings: list[str] = field(default_factory=list[str])
    meanwhile: list[str] = field(default_factory=list[str])
    ended: Any = None
    foretold: Affected | None = None
    unchanged: Affected | None = None

    async def meet_the_change(self) -> None:
        """Says what there is to say and has the call approved; waits until the run ends or lacks another worker."""
        if self.change.says:
            await self.run.send(self.change.says)
        await self.run.approve("2.0" if self.desk.flow == "manager" else "1.0", by="ana")
        ended = asyncio.create_task(self._result())
        while not ended.done():
            await asyncio.wait([ended], timeout=LOOK_SECONDS)
            with contextlib.suppress(RunUnattended):  # this process replays many runs at once; it is asked again
                self.warnings = (await self.run.status()).warnings
            if self.warnings:
                break
        self.meanwhile = list(self.desk.effects)
        ended.cancel()

    async def go_on(self) -> None:
        """Waits for the run's end with a worker as before."""
        self.ended = self.ended or await self._result()

    async def _result(self) -> Any:
        try:
            self.ended = await self.run.result()
        except Exception as error:  # noqa: BLE001  whatever it ends in is what is looked at
            self.ended = error
        return self.ended


async def redeploy(changes: dict[str, Change], server: ModelServer, *, own_model: bool) -> dict[str, Redeployed]:
    """Starts a run for each kind of change, makes all changes while they wait, and takes them back."""
    queue = f"drift-{uuid.uuid4().hex[:8]}"
    desks = {kind: Desk(f"{kind} {queue}", own_model, server, change.flow) for kind, change in changes.items()}
    before = [changes[kind].before(desk) for kind, desk in desks.items()]
    after = [agent for kind, desk in desks.items() if (agent := changes[kind].deployed(desk)) is not None]
    names = [desk.name for desk in desks.values()]
    found: dict[str, Redeployed] = {}
    async with worker_with(queue, before):
        runs = await asyncio.gather(*(Runner.start(name, "pay", task_queue=queue) for name in names))
        for (kind, desk), run in zip(desks.items(), runs, strict=True):
            found[kind] = Redeployed(desk, changes[kind], run)
        await asyncio.gather(*(each.run.result_or_interruptions() for each in found.values()))
    by_run = {each.run.id: each for each in found.values()}
    for affected in await _foretold(queue, after):
        by_run[affected.run_id].foretold = affected
    for affected in await _foretold(queue, before):
        by_run[affected.run_id].unchanged = affected
    async with worker_with(queue, after):
        await asyncio.gather(*(each.meet_the_change() for each in found.values()))
    async with worker_with(queue, before):
        await asyncio.gather(*(each.go_on() for each in found.values()))
    return found


async def _foretold(queue: str, agents: list[Agent[Any]]) -> list[Affected]:
    """What a check of the deployment says, while no worker is there."""
    connection = await connect()
    client = await Client.connect(connection.address, data_converter=data_converter)
    return await check_deployment(client, Deployed(agents, queue), lambda text: None)


@contextlib.asynccontextmanager
async def worker_with(queue: str, agents: list[Agent[Any]]) -> AsyncGenerator[None]:
    host = Host.current()
    await host.call(host.serve_effects())
    connection = await connect()
    client = await Client.connect(connection.address, data_converter=data_converter)
    served = ServedAgents()
    served.serve(agents, asyncio.get_running_loop())
    async with build_worker(client, served, blob_store(connection), WorkerSettings(queue)):
        yield
