"""What becomes of an answer's cost in the step that got it; whatever goes wrong with it, the answer stays."""

from __future__ import annotations

import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from activities import pricing
from activities.pricing import priced
from perdure.model import ModelAnswer
from perdure.prices import PaidRequest, Price, set_prices
from perdure.usage import Usage

ONE_DOLLAR = Price(input=100_000, output=0)


@pytest.fixture(autouse=True)
def no_prices(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("PERDURE_PRICES", raising=False)
    monkeypatch.setattr(pricing, "_said", set[str]())
    set_prices(None)
    yield
    set_prices(None)


def answer(usage: Usage | None = None, model: str | None = None) -> ModelAnswer:
    return ModelAnswer([], usage or Usage.of_request(10, 5), model=model)


async def cost(given: ModelAnswer, model: str = "m") -> float | None:
    return (await priced(given, model)).usage.cost_usd


async def test_an_answer_has_the_cost_that_the_table_gives() -> None:
    set_prices({"m": ONE_DOLLAR})
    assert await cost(answer()) == 1.0
    assert await cost(answer(model="m-2026")) == 1.0
    assert await cost(answer(), "another") is None


async def test_without_prices_an_answer_s_cost_is_unknown_and_nothing_is_said(caplog: pytest.LogCaptureFixture) -> None:
    assert await cost(answer()) is None
    assert caplog.records == []


async def test_a_function_is_told_of_the_answer_and_gives_dollars_or_a_price() -> None:
    seen: list[PaidRequest] = []

    def told(request: PaidRequest) -> Any:
        seen.append(request)
        return Decimal("0.5") if request.model == "m" else ONE_DOLLAR

    set_prices(told)
    assert (await cost(answer(model="m-2026")), await cost(answer(), "another")) == (0.5, 1.0)
    assert (seen[0].model, seen[0].answered_by, seen[0].usage.input_tokens) == ("m", "m-2026", 10)


@pytest.mark.parametrize("told", [-1, float("nan"), float("inf"), "2.50", True, [1], 1e300])
async def test_nonsense_is_an_unknown_cost_and_is_said(told: Any, caplog: pytest.LogCaptureFixture) -> None:
    set_prices(lambda _: told)
    assert await cost(answer()) is None
    assert "no amount of dollars" in caplog.text


async def test_a_function_that_raises_costs_no_answer(caplog: pytest.LogCaptureFixture) -> None:
    def broken(request: PaidRequest) -> float:
        raise ValueError("no rates today")

    set_prices(broken)
    assert [await cost(answer()) for _ in range(3)] == [None] * 3
    assert caplog.text.count("ValueError: no rates today") == 1


async def test_a_function_that_hangs_holds_an_answer_up_for_seconds_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pricing, "_SECONDS", 0.05)
    set_prices(lambda _: time.sleep(2))
    assert await cost(answer()) is None


async def test_a_table_that_cannot_be_read_costs_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PERDURE_PRICES", str(tmp_path / "missing.toml"))
    assert await cost(answer()) is None
    assert "missing.toml" in caplog.text


async def test_a_model_of_one_s_own_may_say_what_it_cost() -> None:
    set_prices({"m": ONE_DOLLAR})
    said = Usage.of_request(10, 5)
    said.priced_requests, said.priced_usd = 1, 0.125
    assert await cost(answer(said)) == 0.125


@pytest.mark.parametrize("said", [-1, float("nan"), "2"])
async def test_what_it_says_counts_for_nothing_if_it_is_no_amount(said: Any) -> None:
    set_prices({"m": ONE_DOLLAR})
    used = Usage.of_request(10, 5)
    used.priced_requests, used.priced_usd = 1, said
    assert await cost(answer(used)) == 1.0


async def test_a_usage_that_a_model_hands_out_again_is_not_changed() -> None:
    set_prices({"m": ONE_DOLLAR})
    used = Usage.of_request(10, 5)
    await priced(answer(used), "m")
    assert used == Usage.of_request(10, 5)


async def test_a_model_that_is_not_in_the_table_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    set_prices({"m": ONE_DOLLAR})
    for _ in range(3):
        await priced(answer(), "another")
    assert caplog.text.count("No price is known for model 'another'") == 1
