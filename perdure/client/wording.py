"""Why a run does not go on, in one sentence: made of what was seen, with values alone."""

from __future__ import annotations

import shlex
from datetime import datetime
from typing import TypeAlias

from perdure.client.attendance import Build
from perdure.client.diagnosis import FailingTask, PendingStep, Seen, WaitsFor, one_line
from perdure.contracts.holding import HoldView
from perdure.contracts.messages import ApprovalView, DeclinedView, UnknownView
from perdure.contracts.steps import KEY_MISSING
from perdure.contracts.threads import THREAD_PREFIX
from perdure.loop.steps import first_id

Answer: TypeAlias = tuple[WaitsFor, str, list[str]]
"""What the run waits for, the sentence without its full stop, and the commands that help."""

_ARGUMENT_CHARACTERS = 200

# By what an activity's type begins with: what is waited for, and in which words; {} stands for the rest of the type.
_STEPS: list[tuple[str, WaitsFor, str]] = [
    ("call_model", "model", "the model"),
    ("tool.", "tool", "tool {}"),
    ("guardrail.", "step", "guardrail {}"),
    ("hook.", "step", "hook {}"),
    ("call.", "step", "the function for {}"),
    ("session.", "step", "its session's {}"),
    ("snapshot_agents", "step", "the snapshot of its agents"),
    ("resolve_effect", "step", "what was said of a call's outcome to be noted"),
    ("seal_transcript", "step", "its older items to be put into the blob store"),
]


def answer(run_id: str, seen: Seen) -> Answer:
    """What a run under way waits for."""
    if seen.failing is not None:
        return _failing(seen.failing) if seen.answering else _unserved(run_id, seen)
    if _listens(run_id, seen):
        name = shlex.quote(run_id.removeprefix(THREAD_PREFIX))
        said = "Waits for its next message" if seen.status is None else one_line(seen.status.why)
        return "message", said, [f"perdure chat AGENT --thread {name}"]
    persons = _with_hold(run_id, seen, _persons(run_id, seen))
    is_served = seen.taking_steps and not seen.owner_is_dead
    if persons is not None and not seen.steps and not _declined_of(seen):
        return persons if is_served else _persons_and_then(persons, _unserved(run_id, seen))
    also = "" if persons is None else f"; also {_lower(persons[1])}"
    if not is_served and not any(step.running and step.worker not in seen.lost for step in seen.steps):
        waits, clause, commands = _unserved(run_id, seen)
        return waits, f"{clause}{_due(seen)}{also}", commands
    if seen.steps:
        return _of_steps(run_id, seen, also)
    return _declined(_declined_of(seen), also) if _declined_of(seen) else _itself(seen)


def _listens(run_id: str, seen: Seen) -> bool:
    """Whether it is a thread between two messages; where nobody answers for it, by what the server knows."""
    if seen.status is not None:
        return seen.status.phase == "waiting for a message" and not seen.task_is_due
    return run_id.startswith(THREAD_PREFIX) and not (seen.steps or seen.task_is_due or seen.answering)


def _persons_and_then(persons: Answer, missing: Answer) -> Answer:
    """A run that waits for a person, and that nobody goes on with afterwards."""
    waits, sentence, commands = persons
    return waits, f"{sentence}; and then {_lower(missing[1])}", commands + missing[2]


def _declined_of(seen: Seen) -> list[DeclinedView]:
    return seen.status.declined if seen.status is not None else []


def _itself(seen: Seen) -> Answer:
    """A run that waits for neither a person nor a step."""
    if seen.status is None:
        names = ", ".join(map(one_line, sorted(seen.answering)))
        return "worker", f"Waits for a worker that answers: of task queue {seen.queue!r}, {names} did not in time", []
    if seen.status.phase == "running tools":  # of a local call the server knows nothing
        return "tool", f"{one_line(seen.status.why)} as part of its workflow task, or goes on this very moment", []
    if seen.task_is_due:
        return "nothing", "Goes on this very moment: its workflow task is due or under way", []
    return "nothing", one_line(seen.status.why), []


def _with_hold(run_id: str, seen: Seen, persons: Answer | None) -> Answer | None:
    """The wait for whoever holds the run up, which comes before all others."""
    held = _hold(run_id, seen)
    if held is None or persons is None:
        return held or persons
    waits, sentence, commands = held
    return waits, f"{sentence}; also {_lower(persons[1])}", commands + persons[2]


def _hold(run_id: str, seen: Seen) -> Answer | None:
    status = seen.status
    if status is None or (status.interrupted is None and status.paused is None):
        return None
    resume = f"perdure resume {shlex.quote(run_id)}"
    if status.interrupted is not None:
        also = "; it is paused, too" if status.paused is not None else ""
        sentence = f"Waits for instructions: interrupted {_who(status.interrupted)}{also}"
        return "instructions", sentence, [f"perdure send {shlex.quote(run_id)} WHAT", resume]
    if status.paused is not None:
        return "resume", f"Waits for somebody who resumes it: paused {_who(status.paused)}", [resume]
    return None


def _who(hold: HoldView) -> str:
    by = f"by {one_line(hold.by)} " if hold.by else ""
    return f"{by}at {hold.since}{f' ({one_line(hold.reason)})' if hold.reason else ''}"


def _persons(run_id: str, seen: Seen) -> Answer | None:
    """The wait for somebody's word, if there is one."""
    status = seen.status
    if status is None or not (status.approvals or status.unknown):
        return None
    if status.approvals:
        first, more = status.approvals[0], len(status.approvals) + len(status.unknown) - 1
        commands = [line for each in status.approvals for line in _decisions(run_id, each)]
        commands += [_resolution(run_id, each) for each in status.unknown]
        return "decision", f"Waits for a decision about {_approval(first)}{_and_more(more, 'call')}", commands
    first, more = status.unknown[0], len(status.unknown) - 1
    called = f"call {first.call_id} ({first.tool} {one_line(first.arguments, _ARGUMENT_CHARACTERS)})"
    told = f"Waits for somebody who says what became of {called}{_and_more(more, 'call')}: {one_line(first.why)}"
    return "outcome", told, [_resolution(run_id, each) for each in status.unknown]


def _approval(view: ApprovalView) -> str:
    call = f"call {view.call_id} ({view.tool} {one_line(view.arguments, _ARGUMENT_CHARACTERS)}) of agent {view.agent!r}"
    return f"{call}, since {view.since} and until {view.expires}, which anybody who reaches the run may make"


def _decisions(run_id: str, view: ApprovalView) -> list[str]:
    names = f"{shlex.quote(run_id)} {shlex.quote(view.call_id)}"
    return [f"perdure approve {names}", f"perdure reject {names} --reason WHY"]


def _resolution(run_id: str, view: UnknownView) -> str:
    return f"perdure resolve {shlex.quote(run_id)} {shlex.quote(view.call_id)} happened|not-happened|retry"


def _of_steps(run_id: str, seen: Seen, also: str) -> Answer:
    """What is to be said of the steps."""
    first = _most_telling(seen.steps)
    waits, name = _named(first)
    tail = f"{_and_more(len(seen.steps) - 1, 'step')}{also}"
    if first.paused:
        text = f"Waits for somebody who unpauses {name}, which was paused in Temporal{_failed(first)}{tail}"
        return "step", text, [f"temporal activity unpause -w {shlex.quote(run_id)} -a {shlex.quote(first.id)}"]
    if first.running:
        return waits, f"{_running(first, name, seen)}{tail}", []
    if first.next_attempt is not None:
        when = f"in {_seconds(first.next_attempt, seen.now)} s, at {_iso(first.next_attempt)}"
        return "next attempt", f"Waits for attempt {_attempt(first)} of {name} {when}{_failed(first)}{tail}", []
    busy = f"{name} is due since {_iso(first.since)}, and {len(seen.taking_steps)} poll task queue {seen.queue!r}"
    return "worker", f"Waits for a worker that is free: {busy}{tail}", []


def _most_telling(steps: list[PendingStep]) -> PendingStep:
    """The step to name where there are several: one that failed comes before one that runs."""
    return min(steps, key=lambda step: (not step.paused, step.next_attempt is None, step.running, step.since))


def _due(seen: Seen) -> str:
    """What there is to do for a worker that comes."""
    if not seen.steps:
        return f"; {_what(_declined_of(seen)[0])} is due" if _declined_of(seen) else ""
    first = _most_telling(seen.steps)
    more = _and_more(len(seen.steps) - 1, "step")
    return f"; due is attempt {_attempt(first)} of {_named(first)[1]}{more}{_failed(first)}"


def _running(step: PendingStep, name: str, seen: Seen) -> str:
    attempt = f"attempt {_attempt(step)}"
    since = f"since {_iso(step.since)} ({_seconds(seen.now, step.since)} s)"
    if step.worker in seen.lost:
        return f"Waits for another attempt of {name}: worker {one_line(step.worker)} has ended in {attempt}, {since}"
    return f"Waits for {name}: {attempt} runs {since} on worker {one_line(step.worker)}{_failed(step)}"


def _failed(step: PendingStep) -> str:
    return f"; the last attempt failed: {step.failure}" if step.failure else ""


def _attempt(step: PendingStep) -> str:
    return f"{step.attempt} of {step.max_attempts}" if step.max_attempts else f"{step.attempt}"


def _named(step: PendingStep) -> tuple[WaitsFor, str]:
    """What a step is, with the call that it is about or the place in the run."""
    for start, waits, words in _STEPS:
        if step.activity.startswith(start):
            place = first_id(step.id).partition("-")[0]
            kind, _, call = place.partition(".")
            about = f"call {call}" if kind == "tool" else place
            return waits, f"{words.format(one_line(step.activity.removeprefix(start)))} ({one_line(about)})"
    return "step", one_line(step.activity)


def _declined(views: list[DeclinedView], also: str) -> Answer:
    first = views[0]
    times = "once" if first.times == 1 else f"{first.times} times"
    again = f"was declined {times} and is offered again within {first.within_seconds:g} s"
    more = f"{_and_more(len(views) - 1, 'step')}{also}"
    text = f"Waits for a worker that can do {_what(first)}, which {again}: {one_line(first.reason)}{more}"
    return "other worker", text, []


def _what(view: DeclinedView) -> str:
    return f"call {view.call_id} of tool {view.tool!r}" if view.tool else f"step {view.step}"


def _unserved(run_id: str, seen: Seen) -> Answer:
    """Who is missing, and what brings it back."""
    if seen.build is not None:
        return _without_build(run_id, seen, seen.build)
    if not seen.owner:
        command = f"perdure worker MODULE --queue {shlex.quote(seen.queue)}"
        return "worker", f"Waits for a worker: nobody takes steps of task queue {seen.queue!r}", [command]
    if seen.owner_is_dead or not seen.answering:
        why = "has ended" if seen.owner_is_dead else "does not answer, and from here nobody can tell whether it lives"
        again = "start its program again, with the same run id, agent and input, to take the run over"
        command = f"perdure run MODULE:AGENT INPUT --run-id {shlex.quote(run_id)}"
        return "process", f"Waits for its process: {seen.owner}, which served it, {why} ({again})", [command]
    return "process", f"Waits for its process: {seen.owner} lives, but no loop for tools runs in it", []


def _without_build(run_id: str, seen: Seen, build: Build) -> Answer:
    """A run that is pinned to a build of which no worker is there."""
    options = f"--deployment {shlex.quote(build.deployment)} --build-id {shlex.quote(build.build_id)}"
    sentence = (
        f"Waits for a worker of build {build}, to which it is pinned: none takes steps of task queue {seen.queue!r}"
    )
    return "worker", sentence, [
        f"perdure worker MODULE --queue {shlex.quote(seen.queue)} {options}",
        f"temporal workflow update-options -w {shlex.quote(run_id)} --versioning-override-behavior auto_upgrade",
    ]  # fmt: skip


def _failing(task: FailingTask) -> Answer:
    if task.lost:
        text = (
            f"Waits for a worker that ends its workflow task in time: that was not done, attempt {task.attempt} follows"
        )
        return "workflow code", text, []
    on = f" on worker {one_line(task.worker)}" if task.worker else ""
    if task.failure.startswith(KEY_MISSING):
        why = task.failure.removeprefix(f"{KEY_MISSING}: ")
        text = f"Waits for a worker with the encryption key: its workflow task cannot be done{on}, attempt"
        return "encryption key", f"{text} {task.attempt} follows; the run is kept: {why}", ["perdure keys list"]
    what = f"Waits for a worker whose code fits: its workflow task fails{on}, attempt {task.attempt} follows"
    hint = "the run is kept, and goes on once a worker without that error is deployed"
    return "workflow code", f"{what}; {hint}: {task.failure}", []


def _and_more(count: int, what: str) -> str:
    return f", and {count} more {what}{'s' * (count > 1)}" if count > 0 else ""


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _seconds(later: datetime, earlier: datetime) -> int:
    return max(round((later - earlier).total_seconds()), 0)


def _iso(time: datetime) -> str:
    return time.isoformat(timespec="seconds")
