"""What is said of a run that does not go on, by what was seen of it."""

from __future__ import annotations

import os
import re
import socket
from datetime import UTC, datetime, timedelta
from typing import Any

from perdure.client.diagnosis import FailingTask, PendingStep, Seen, one_line
from perdure.client.queues import new_queue_name, owner_of
from perdure.client.wording import answer
from perdure.contracts.messages import ApprovalView, DeclinedView
from tests.perdure.client.runs import status

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
APPROVAL = ApprovalView(
    call_id="1.1", tool="pay", arguments="{}", agent="A", digest="d", since="2026-05-01", expires="2026-05-31"
)
DECLINED = DeclinedView(
    step="tool.1.0", reason="no tool 'look'", times=3, within_seconds=8.0, call_id="1.0", tool="look"
)


def step(activity: str = "tool.look", id: str = "tool.1.0-ab12", **fields: Any) -> PendingStep:
    known: dict[str, Any] = {"attempt": 1, "max_attempts": 10, "running": False, "since": NOW - timedelta(seconds=7)}
    return PendingStep(activity, id, **(known | fields))


def running(**fields: Any) -> PendingStep:
    return step(running=True, worker="7@a", **fields)


def seen(**fields: Any) -> Seen:
    known: dict[str, Any] = {"queue": "shop", "now": NOW, "answering": ["7@a"], "taking_steps": ["7@a"]}
    return Seen(**(known | fields))


def owned(**fields: Any) -> Seen:
    return seen(owner="process 7 of a", **fields)


def said(what: Seen) -> str:
    return answer("run 1", what)[1]


def test_a_step_that_failed_is_told_before_one_that_runs() -> None:
    failed = step("call_model", "model.2", attempt=3, next_attempt=NOW + timedelta(seconds=12), failure="E: no")
    assert answer("run 1", seen(steps=[running(), failed])) == (
        "next attempt",
        "Waits for attempt 3 of 10 of the model (model.2) in 12 s, at 2026-05-01T12:00:12+00:00; the last attempt "
        "failed: E: no, and 1 more step",
        [],
    )


def test_of_a_local_call_the_run_alone_knows() -> None:
    under_way = seen(status=status(phase="running tools", why="Runs tool.1.0."), task_is_due=True)
    assert answer("run 1", under_way)[:2] == (
        "tool",
        "Runs tool.1.0 as part of its workflow task, or goes on this very moment",
    )


def test_a_step_that_nobody_has_taken_though_workers_poll_waits_for_a_free_one() -> None:
    assert said(seen(steps=[step()])) == (
        "Waits for a worker that is free: tool look (call 1.0) is due since 2026-05-01T11:59:53+00:00, and 1 poll "
        "task queue 'shop'"
    )


def test_a_step_whose_worker_has_ended_waits_for_another_attempt() -> None:
    assert said(seen(steps=[running()], lost=frozenset({"7@a"}))) == (
        "Waits for another attempt of tool look (call 1.0): worker 7@a has ended in attempt 1 of 10, since "
        "2026-05-01T11:59:53+00:00 (7 s)"
    )


def test_a_step_that_somebody_paused_waits_for_somebody() -> None:
    waits, text, commands = answer("run 1", seen(steps=[step(paused=True)]))
    assert (waits, text) == (
        "step",
        "Waits for somebody who unpauses tool look (call 1.0), which was paused in Temporal",
    )
    assert commands == ["temporal activity unpause -w 'run 1' -a tool.1.0-ab12"]


def test_where_nobody_takes_steps_it_is_said_what_is_due_and_what_it_failed_with() -> None:
    waits, text, commands = answer("run 1", seen(taking_steps=[], steps=[step(attempt=2, failure="E: no")]))
    assert (waits, commands) == ("worker", ["perdure worker MODULE --queue shop"])
    assert text == (
        "Waits for a worker: nobody takes steps of task queue 'shop'; due is attempt 2 of 10 of tool look (call 1.0); "
        "the last attempt failed: E: no"
    )


def test_a_step_that_runs_on_a_worker_which_takes_no_more_is_waited_for() -> None:
    assert said(seen(taking_steps=[], steps=[running()])).startswith("Waits for tool look (call 1.0): attempt 1 of 10")


def test_a_dead_process_is_named_with_the_command_that_takes_its_run_over() -> None:
    dead = owned(owner_is_dead=True, steps=[step()])
    assert answer("run 1", dead) == (
        "process",
        "Waits for its process: process 7 of a, which served it, has ended (start its program again, with the same run "
        "id, agent and input, to take the run over); due is attempt 1 of 10 of tool look (call 1.0)",
        ["perdure run MODULE:AGENT INPUT --run-id 'run 1'"],
    )


def test_a_process_of_another_host_that_does_not_answer_may_live() -> None:
    away = owned(answering=[], taking_steps=[])
    assert "process 7 of a, which served it, does not answer, and from here nobody can tell" in said(away)


def test_a_process_without_a_loop_for_tools_is_said_to_live() -> None:
    assert said(owned(taking_steps=[])) == (
        "Waits for its process: process 7 of a lives, but no loop for tools runs in it"
    )


def test_a_declined_step_and_a_person_are_both_waited_for() -> None:
    waits, text, _ = answer("run 1", seen(status=status(declined=[DECLINED], approvals=[APPROVAL])))
    assert waits == "other worker"
    assert text == (
        "Waits for a worker that can do call 1.0 of tool 'look', which was declined 3 times and is offered again "
        "within 8 s: no tool 'look'; also waits for a decision about call 1.1 (pay {}) of agent 'A', since 2026-05-01 "
        "and until 2026-05-31, which anybody who reaches the run may make"
    )


def test_a_run_that_no_worker_at_hand_can_decrypt_waits_for_a_key() -> None:
    text = "EncryptionKeyMissing: A value of the history cannot be opened: it is encrypted with key '2026-11'"
    failing = FailingTask(attempt=4, lost=False, failure=text, worker="7@a")
    waits, sentence, commands = answer("run 1", seen(failing=failing))
    assert (waits, commands) == ("encryption key", ["perdure keys list"])
    assert "encrypted with key '2026-11'" in sentence
    assert "the run is kept" in sentence


def test_what_failing_code_raised_is_told_unless_nobody_is_there_to_fail() -> None:
    failing = FailingTask(attempt=4, lost=False, failure="KeyError: 'engine'", worker="7@a")
    assert answer("run 1", seen(failing=failing))[0] == "workflow code"
    assert answer("run 1", seen(failing=failing, answering=[], taking_steps=[]))[0] == "worker"


def test_workers_that_do_not_answer_are_named() -> None:
    assert said(seen()) == "Waits for a worker that answers: of task queue 'shop', 7@a did not in time"


def test_a_run_that_goes_on_waits_for_nothing() -> None:
    assert answer("run 1", seen(status=status(why="Runs."), task_is_due=True))[0] == "nothing"


def test_the_process_behind_a_queue_is_named_and_a_name_of_another_form_does_no_harm() -> None:
    host = re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname())[:60]
    assert owner_of(new_queue_name()) == f"process {os.getpid()} of {host}"
    assert owner_of("perdure-process.mine") == "process  of mine"


def test_text_of_others_is_one_line_without_what_cannot_be_seen() -> None:
    assert one_line("a\x1b[2J\n b\u202ec. ") == "a [2J b c"
    assert one_line("x" * 500) == "x" * 399 + "…"
