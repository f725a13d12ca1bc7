"""`perdure run`: starts a run, or attaches to one, and waits."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_jsonable_python

from perdure.agent import Agent
from perdure.cli.ending import CommandFailed, ExitCode
from perdure.cli.inspecting import approval_document, approval_lines
from perdure.cli.screen import Line, Screen
from perdure.client.attendance import workers_of
from perdure.client.host import Host
from perdure.client.queues import is_process_queue
from perdure.contracts.tokens import Tokens
from perdure.errors import RunUnattended
from perdure.result import RunResult
from perdure.run import Run
from perdure.runner import Runner
from perdure.visible import in_line, plain

_LOOK_SECONDS = 1.0
_LOOKS = 6  # a worker that is being started needs a few seconds


@dataclass(frozen=True, slots=True)
class Wanted:
    """What `perdure run` is asked for."""

    agent: str
    input: str
    run_id: str | None
    queue: str
    max_turns: int
    wait: bool


async def start_run(screen: Screen, wanted: Wanted, agent: Agent[Any] | str) -> int:
    """Runs an agent until it ends or waits for approval; with `--no-wait` only starts it.

    Raises:
        CommandFailed: The run ended in an error, or `--no-wait` was given for an agent that this process would serve.
        RunUnattended: No worker serves the agent's name.
    """
    if isinstance(agent, Agent) and not wanted.wait:
        raise CommandFailed(
            ExitCode.USAGE,
            "UserError",
            f"{wanted.agent!r} would be served by this process, which --no-wait ends. Leave it out, or serve the "
            "agent by name: `perdure worker MODULE`, then `perdure run NAME INPUT --no-wait`.",
        )
    run = await Runner.start(
        agent, wanted.input, max_turns=wanted.max_turns, run_id=wanted.run_id, task_queue=wanted.queue
    )
    if not wanted.wait:
        screen.show({"run_id": run.id, "status": "started", "url": run.url}, [Line(in_line(run.id))])
        await _warn_if_unattended(screen, run)
        return ExitCode.OK
    screen.note(f"run {run.id}" + (f"  {run.url}" if run.url else ""))
    result = await _outcome(run)
    if result.interruptions:
        await _show_pause(screen, wanted, run, result)
        return ExitCode.WAITS
    screen.show(_document(run, result, "finished"), [Line(plain(str(result.final_output)))])
    return ExitCode.OK


async def _outcome(run: Run) -> RunResult:
    waiting = asyncio.create_task(_ended(run, run.result_or_interruptions()))
    looking = asyncio.create_task(_nobody_serves(run))
    try:
        await asyncio.wait({waiting, looking}, return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done() and looking.result():
            raise RunUnattended(
                f"Run {run.id!r} is started, but no worker takes steps on task queue {run.task_queue!r}. It waits: "
                f"start one with `perdure worker MODULE --queue {shlex.quote(run.task_queue)}`, then "
                f"`perdure show {shlex.quote(run.id)}`."
            )
        return await waiting
    finally:
        for task in (waiting, looking):
            task.cancel()
        await asyncio.gather(waiting, looking, return_exceptions=True)


async def _ended(run: Run, outcome: Coroutine[Any, Any, RunResult]) -> RunResult:
    """The outcome; what the run ended in, any exception of the user's included, is this command's failure."""
    try:
        return await outcome
    except RunUnattended:
        raise
    except Exception as error:
        kind, message = type(error).__name__, str(error)
        text = message if message.startswith(f"{kind}:") else f"{kind}: {message}"
        raise CommandFailed(ExitCode.FAILED, kind, text, run_id=run.id, url=run.url) from error


async def _nobody_serves(run: Run) -> bool:
    """Whether no worker takes steps for the run, for some seconds from now."""
    host = Host.current()
    for _ in range(_LOOKS):
        if is_process_queue(run.task_queue) or await host.call(_takes_steps(host, run.task_queue)):
            return False
        await asyncio.sleep(_LOOK_SECONDS)
    return True


async def _takes_steps(host: Host, queue: str) -> bool:
    return bool(await workers_of((await host.connection()).client, queue, "activity"))


async def _warn_if_unattended(screen: Screen, run: Run) -> None:
    host = Host.current()
    if not await host.call(_takes_steps(host, run.task_queue)):
        screen.note(
            f"warning: no worker takes steps on task queue {run.task_queue!r} now; the run waits for one: "
            f"perdure worker MODULE --queue {shlex.quote(run.task_queue)}"
        )


async def _show_pause(screen: Screen, wanted: Wanted, run: Run, result: RunResult) -> None:
    approvals = await run.approvals()
    document = _document(run, result, "waiting for approval")
    document["approvals"] = [approval_document(run.id, approval) for approval in approvals]
    lines = [line for approval in approvals for line in approval_lines(run.id, approval)]
    if is_process_queue(run.task_queue):
        command = shlex.join(["perdure", "run", wanted.agent, wanted.input, "--run-id", run.id])
        lines += [Line("Then go on with the run:"), Line(f"  {in_line(command)}", "green")]
    screen.show(document, lines)


def _document(run: Run, result: RunResult, status: str) -> dict[str, Any]:
    usage = Tokens.of(result.context_wrapper.usage)
    return {
        "run_id": run.id,
        "status": status,
        "final_output": to_jsonable_python(result.final_output, fallback=str),
        "approvals": [],
        "usage": usage.model_dump(mode="json"),
        "url": run.url,
    }
