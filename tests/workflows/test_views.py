"""What a run shows."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from perdure.contracts.run import PageRequest, Tokens, TranscriptPage
from perdure.loop.absorb import absorb
from perdure.loop.records import Failure, Transcript
from perdure.loop.state import LoopState
from perdure.loop.steps import OutcomeUnknown, StepFailed
from perdure.transcript import chain
from perdure.usage import Usage
from tests.loop.runs import (
    ORIGIN,
    answer,
    approve,
    call,
    message,
    open_run,
    refusal,
    reject,
    run_tool,
    said,
    start_all,
)
from workflows.views import approvals_of, details_of, outcome_of, page_of, status_of, timer_summary

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC).timestamp()


def long_run(turns: int, text: str = "done") -> LoopState:
    state = open_run(max_turns=None)
    for turn in range(1, turns + 1):
        answer(state, call(id=f"c{turn}"), response_id=f"resp_{turn}")
        run_tool(state, f"{turn}.0", text)
    return state


def waiting_run(name: str = "pay", arguments: str = '{"amount": 5}') -> LoopState:
    state = open_run()
    answer(state, message("I will pay."), call(name, arguments), now=NOON)
    return state


def test_a_page_holds_the_items_asked_for() -> None:
    state = long_run(3)
    page = page_of(state, PageRequest(start=2, upto=4), 10_000)
    assert (page.first, [entry.item for entry in page.entries]) == (2, said(state)[2:4])
    assert [(entry.kind, entry.turn) for entry in page.entries] == [("output", 1), ("answer", 2)]
    assert page.count == 7


def test_a_page_can_be_checked_against_the_chain() -> None:
    state = long_run(3)
    page = page_of(state, PageRequest(start=2), 10_000)
    assert page.before == state.transcript.digest_at(2)
    assert chain(page.before, [entry.data for entry in state.transcript.entries[2:]]) == page.digest


def test_a_page_ends_before_it_would_exceed_the_limit() -> None:
    state = long_run(3)
    sizes = [len(entry.data) for entry in state.transcript.entries]
    assert len(page_of(state, PageRequest(), sum(sizes[:3])).entries) == 3
    assert len(page_of(state, PageRequest(), sum(sizes[:3]) - 1).entries) == 2


def test_a_page_holds_at_least_one_item_so_that_reading_goes_on() -> None:
    assert len(page_of(long_run(1), PageRequest(), 1).entries) == 1


def test_pages_one_after_another_are_the_whole_transcript_and_tell_each_response_once() -> None:
    state = long_run(5, "x" * 50)
    pages: list[TranscriptPage] = []
    while not pages or pages[-1].first + len(pages[-1].entries) < pages[-1].count:
        start = pages[-1].first + len(pages[-1].entries) if pages else 0
        pages.append(page_of(state, PageRequest(start=start), 300))
    assert len(pages) > 2
    assert [entry.item for page in pages for entry in page.entries] == said(state)
    assert [response.turn for page in pages for response in page.responses] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("wanted", "first", "count"),
    [
        (PageRequest(start=-5), 0, 3),
        (PageRequest(start=99), 3, 0),
        (PageRequest(start=2, upto=1), 2, 0),
        (PageRequest(start=1, upto=99), 1, 2),
    ],
)
def test_a_page_of_items_that_there_are_not_is_as_long_as_it_can_be(
    wanted: PageRequest, first: int, count: int
) -> None:
    page = page_of(long_run(1), wanted, 10_000)
    assert (page.first, len(page.entries)) == (first, count)


def test_a_response_without_items_is_told_with_the_last_page() -> None:
    state = open_run()
    answer(state)
    assert [response.count for response in page_of(state, PageRequest(), 10_000).responses] == [0]


def test_an_outcome_has_the_answer_the_usage_and_the_context() -> None:
    state = open_run(context={"a": 1})
    answer(state, message("bye"), usage=Usage.of_request(10, 5))
    outcome = outcome_of(state)
    assert (outcome.final_output, outcome.agent, outcome.turns, outcome.context) == ("bye", "Support", 1, {"a": 1})
    assert outcome.usage == Tokens(requests=1, input=10, output=5)
    assert [entry.item for entry in outcome.tail.entries] == said(state)


def test_an_outcomes_tail_is_the_last_items_that_256_kib_hold() -> None:
    state = long_run(20, "x" * 20_000)
    tail = outcome_of(state).tail
    kept = state.transcript.entries[tail.first :]
    assert sum(len(entry.data) for entry in kept) <= 256 * 1024
    assert sum(len(entry.data) for entry in kept) + len(state.transcript.entries[tail.first - 1].data) > 256 * 1024
    assert (tail.first + len(tail.entries), tail.before) == (tail.count, state.transcript.digest_at(tail.first))


def test_an_answer_of_more_than_64_kib_is_left_to_the_transcript() -> None:
    state = open_run()
    answer(state, message("x" * (64 * 1024 + 1)))
    outcome = outcome_of(state)
    assert (outcome.final_output, "final_output" in outcome.model_fields_set) == (None, False)


def test_an_outcome_of_a_run_that_failed_tells_how_far_it_came() -> None:
    state = long_run(2)
    answer(state, call("nothing"))
    outcome = outcome_of(state)
    assert (outcome.turns, outcome.final_output, len(outcome.tail.entries)) == (2, None, 5)


def test_an_approval_shows_what_a_person_must_know() -> None:
    state = waiting_run()
    (approval,) = approvals_of(state)
    assert (approval.call_id, approval.tool, approval.arguments, approval.agent) == (
        "1.0",
        "pay",
        '{"amount": 5}',
        "Support",
    )
    assert approval.digest == state.calls[0].digest
    assert (approval.since, approval.expires) == ("2026-01-02T12:00:00+00:00", "2026-01-02T12:01:00+00:00")


def test_only_calls_that_wait_are_approvals() -> None:
    state = open_run()
    answer(state, call("look", id="c1"), call("pay", id="c2"), call("book", id="c3"))
    assert [approval.call_id for approval in approvals_of(state)] == ["1.1"]
    approve(state, "1.1")
    assert approvals_of(state) == []


def phase(state: LoopState) -> tuple[str, str]:
    status = status_of(state, [])
    return status.phase, status.why


def test_the_status_says_what_the_run_does_and_why() -> None:
    unnamed = LoopState("Support", Transcript(ORIGIN))
    assert phase(unnamed) == ("starting", "A worker takes the snapshot of agent 'Support'.")
    state = open_run()
    start_all(state)
    assert phase(state) == ("calling model", "Turn 1: waits for the model of Support.")
    state = open_run()
    answer(state, call("look", id="c1"), call("pay", id="c2"))
    start_all(state)
    assert phase(state) == ("running tools", "Runs tool.1.0. Also waits for a decision about 1.1 (pay).")
    run_tool(state, "1.0")
    assert phase(state) == ("waiting for approval", "Waits for a decision about 1.1 (pay).")
    reject(state, "1.1")
    assert phase(state) == ("calling model", "Turn 2: waits for the model of Support.")
    answer(state, message("bye"))
    assert phase(state) == ("finished", "The run has its result.")


def test_the_status_of_a_run_that_failed_names_the_error() -> None:
    state = open_run()
    answer(state, refusal("no"))
    assert phase(state) == ("failed", "ModelRefusalError: no")


def test_the_status_tells_who_decided_what_and_when() -> None:
    state = waiting_run()
    reject(state, "1.0", by="ana", reason="too much", at=NOON)
    assert status_of(state, []).decided == {"1.0": "rejected by ana at 2026-01-02T12:00:00+00:00: too much"}


def test_the_status_lists_unknown_outcomes_and_messages_that_changed_nothing() -> None:
    state = waiting_run()
    approve(state, "1.0")
    start_all(state)
    absorb(state, "tool.1.0", "1.0", OutcomeUnknown(), NOON)
    status = status_of(state, ["approve '9.9': unknown call"])
    assert (status.unknown_outcomes, status.ignored) == (["1.0"], ["approve '9.9': unknown call"])


def test_the_status_shows_the_open_turns_calls_with_their_outputs() -> None:
    state = open_run()
    answer(state, call("look", id="c1"), call("pay", id="c2"))
    run_tool(state, "1.0", '{"a":1}', is_value=True)
    done, waiting = status_of(state, []).calls
    assert (done.call_id, done.phase, done.output_is_value) == ("1.0", "done", True)
    assert (done.output or {})["output"] == '{"a":1}'
    assert (waiting.call_id, waiting.phase, waiting.output) == ("1.1", "waiting", None)


def test_a_timer_is_named_after_its_call() -> None:
    assert timer_summary(waiting_run(), "1.0") == "approval 1.0: pay"
    assert timer_summary(waiting_run(), "9.9") == "approval 9.9"


def test_the_details_show_the_exact_message_to_send() -> None:
    state = waiting_run()
    details = details_of(state, [])
    digest = state.calls[0].digest
    assert f'{{"call_id": "1.0", "by": "your name", "digest": "{digest}"}}' in details
    assert '```json\n{"amount": 5}\n```' in details
    assert "**Support** · waiting for approval · turn 1 of 10 · 1 requests, 10 tokens in, 5 out" in details
    assert "> I will pay." in details


def test_the_details_of_a_finished_run_have_its_last_message_and_decisions() -> None:
    state = waiting_run()
    reject(state, "1.0", by="ana", at=NOON)
    answer(state, message("Nothing was paid."))
    details = details_of(state, ["reject: two values"])
    assert "> Nothing was paid." in details
    assert "- 1.0 rejected by ana at 2026-01-02T12:00:00+00:00" in details
    assert "- reject: two values" in details


def test_what_was_said_cannot_change_how_the_details_look() -> None:
    state = waiting_run(arguments='{"a": "``` # Approved"}')
    state.failure = Failure("UserError", "line\n# heading <b>")
    details = details_of(state, ["<script>\n# x"])
    assert "\n# " not in details
    assert "<script>" not in details
    assert details.count("```") == 4


def test_a_long_message_is_shown_up_to_600_characters() -> None:
    state = open_run()
    answer(state, message("x" * 5000))
    assert "> " + "x" * 600 + "… (5000 characters)" in details_of(state, []).splitlines()


def test_a_step_that_failed_is_told_once() -> None:
    state = open_run()
    start_all(state)
    absorb(state, "model.1", None, StepFailed(Failure("StepLost", "lost")), NOON)
    assert details_of(state, []).count("StepLost: lost") == 1
