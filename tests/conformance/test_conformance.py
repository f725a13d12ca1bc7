"""Each scenario ends on both sides in the same way, or differs for a reason that is written down."""

from __future__ import annotations

import asyncio

import pytest

from tests.conformance.comparison import Comparison, compare_all
from tests.conformance.differences import DIFFERENCES
from tests.conformance.registry import all_scenarios
from tests.thoroughness import is_sampled

SCENARIOS = {one.name: one for one in all_scenarios() if is_sampled(one.name, 12)}
AT_LEAST = 150

pytestmark = pytest.mark.timeout(1500)  # the first test runs all scenarios


@pytest.fixture(scope="module")
def comparisons(request: pytest.FixtureRequest) -> dict[str, Comparison]:
    """The wanted scenarios, all run at once."""
    collected = [item for item in request.session.items if isinstance(item, pytest.Function)]
    names = {item.callspec.params.get("name") for item in collected if hasattr(item, "callspec")}
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("OPENAI_BASE_URL", "")  # set by the comparison, and put back after it
        found = asyncio.run(compare_all([one for one in SCENARIOS.values() if one.name in names]))
    return {one.scenario.name: one for one in found}


@pytest.mark.parametrize("name", SCENARIOS)
def test_openai_agents_does_what_the_scenario_is_named_for(name: str, comparisons: dict[str, Comparison]) -> None:
    assert comparisons[name].wrong == []


@pytest.mark.parametrize("name", [name for name in SCENARIOS if name not in DIFFERENCES])
def test_both_sides_agree(name: str, comparisons: dict[str, Comparison]) -> None:
    differences = comparisons[name].differences
    assert not differences, "\n".join(differences)


@pytest.mark.parametrize("name", [name for name in SCENARIOS if name in DIFFERENCES])
def test_a_difference_on_purpose_is_still_one(name: str, comparisons: dict[str, Comparison]) -> None:
    assert comparisons[name].differences, f"{name!r} agrees: take it from tests/conformance/differences.py"


def test_every_difference_on_purpose_has_a_scenario_and_a_reason() -> None:
    assert set(DIFFERENCES) <= {one.name for one in all_scenarios()}
    assert all(len(reason) > 20 for reason in DIFFERENCES.values())


def test_there_are_enough_scenarios() -> None:
    assert len(all_scenarios()) >= AT_LEAST
