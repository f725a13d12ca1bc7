"""`perdure chat`: a person speaks with a thread, and decides about calls that wait; `perdure threads` lists them."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_jsonable_python

from perdure.agent import Agent
from perdure.cli.conversation import item_lines
from perdure.cli.ending import ExitCode
from perdure.cli.screen import Line, Screen, columns
from perdure.contracts.messages import ApprovalView
from perdure.contracts.threads import THREAD_PREFIX
from perdure.errors import DecisionConflictError, RunNotFound
from perdure.result import RunResult
from perdure.result_streaming import RunResultStreaming
from perdure.run import Run
from perdure.runner import Runner
from perdure.stream_events import RawResponsesStreamEvent, RunItemStreamEvent
from perdure.thread import Thread
from perdure.visible import in_line, plain


@dataclass(frozen=True, slots=True)
class Wanted:
    """What `perdure chat` is asked for."""

    thread: str
    queue: str
    by: str


async def chat(screen: Screen, wanted: Wanted, agent: Agent[Any] | str) -> int:
    """Says each line of standard input to the thread, and shows what comes of it, until the input ends."""
    talk = _Talk(screen, wanted, agent)
    await talk.begin()
    while (line := await talk.ask("you> ")) is not None:
        if line.strip():
            await talk.say(line)
    return ExitCode.OK


async def list_threads(screen: Screen, limit: int, *, closed: bool) -> int:
    """Shows the latest threads, newest first."""
    condition = f'WorkflowId STARTS_WITH "{THREAD_PREFIX}"'
    found = await Runner.list(condition if closed else f'{condition} AND ExecutionStatus = "Running"', limit=limit)
    names = [each.id.removeprefix(THREAD_PREFIX) for each in found]
    rows = [
        [name, "open" if each.closed is None else "closed", each.agent, each.started.isoformat(timespec="seconds")]
        for name, each in zip(names, found, strict=True)
    ]
    documents = [
        {"thread": name, "run_id": each.id, "status": row[1], "agent": each.agent, "since": row[3], "url": each.url}
        for name, each, row in zip(names, found, rows, strict=True)
    ]
    screen.show(documents, columns(rows, ["THREAD", "STATUS", "AGENT", "SINCE"]))
    if not found:
        screen.note("No threads.")
    return ExitCode.OK


class _Talk:
    """One conversation at the terminal."""

    def __init__(self, screen: Screen, wanted: Wanted, agent: Agent[Any] | str) -> None:
        self._screen = screen
        self._wanted = wanted
        self._agent = agent

    async def ask(self, prompt: str) -> str | None:
        """The next line of standard input; `None` at its end."""
        if sys.stdin.isatty():
            sys.stderr.write(prompt)
            sys.stderr.flush()
        line = await asyncio.to_thread(sys.stdin.readline)
        return line.rstrip("\n") if line else None

    async def begin(self) -> None:
        """Says where the thread stands, and goes on with what waits in it."""
        try:
            thread = await Runner.thread(self._wanted.thread)
        except RunNotFound:
            self._screen.note(f"thread {self._wanted.thread}: a new one. Ctrl-D leaves it; it goes on next time.")
            return
        status = await thread.status()
        taken = status.thread.taken if status.thread is not None else 0
        self._screen.note(f"thread {thread.name}: {taken} messages so far. {status.why}  {thread.url or ''}".rstrip())
        if status.approvals and status.thread is not None:
            message = await thread.message(status.thread.sequence)
            await self._through(thread, message)

    async def say(self, text: str) -> None:
        """Says one message, and shows its outcome; one that fails is shown, and the thread goes on."""
        try:
            if isinstance(self._agent, Agent):
                result = Runner.run_streamed(self._agent, text, thread=self._wanted.thread)
                shown = await self._stream(result)
                await self._ended(result.interruptions, result.final_output, shown=shown)
            else:
                queue = self._wanted.queue
                run = await Runner.start(self._agent, text, thread=self._wanted.thread, task_queue=queue)
                await self._outcome(await run.result_or_interruptions())
        except Exception as error:  # noqa: BLE001  whatever a message ends in, the thread goes on
            self._screen.error(type(error).__name__, f"{type(error).__name__}: {error}")

    async def _stream(self, result: RunResultStreaming) -> bool:
        """Shows what is said while it is said; tells whether the answer was."""
        attempt, shown = (0, 0), False
        async for event in result.stream_events():
            if isinstance(event, RunItemStreamEvent) and event.item.type != "message_output_item":
                self._screen.add(_document(event.item.data), item_lines(event.item.data))
            elif isinstance(event, RawResponsesStreamEvent) and event.data.type == "response.output_text.delta":
                if self._screen.as_json:
                    continue
                if (event.turn, event.attempt) != attempt:
                    attempt = (event.turn, event.attempt)
                    sys.stdout.write("\n" if shown else "")
                sys.stdout.write(plain(event.data.delta))
                sys.stdout.flush()
                shown = True
        if shown:
            sys.stdout.write("\n")
        return shown

    async def _outcome(self, result: RunResult) -> None:
        await self._ended(result.interruptions, result.final_output, shown=False)

    async def _ended(self, interruptions: list[Any], final_output: Any, *, shown: bool) -> None:
        if interruptions:
            thread = await Runner.thread(self._wanted.thread)
            status = await thread.status()
            if status.thread is not None and status.thread.sequence:
                await self._through(thread, await thread.message(status.thread.sequence))
            return
        said = str(final_output)
        document = {"thread": self._wanted.thread, "final_output": to_jsonable_python(final_output, fallback=str)}
        if self._screen.as_json or not shown:
            self._screen.add(document, [Line(plain(said))])

    async def _through(self, thread: Thread, message: Run) -> None:
        """Asks about each call that waits, and goes on with the message."""
        for approval in await thread.approvals():
            await self._decide(thread, approval)
        if await thread.approvals():
            self._screen.note("Calls wait still; `perdure approvals` lists them.")
            return
        await self._outcome(await message.result_or_interruptions())

    async def _decide(self, thread: Thread, approval: ApprovalView) -> None:
        called = f"{approval.tool} {approval.arguments}"
        self._screen.add({"waits": approval.model_dump(mode="json")}, [Line(f"{in_line(called)} waits.", "yellow")])
        answer = await self.ask("approve? [y, n, or a reason to reject it] ")
        if answer is None:
            return
        word = answer.strip().lower()
        try:
            if word in ("y", "yes"):
                await thread.approve(approval, by=self._wanted.by)
            elif word:
                reason = None if word in ("n", "no") else answer.strip()
                await thread.reject(approval, by=self._wanted.by, reason=reason)
        except DecisionConflictError as error:
            self._screen.note(error.message)


def _document(item: dict[str, Any]) -> dict[str, Any]:
    return {"item": json.loads(json.dumps(item))}
