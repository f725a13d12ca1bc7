"""Why a run does not go on: what is known of that, and the answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias

from perdure.client.attendance import Build
from perdure.contracts.messages import StatusView

_TEXT_CHARACTERS = 400  # of an error

WaitsFor: TypeAlias = Literal[
    "message",  # a thread between two of them waits for somebody to speak
    "decision",  # a person approves or rejects a call
    "outcome",  # a person says what became of a call
    "instructions",  # a person who interrupted the run says what to do
    "resume",  # a person who paused the run lets it go on
    "model",  # it was asked, and answers
    "tool",  # it runs
    "step",  # other code of the user's runs: a guardrail, a hook, a rule; or a step of the run's own
    "next attempt",  # the last one failed, and the next one has its time
    "other worker",  # the workers at hand lack what a step needs
    "worker",  # nobody serves the run's queue, or all who do are busy
    "encryption key",  # no worker at hand has the key of something in the run's history
    "process",  # the process that served the run with its own objects has ended
    "workflow code",  # the run's own step fails: a defect, or a worker whose version does not fit
    "nothing",  # the run has ended, or goes on this very moment
]


@dataclass(frozen=True)
class PendingStep:
    """A step that a worker has taken or is to take, as the server knows it.

    Attributes:
        activity: What is done, such as `call_model` or `tool.refund`.
        id: Which one; a tool's names the call.
        attempt: Which attempt it is, or will be.
        max_attempts: After which no other follows; 0 for no limit.
        running: Whether a worker has it.
        since: Since when it runs, or waits to be taken.
        next_attempt: When it may be taken, if the last attempt failed.
        failure: What the last attempt failed with, on one line.
        worker: Who has it, or had it last.
        paused: Whether somebody has paused it.
    """

    activity: str
    id: str
    attempt: int
    max_attempts: int
    running: bool
    since: datetime
    next_attempt: datetime | None = None
    failure: str = ""
    worker: str = ""
    paused: bool = False


@dataclass(frozen=True)
class FailingTask:
    """A workflow task that did not succeed, so that the run itself stands still.

    Attributes:
        attempt: Which attempt comes next.
        lost: Whether its worker was lost; it failed otherwise.
        failure: What it failed with, on one line.
        worker: On which worker.
    """

    attempt: int
    lost: bool
    failure: str
    worker: str


@dataclass(frozen=True)
class Seen:
    """What was found out about a run under way.

    Attributes:
        queue: Its task queue.
        build: The build of the code that it is pinned to, if it is; only workers of that count.
        now: When that was.
        status: What the run itself tells; `None` if nobody answered for it.
        steps: What its workers do or are to do.
        task_is_due: Whether the run has something to take in: a workflow task waits, or a worker has it.
        failing: The workflow task, if it fails.
        answering: The workers that answer for runs of its queue, by identity.
        taking_steps: Those that take steps.
        owner: The process that serves the queue, if the queue is a process's own.
        owner_is_dead: Whether that process is known to have ended.
        lost: Workers that have ended, of those that have a step.
    """

    queue: str
    now: datetime
    build: Build | None = None
    status: StatusView | None = None
    steps: list[PendingStep] = field(default_factory=list[PendingStep])
    task_is_due: bool = False
    failing: FailingTask | None = None
    answering: list[str] = field(default_factory=list[str])
    taking_steps: list[str] = field(default_factory=list[str])
    owner: str = ""
    owner_is_dead: bool = False
    lost: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Diagnosis:
    """What a run waits for.

    Attributes:
        run_id: The run.
        execution: What the server says of it: `running`, `completed`, `failed`, `canceled`, `terminated`, `timed_out`.
        waits_for: The kind of thing.
        sentence: The same for people, with names, times and the last error.
        commands: What helps, as commands of a shell.
        seen: What the answer was drawn from; `None` if the run has ended.
    """

    run_id: str
    execution: str
    waits_for: WaitsFor
    sentence: str
    commands: list[str]
    seen: Seen | None = None

    def __str__(self) -> str:
        return self.sentence


def one_line(text: Any, characters: int = _TEXT_CHARACTERS) -> str:
    """Text of somebody else's in a sentence of ours."""
    line = " ".join("".join(each if each.isprintable() else " " for each in str(text)).split()).rstrip(".")
    return line if len(line) <= characters else f"{line[: characters - 1]}…"
