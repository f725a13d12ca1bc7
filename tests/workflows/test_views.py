"""What a run shows."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from perdure.agent import Agent
from perdure.contracts.messages import DecisionMessage, read_message
from perdure.contracts.run import PageRequest, RunSettings
from perdure.contracts.tokens import Tokens
from perdure.loop.decisions import decide
from perdure.loop.records import Decision, Failure
from perdure.loop.settle import settle
from perdure.loop.state import LoopState
from perdure.loop.steps import OutcomeUnknown, StepFailed
from perdure.transcript import chain
from perdure.usage import RequestUsage
from tests.loop.runs import answer, answered, call, message, open_run, play, steps, tool
from workflows.details import details_of, goal_of
from workflows.listing import approvers_of, listed_status
from workflows.pages import outcome_of, page_of
from workflows.summaries import call_text, timer_summary
from workflows.views import approvals_of, status_of

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC).timestamp()


def long_run(turns: int, text: str = "bye") -> LoopState:
    state = open_run(Agent(name="Support", tools=[tool("look")]), max_turns=None)
    calls = [[call("look", call_id=f"c{turn}")] for turn in range(turns)]
    play(state, {"Support": [*calls, [message(text)]]})
    return state


def waiting_run(arguments: str = '{"amount": 5}', count: int = 1) -> LoopState:
    state = open_run(Agent(name="Support", tools=[tool("pay", needs_approval=True)]))
    calls = [call("pay", arguments, f"c{number}") for number in range(count)]
    answer(state, steps(state)[0], answered(message("I will pay."), *calls))
    for each in state.root.calls:
        each.since = NOON
    return state


def blocks_of(details: str) -> list[Any]:
    """What the blocks of JSON in Markdown hold."""
    blocks = re.findall(r"^(`{3,})json\n(.*?)\n\1$", details, re.MULTILINE | re.DOTALL)
    return [json.loads(block) for _, block in blocks]


def test_a_page_holds_the_items_asked_for() -> None:
    page = page_of(long_run(3), PageRequest(start=2, upto=4), 10_000)
    assert [(entry.kind, entry.turn) for entry in page.entries] == [("output", 1), ("answer", 2)]
    assert (page.first, page.count) == (2, 8)


def test_a_page_can_be_checked_against_the_chain() -> None:
    state = long_run(3)
    page = page_of(state, PageRequest(start=2), 10_000)
    assert page.before == state.root.record.digest_at(2)
    assert chain(page.before, [entry.data for entry in state.root.record.entries[2:]]) == page.digest


def test_a_page_holds_as_many_items_as_the_limit_but_at_least_one() -> None:
    state = long_run(3)
    assert len(page_of(state, PageRequest(), 1).entries) == 1
    assert 1 < len(page_of(state, PageRequest(), 300).entries) < 8


@pytest.mark.parametrize(("start", "upto"), [(-5, 0), (8, None), (99, 100)])
def test_a_page_beyond_the_transcript_is_empty(start: int, upto: int | None) -> None:
    assert page_of(long_run(3), PageRequest(start=start, upto=upto), 10_000).entries == []


def test_a_transcript_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="No agent runs as a tool"):
        page_of(long_run(1), PageRequest(path="1.0"), 10_000)
    with pytest.raises(ValueError, match="was edited since"):
        page_of(long_run(1), PageRequest(epoch=7), 10_000)


def test_an_outcome_has_the_answer_and_the_usage() -> None:
    outcome = outcome_of(long_run(1), RunSettings())
    assert (outcome.final_output, outcome.turns, outcome.agent) == ("bye", 2, "Support")
    assert outcome.usage == Tokens(requests=2, input=20, output=10)
    assert outcome.requests == [(10, 5, 0, 0)] * 2


def test_a_long_answer_is_left_to_the_transcript() -> None:
    outcome = outcome_of(long_run(0, "x" * 100_000), RunSettings())
    assert outcome.final_output is None
    assert len(outcome.tail.entries) == 2


def test_an_outcome_carries_the_last_items_that_fit() -> None:
    outcome = outcome_of(long_run(3, "x" * 200_000), RunSettings())
    assert outcome.tail.first + len(outcome.tail.entries) == outcome.tail.count
    assert sum(len(entry.model_dump_json()) for entry in outcome.tail.entries) < 300_000


def test_a_failure_tells_which_turns_were_completed() -> None:
    state = open_run(Agent(name="Support", tools=[tool("look")]))
    answer(state, steps(state)[0], answered(call("look")))
    answer(state, steps(state)[0], StepFailed(Failure("UserError", "broken")))
    outcome = outcome_of(state, RunSettings())
    assert (outcome.settled_items, outcome.settled_turns, outcome.tail.count) == (1, 0, 2)
    assert status_of(state, [], RunSettings()).why == "UserError: broken"


def test_an_approval_has_all_that_a_decision_needs() -> None:
    (approval,) = approvals_of(waiting_run())
    assert (approval.call_id, approval.tool, approval.arguments) == ("1.0", "pay", '{"amount": 5}')
    assert (approval.since, approval.expires) == ("2026-01-02T12:00:00+00:00", "2026-01-02T12:01:00+00:00")
    assert approval.agent == "Support"


def test_many_long_approvals_fit_a_page_together() -> None:
    approvals = approvals_of(waiting_run(f'"{"x" * 20_000}"', 20))
    assert len(approvals) == 20
    assert sum(len(each.model_dump_json()) for each in approvals) < 1024 * 1024


def test_a_run_that_waits_says_for_what() -> None:
    status = status_of(waiting_run(), [], RunSettings())
    assert (status.phase, status.why) == ("waiting for approval", "Waits for a decision about 1.0 (pay).")
    assert [(view.call_id, view.phase, view.agent) for view in status.calls] == [("1.0", "waiting", "Support")]


def test_a_run_that_asks_its_model_says_so() -> None:
    assert status_of(open_run(Agent(name="Support")), [], RunSettings()).phase == "calling model"
    assert status_of(long_run(0), [], RunSettings()).phase == "finished"


def test_a_decision_is_told_with_who_and_when() -> None:
    state = waiting_run()
    decide(state, "1.0", Decision(False, "ana", "too much", at=NOON), None)
    settle(state, NOON)
    assert status_of(state, [], RunSettings()).decided == {
        "1.0": "rejected by ana at 2026-01-02T12:00:00+00:00: too much"
    }


def test_an_unknown_outcome_is_told_with_the_exact_message_that_answers() -> None:
    state = waiting_run()
    decide(state, "1.0", Decision(True), None)
    settle(state, NOON)
    answer(state, steps(state)[0], OutcomeUnknown("the worker was lost"))
    status = status_of(state, [], RunSettings())
    assert (status.phase, status.why) == (
        "waiting for an outcome",
        "Waits for somebody who says what became of 1.0 (pay).",
    )
    assert (status.unknown_outcomes, status.unknown[0].why) == (["1.0"], "the worker was lost")
    details = details_of(state, [])
    assert {
        "call_id": "1.0",
        "outcome": "happened",
        "by": "your name",
        "digest": status.unknown[0].digest,
    } in blocks_of(details)


def test_the_page_in_the_ui_shows_the_call_and_the_exact_message_to_send() -> None:
    state = waiting_run()
    details = details_of(state, ["signal 'x': unknown"])
    (approval,) = approvals_of(state)
    message = {"call_id": "1.0", "by": "your name", "digest": approval.digest}
    assert blocks_of(details) == [{"amount": 5}, message]
    assert read_message(DecisionMessage, message).digest == approval.digest
    assert f"rejected at {approval.expires}" in details
    assert "I will pay." in details
    assert "Messages that changed nothing" in details


def test_the_page_in_the_ui_says_what_the_run_is_for_who_has_it_and_what_it_used() -> None:
    state = waiting_run()
    head, _, rest = details_of(state, []).partition("\n")
    assert head == "**Support** · waiting for approval · turn 1 of 10 · 1 request, 10 tokens in, 5 out, cost unknown"
    assert "Goal:\n\n> hi" in rest
    state.agent_name = "Triage"
    assert details_of(state, []).startswith("**Support** (begun with Triage) · ")


def test_the_page_in_the_ui_says_the_goal_of_a_run_whose_input_is_sealed() -> None:
    state = waiting_run()
    assert goal_of(state, "of an earlier message") == "hi"
    del state.root.record.entries[0]
    assert "Goal:\n\n> refund \\*order\\* 7" in details_of(state, [], goal="refund *order* 7")


def test_what_others_wrote_is_shown_as_it_is() -> None:
    details = details_of(long_run(0, "[click](http://x) **now**"), [])
    assert r"\[click\](http://x) \*\*now\*\*" in details


def test_what_hides_or_turns_text_around_is_shown_as_such() -> None:
    details = details_of(waiting_run('{"to": "\u202eylr\u2066ow", "\u200b": "a\u200cb"}'), ["by '\u202egnp.exe'"])
    assert not set("\u202e\u2066\u200b\u200c") & set(details)
    assert {"\\u202e", "\\u2066", "\\u200b", "\\u200c"} <= {details[place : place + 6] for place in range(len(details))}


def test_what_a_call_is_given_cannot_leave_its_block() -> None:
    details = details_of(waiting_run('{"to": "```\\n# Approved by the boss\\n````"}'), [])
    assert {"to": "```\n# Approved by the boss\n````"} in blocks_of(details)


def test_the_timeline_tells_the_call_that_waits() -> None:
    assert timer_summary(waiting_run(), "1.0") == "approval 1.0: pay(amount=5)"
    assert timer_summary(long_run(0), "9.9") == "approval 9.9"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ('{"order": "7", "amount": 40.0, "urgent": true}', "pay(order='7', amount=40.0, urgent=True)"),
        ("{}", "pay()"),
        ("not JSON\n\u202e", r"pay(not JSON\n\u202e)"),
        ('{"\u202eto": "\u200b`x`"}', r"pay(\u202eto='\u200b'x'')"),
    ],
)
def test_a_step_about_a_call_reads_like_the_call(arguments: str, text: str) -> None:
    assert call_text(waiting_run(arguments).root.calls[0]) == text


def test_a_long_call_is_cut_in_the_timeline() -> None:
    text = call_text(waiting_run(json.dumps({"text": "x" * 500})).root.calls[0])
    assert (len(text), text[-3:]) == (180, "x…)")


def test_the_page_in_the_ui_costs_what_it_shows_not_what_the_run_has_been_through() -> None:
    class Untold(list[RequestUsage]):
        def __getitem__(self, place: object) -> Any:
            raise AssertionError("the page, which is made at each step, walks through all requests")

    state = waiting_run()
    state.usage.request_usage_entries = Untold(state.usage.request_usage_entries)
    assert "waiting for approval" in details_of(state, [])


def test_the_page_in_the_ui_shows_the_newest_decisions_in_their_order() -> None:
    state = waiting_run()
    state.decided = {f"{turn}.0": Decision(approve=True, by="ana", at=NOON) for turn in range(1, 13)}
    shown = details_of(state, []).partition("Decided:")[2].split()
    assert [word for word in shown if word.endswith(".0")] == [f"{turn}.0" for turn in range(3, 13)]


def test_a_run_is_listed_as_waiting_while_a_person_is_waited_for_whatever_else_goes_on() -> None:
    state = open_run(Agent(name="Support", tools=[tool("pay", needs_approval=True), tool("look")]))
    assert listed_status(state) == "running"
    answer(state, steps(state)[0], answered(call("pay", "{}", "c0"), call("look", "{}", "c1")))
    assert [step.id for step in steps(state)] != []
    assert listed_status(state) == "waiting for approval"
    decide(state, "1.0", Decision(True, "ana"), None)
    settle(state, NOON)
    assert listed_status(state) == "running"
    assert listed_status(long_run(0)) == "finished"


def test_who_decided_is_listed_once_and_in_bounds() -> None:
    state = waiting_run()
    names = ["ana", "bob", "ana", *(f"person {number}" for number in range(30)), "x" * 500]
    state.decided = {f"{place}.0": Decision(True, name) for place, name in enumerate(names)} | {"99.0": Decision(True)}
    listed = approvers_of(state, ["eve"])
    assert listed[:4] == ["eve", "ana", "bob", "person 0"]
    assert len(listed) == 20
    state.decided = {"1.0": Decision(True, "x" * 500)}
    assert approvers_of(state, []) == ["x" * 100]


def test_the_page_in_the_ui_shows_all_calls_that_wait_in_bounds() -> None:
    details = details_of(waiting_run(json.dumps({"text": "x" * 20_000}), 20), [])
    assert details.count("### Waits for a decision") == 20
    assert len(details) < 40_000
