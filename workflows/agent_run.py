"""AgentRun: one run of an agent. It asks the loop, does the step, records; every rule is in `perdure.loop`."""

from __future__ import annotations

import asyncio
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError, FailureError

from perdure.contracts.run import RunOutcome
from perdure.failpoints import reach
from perdure.limits import MAX_COMMAND_BYTES
from perdure.loop.absorb import absorb, absorb_timeout, give_up, started
from perdure.loop.plan import plan
from perdure.loop.records import Failure
from perdure.loop.settle import settle
from perdure.loop.steps import (
    Action,
    CallModel,
    Cancel,
    Fail,
    Finish,
    Interrupt,
    Outcome,
    SnapshotAgents,
    Start,
    Step,
    StepFailed,
    Wait,
    WaitedTooLong,
)

from .commands import Command, command_for
from .continuing import Continuing, heard_of_its_end
from .details import goal_of
from .listing import list_run
from .opening import NOTHING
from .outcomes import failure, is_outcome, success
from .pages import outcome_of
from .summaries import timer_summary
from .task_budget import TaskBudget
from .threads import Threads

# A run that is pinned to a build of the code goes on in a new history on the build that is current then.
_ANY_BUILD = workflow.ContinueAsNewVersioningBehavior.AUTO_UPGRADE


@workflow.defn(name="AgentRun", sandboxed=False)  # its determinism is shown by import contracts and replays
class AgentRun(Threads):
    """A run of an agent; the run's id is the workflow's id."""

    @workflow.init
    def __init__(self, run: Any = NOTHING, *rest: Any) -> None:
        super().__init__(run)
        self._ended: list[tuple[Step | Wait, Outcome]] = []
        self._waits: dict[str, asyncio.Task[None]] = {}
        self._steps: dict[str, asyncio.Task[None]] = {}
        self._asked: dict[str, workflow.ActivityHandle[Any]] = {}  # of models
        self._postponed: set[str] = set()  # steps that wait before they are offered again
        self._continuing = Continuing(self.settings)
        self._budget = TaskBudget()

    @workflow.run
    async def run(self, run: Any = NOTHING, *rest: Any) -> RunOutcome:
        """Runs the agent to its end."""
        while True:
            actions = await self._planned()
            list_run(self.state)
            for action in actions:
                match action:
                    case Finish():
                        await self.answer_all()
                        return outcome_of(self.state, self.settings)
                    case Fail(reason):
                        await self.answer_all()
                        raise self._failed(reason)
                    case _:
                        self._do(action)
            self._stop_waiting({action.id for action in actions if isinstance(action, Wait)})
            await workflow.wait_condition(lambda: self.woken)
            self._record()

    def _do(self, action: Start | Cancel | Interrupt | Wait) -> None:
        match action:
            case Start(step):
                self._start(step)
            case Cancel(step_id):
                self._cancel(step_id)
            case Interrupt(step_id):
                self._interrupt(step_id)
            case Wait():
                self._wait(action)

    async def _planned(self) -> list[Action]:
        """What the loop asks for; of a run whose history is long, nothing new until it has gone on in another one."""
        if self.state.steering.is_held:
            self._postpone()
        actions = plan(self.state)
        while self._goes_on(actions):
            if self.state.in_flight:
                return [each for each in actions if not isinstance(each, Start)]
            await self._go_on()
            actions = plan(self.state)
        return actions

    def _goes_on(self, actions: list[Action]) -> bool:
        ends = any(isinstance(action, Finish | Fail) for action in actions)
        return not ends and self._continuing.due(self.state, self.messages)

    async def _go_on(self) -> None:
        """Goes on in a new history; where that cannot be done now, this one will do a while longer."""
        await self.answer_all()
        self.goal = goal_of(self.state, self.goal)  # its item may be among those that are sealed
        await self._continuing.seal(self.state)
        await heard_of_its_end()
        self._record()
        going_on = self._continuing.input(self.state, self.ignored, self.goal)
        if going_on is None:
            self._continuing.postpone(self.state)
            self.stay()
        else:
            self.continued = True
            reach("continue begins")
            workflow.continue_as_new(going_on, initial_versioning_behavior=_ANY_BUILD)

    def _record(self) -> None:
        self.woken = False
        ended, self._ended = self._ended, []
        for step, outcome in ended:
            if isinstance(step, Wait):
                absorb_timeout(self.state, step, workflow.time())
            else:
                absorb(self.state, step, outcome)
        settle(self.state, workflow.time())
        self.settle_early()
        self.adopt()

    def _start(self, step: Step) -> None:
        frame = self.state.frame(step.path)
        if frame is None:
            raise RuntimeError(f"step {step.id} belongs to no frame")
        command = self._budget.takes(command_for(self.state, frame, step, self.settings))
        if command is None:
            return  # the loop names the step again after the next event, which begins another workflow task
        started(self.state, step)
        call = None if isinstance(step, CallModel | SnapshotAgents) else frame.call(step.call_id)
        performing = self._perform(step, command, frame.agent, call.name if call is not None else "")
        self._steps[step.id] = asyncio.create_task(performing)

    async def _perform(self, step: Step, command: Command, agent: str, tool: str) -> None:
        outcome = await self._outcome(step, command, agent, tool)
        if self._steps.pop(step.id, None) is not None:  # else nobody waits for it any more
            self._end(step, outcome)

    async def _outcome(self, step: Step, command: Command, agent: str, tool: str) -> Outcome:
        if command.size > MAX_COMMAND_BYTES:
            text = (
                f"The input of {command.activity} takes {command.size} bytes; at most {MAX_COMMAND_BYTES} can travel."
            )
            return StepFailed(Failure("UserError", f"{text} Make the context or the arguments smaller."))
        if step.delay_seconds:
            self._postponed.add(step.id)
            await workflow.sleep(step.delay_seconds, summary=f"before {command.summary} is offered again")
            self._postponed.discard(step.id)
        try:
            return success(step, await self._result(step, command), agent, tool)
        except FailureError as error:
            return failure(step, error)
        except asyncio.CancelledError:
            if step.id not in self._steps:  # nobody waits for it
                raise
            return StepFailed(Failure("StepLost", f"Step {step.id} was stopped in the moment in which it ended."))
        finally:
            self._asked.pop(step.id, None)

    async def _result(self, step: Step, command: Command) -> Any:
        if command.is_local:
            try:
                return await command.start_locally()
            except FailureError as error:
                if is_outcome(error) or step.id not in self._steps:
                    raise
        doing = command.start()
        if isinstance(step, CallModel):
            self._asked[step.id] = doing
        return await doing

    def _cancel(self, step_id: str) -> None:
        """Stops a step that nobody waits for any more; its activity is told, and not waited for."""
        give_up(self.state, step_id)
        self._postponed.discard(step_id)
        task = self._steps.pop(step_id, None)
        if task is not None:
            task.cancel()

    def _postpone(self) -> None:
        """Takes back the steps that wait before they are offered again: they come again once the run goes on."""
        for step_id in sorted(self._postponed):
            self._cancel(step_id)

    def _interrupt(self, step_id: str) -> None:
        """Tells a model to stop, once; of one that is not asked yet nothing is waited for."""
        doing = self._asked.pop(step_id, None)
        if doing is not None:
            doing.cancel()
        elif step_id in self._postponed:
            self._cancel(step_id)
            self.woken = True

    def _wait(self, wait: Wait) -> None:
        if wait.id not in self._waits:
            self._waits[wait.id] = asyncio.create_task(self._expire(wait))

    async def _expire(self, wait: Wait) -> None:
        call = self.state.call(wait.call_id)
        decides = call is not None and call.phase == "waiting"
        waited = workflow.time() - call.since if call is not None and decides else 0.0  # in earlier histories, too
        await workflow.sleep(max(wait.seconds - waited, 0.0), summary=timer_summary(self.state, wait.call_id))
        self._end(wait, WaitedTooLong())

    def _stop_waiting(self, still_waiting: set[str]) -> None:
        for wait_id in [wait_id for wait_id in self._waits if wait_id not in still_waiting]:
            self._waits.pop(wait_id).cancel()

    def _end(self, step: Step | Wait, outcome: Outcome) -> None:
        self._ended.append((step, outcome))
        self.woken = True

    def _failed(self, reason: Failure) -> ApplicationError:
        details = outcome_of(self.state, self.settings)
        return ApplicationError(reason.message, details, reason.details, type=reason.type, non_retryable=True)
