"""What a request costs: by the prices of its model, as far as there are any."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from perdure.errors import UserError
from perdure.prices import PaidRequest, Price, PriceTable, is_priced, set_prices, sources
from perdure.usage import Usage, cost_in_words, money

CHEAP = {"input": 1, "output": 10}


@pytest.fixture(autouse=True)
def no_prices(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("PERDURE_PRICES", raising=False)
    set_prices(None)
    yield
    set_prices(None)


def request(model: str, answered_by: str | None = None) -> PaidRequest:
    return PaidRequest(model, answered_by, Usage.of_request(10, 5))


def named(table: dict[str, Any], model: str, answered_by: str | None = None) -> float | None:
    found = PriceTable(table)(request(model, answered_by))
    return None if found is None else found.input


def test_each_kind_of_token_has_its_price() -> None:
    price = Price(input=2, output=10, cached_input=0.5, reasoning=20)
    used = Usage.of_request(1000, 100, cached_tokens=400, reasoning_tokens=30)
    assert price.of(used) == pytest.approx((600 * 2 + 400 * 0.5 + 70 * 10 + 30 * 20) / 1e6)


def test_cached_and_reasoning_tokens_cost_what_the_others_do_unless_the_price_says_otherwise() -> None:
    used = Usage.of_request(1000, 100, cached_tokens=400, reasoning_tokens=30)
    assert Price(input=2, output=10).of(used) == pytest.approx(0.003)


def test_a_long_request_has_prices_of_its_own() -> None:
    price = Price(input=1, output=1, long_input_tokens=1000, long=Price(input=2, output=3))
    assert price.of(Usage.of_request(1000, 0)) == pytest.approx(0.001)
    assert price.of(Usage.of_request(1001, 1000)) == pytest.approx(0.005002)


def test_tokens_that_only_the_provider_s_total_has_are_thoughts() -> None:
    assert Price(input=1, output=2).of(Usage.of_request(1000, 100, other=50)) == pytest.approx(0.0013)


def test_a_request_that_reports_no_tokens_has_no_known_cost_unless_the_model_is_free() -> None:
    assert Price(input=1, output=2).of(Usage.of_request(0, 0)) is None
    assert Price(input=0, output=0).of(Usage.of_request(0, 0)) == 0


@pytest.mark.parametrize(("read", "written", "cached", "thought"), [(-1, 5, 0, 0), (1, -5, 0, 0), (1, 5, -1, 0)])
def test_nonsense_has_no_cost(read: int, written: int, cached: int, thought: int) -> None:
    used = Usage.of_request(read, written, cached_tokens=cached, reasoning_tokens=thought)
    assert Price(input=1, output=2).of(used) is None


def test_more_cached_tokens_than_there_are_make_no_request_cheaper_than_free() -> None:
    used = Usage.of_request(10, 5, cached_tokens=1000, reasoning_tokens=1000)
    assert Price(input=4, output=2, cached_input=1, reasoning=3).of(used) == pytest.approx(25e-6)


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), "2", None, True, [2], 1e300])
def test_what_is_no_amount_of_money_is_none(value: Any) -> None:
    assert money(value) is None


def test_amounts_may_be_of_any_kind_of_number() -> None:
    assert [money(each) for each in (1, 0.25, Decimal("0.5"), 0)] == [1.0, 0.25, 0.5, 0.0]


@pytest.mark.parametrize("price", [{"input": -1, "output": 1}, {"input": "1", "output": 1}, {"input": 1}, 3, {}])
def test_a_price_that_is_none_is_refused(price: Any) -> None:
    with pytest.raises(UserError, match="'m'"):
        PriceTable({"m": price})


def test_the_model_that_answered_comes_before_the_one_that_was_asked() -> None:
    table = {"router": {"input": 1, "output": 1}, "big-2026-01-01": {"input": 2, "output": 2}}
    assert named(table, "router", "big-2026-01-01") == 2
    assert named(table, "router", "unlisted") == 1
    assert named(table, "unlisted") is None


def test_a_model_is_found_without_its_provider_s_name() -> None:
    assert named({"claude-5": {"input": 3, "output": 1}}, "litellm/anthropic/claude-5") == 3
    assert named({"anthropic/claude-5": {"input": 4, "output": 1}}, "litellm/anthropic/claude-5") == 4


def test_a_star_stands_for_all_that_begin_so_and_the_longest_beginning_wins() -> None:
    table = {name: {"input": cost, "output": 1} for name, cost in (("gpt-*", 1), ("gpt-5*", 2), ("gpt-5-mini", 3))}
    assert [named(table, name) for name in ("gpt-4", "gpt-5-2026", "gpt-5-mini", "o3")] == [1, 2, 3, None]


def test_a_table_is_read_from_a_file_of_toml_or_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.toml").write_text(
        '["gpt-5.6"]\ninput = 1\noutput = 10\nlong_input_tokens = 9\nlong = {input=5, output=6}'
    )
    (tmp_path / "b.json").write_text(json.dumps({"gpt-5.6": {"input": 7, "output": 7}, "local/*": CHEAP}))
    monkeypatch.setenv("PERDURE_PRICES", f"{tmp_path}/a.toml, {tmp_path}/b.json")
    first, second = sources()
    assert is_priced()
    assert first(request("gpt-5.6")) == Price(input=1, output=10, long_input_tokens=9, long=Price(input=5, output=6))
    assert second(request("local/llama")) == Price(**CHEAP)


@pytest.mark.parametrize("text", ["{", "[1]", '{"m": {"input": "x", "output": 1}}', '{"m": {"input": 1, "uotput": 1}}'])
def test_a_file_that_cannot_be_read_is_said_with_its_name(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "prices.json"
    file.write_text(text)
    monkeypatch.setenv("PERDURE_PRICES", str(file))
    with pytest.raises(UserError, match=r"prices\.json"):
        sources()


def test_a_name_with_dots_that_stands_without_quotes_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "p.toml").write_text("[gpt-5.6]\ninput = 1\noutput = 10")
    monkeypatch.setenv("PERDURE_PRICES", f"{tmp_path}/p.toml")
    with pytest.raises(UserError, match="in quotes"):
        sources()


def test_litellm_s_own_table_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = {
        "sample_spec": {"input_cost_per_token": "a number"},
        "gemini-9": {
            "input_cost_per_token": 1.25e-06,
            "output_cost_per_token": 1e-05,
            "cache_read_input_token_cost": 1.25e-07,
            "output_cost_per_reasoning_token": 2e-05,
            "input_cost_per_token_above_200k_tokens": 2.5e-06,
            "output_cost_per_token_above_200k_tokens": 1.5e-05,
        },
    }
    folder = tmp_path / "litellm"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise RuntimeError('imported')")
    (folder / "model_prices_and_context_window_backup.json").write_text(json.dumps(told))
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setenv("PERDURE_PRICES", "litellm")
    (source,) = sources()
    long = Price(input=2.5, output=15)
    assert source(request("litellm/gemini/gemini-9")) == Price(
        input=1.25, output=10, cached_input=0.125, reasoning=20, long_input_tokens=200_000, long=long
    )
    assert source(request("sample_spec")) is None


def test_without_litellm_its_table_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setenv("PERDURE_PRICES", "litellm")
    with pytest.raises(UserError, match="are not there"):
        sources()


def test_nothing_is_priced_unless_somebody_says_so() -> None:
    assert not is_priced()
    assert sources() == []


def priced(usd: float) -> Usage:
    used = Usage.of_request(10, 5)
    used.priced_requests, used.priced_usd = 1, usd
    return used


def test_costs_add_up_to_the_billionth_of_a_dollar() -> None:
    total = Usage()
    for _ in range(10):
        total.add(priced(0.1))
    assert total.cost_usd == 1.0
    assert total.since(priced(0.1)).cost_usd == 0.9


def test_one_request_without_a_price_leaves_the_whole_cost_unknown_and_what_is_known_known() -> None:
    total = priced(0.25)
    total.add(Usage.of_request(10, 5))
    assert (total.cost_usd, total.priced_usd, total.unpriced_requests) == (None, 0.25, 1)
    assert cost_in_words(total) == "at least $0.25 (1 request without a price)"


@pytest.mark.parametrize(
    ("usd", "words"),
    [(0.0, "$0.00"), (1234.5, "$1,234.50"), (0.5, "$0.50"), (0.012345, "$0.012345"), (2e-9, "less than $0.000001")],
)
def test_amounts_are_written_as_people_write_them(usd: float, words: str) -> None:
    assert cost_in_words(priced(usd)) == words


def test_without_any_price_the_cost_is_unknown() -> None:
    assert cost_in_words(Usage.of_request(10, 5)) == "cost unknown"
    assert cost_in_words(Usage()) == "$0.00"
