"""What a run has used."""

from __future__ import annotations

from perdure.usage import Usage


def test_a_new_usage_is_nothing() -> None:
    assert Usage() == Usage(requests=0, input_tokens=0, output_tokens=0, total_tokens=0, request_usage_entries=[])


def test_one_request_has_totals_and_one_entry() -> None:
    used = Usage.of_request(10, 5, cached_tokens=4, reasoning_tokens=2)
    (entry,) = used.request_usage_entries
    assert (used.requests, used.input_tokens, used.output_tokens, used.total_tokens) == (1, 10, 5, 15)
    assert (entry.input_tokens, entry.output_tokens, entry.total_tokens) == (10, 5, 15)
    assert entry.input_tokens_details == used.input_tokens_details
    assert (used.input_tokens_details.cached_tokens, used.output_tokens_details.reasoning_tokens) == (4, 2)


def test_a_request_that_reports_no_tokens_counts_but_has_no_entry() -> None:
    used = Usage.of_request(0, 0)
    assert (used.requests, used.request_usage_entries) == (1, [])


def test_adding_sums_everything_and_keeps_each_request() -> None:
    total = Usage()
    for used in (Usage.of_request(1, 2, cached_tokens=1), Usage.of_request(10, 20, reasoning_tokens=5)):
        total.add(used)
    assert (total.requests, total.input_tokens, total.output_tokens, total.total_tokens) == (2, 11, 22, 33)
    assert (total.input_tokens_details.cached_tokens, total.output_tokens_details.reasoning_tokens) == (1, 5)
    assert [entry.total_tokens for entry in total.request_usage_entries] == [3, 30]


def test_adding_leaves_the_other_usage_alone() -> None:
    total, other = Usage.of_request(1, 1, cached_tokens=1), Usage.of_request(2, 2, cached_tokens=2)
    total.add(other)
    total.add(other)
    assert other == Usage.of_request(2, 2, cached_tokens=2)


def test_two_usages_share_nothing() -> None:
    first, second = Usage(), Usage()
    first.add(Usage.of_request(1, 1, cached_tokens=1))
    assert second == Usage()
