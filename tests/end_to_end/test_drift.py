"""A deployment that changes the agents of a run under way does no harm, or is detected before anything takes effect."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.conformance.model_server import ModelServer
from tests.end_to_end.redeploying import BY_NAME, BY_OBJECT, CHANGES, SIDE, Redeployed, redeploy
from tests.thoroughness import THOROUGH

# What kind of model has called a tool makes no difference to the call, nor to guardrails and handoffs.
IN_REQUESTS = {
    kind: change
    for kind, change in CHANGES.items()
    if "guardrail" not in kind and change.flow == "desk" and not change.lacks.startswith("Call")
}
BY_MODEL = {**(IN_REQUESTS if THOROUGH else {}), **BY_OBJECT}
MODELS = {"named": {**CHANGES, **BY_NAME}, "object": BY_MODEL}
EVERY = [(model, kind) for model, changes in MODELS.items() for kind in changes]
HARMLESS = [(model, kind) for model, kind in EVERY if not MODELS[model][kind].lacks]
DETECTED = [(model, kind) for model, kind in EVERY if MODELS[model][kind].lacks]
WHOLE_SECONDS = 300.0


@pytest.fixture(scope="module")
def redeployed() -> Iterator[dict[str, dict[str, Redeployed]]]:
    """Every change, made to runs with models of both kinds."""

    async def all_of_them() -> dict[str, dict[str, Redeployed]]:
        async with ModelServer() as server:
            environment.setenv("OPENAI_BASE_URL", server.url(SIDE))
            async with asyncio.timeout(WHOLE_SECONDS), asyncio.TaskGroup() as group:  # waits for the other's workers
                asked = {
                    model: group.create_task(redeploy(changes, server, own_model=model == "object"))
                    for model, changes in MODELS.items()
                }
            return {model: task.result() for model, task in asked.items()}

    with pytest.MonkeyPatch.context() as environment:
        yield asyncio.run(all_of_them())


Found = dict[str, dict[str, Redeployed]]


@pytest.mark.parametrize(("model", "kind"), HARMLESS)
def test_a_change_that_does_no_harm_holds_the_run_up_in_nothing(model: str, kind: str, redeployed: Found) -> None:
    found = redeployed[model][kind]
    assert found.warnings == []
    assert found.meanwhile == list(found.change.effects)


@pytest.mark.parametrize(("model", "kind"), DETECTED)
def test_a_change_that_matters_is_named_before_anything_takes_effect(model: str, kind: str, redeployed: Found) -> None:
    found = redeployed[model][kind]
    lacks = found.change.lacks.format(name=found.desk.name)
    assert found.warnings[0].startswith(lacks)
    assert "eploy" in found.warnings[0] or "Start one" in found.warnings[0], "it says what to do"
    assert found.meanwhile == list(found.change.meanwhile)


@pytest.mark.parametrize(("model", "kind"), EVERY)
def test_a_check_of_what_is_deployed_already_finds_nothing(model: str, kind: str, redeployed: Found) -> None:
    unchanged = redeployed[model][kind].unchanged
    assert unchanged is not None
    assert (unchanged.verdict, unchanged.reasons) == ("unaffected", [])


@pytest.mark.parametrize(("model", "kind"), HARMLESS)
def test_the_check_before_foretells_that_a_run_does_not_wait(model: str, kind: str, redeployed: Found) -> None:
    foretold = redeployed[model][kind].foretold
    assert foretold is not None
    assert foretold.verdict in ("may wait", "keeps its agents", "unaffected"), foretold.reasons


@pytest.mark.parametrize(("model", "kind"), DETECTED)
def test_the_check_before_foretells_what_the_run_says_it_lacks(model: str, kind: str, redeployed: Found) -> None:
    found = redeployed[model][kind]
    assert found.foretold is not None
    says_later = bool(found.change.says)  # what is judged by what was changed comes after the check
    assert found.foretold.verdict == ("may wait" if says_later else "waits")
    reason = found.warnings[0].partition(" waits for a worker: ")[2]
    assert any(reason in each for each in found.foretold.reasons), (reason, found.foretold.reasons)


@pytest.mark.parametrize(("model", "kind"), EVERY)
def test_the_run_ends_as_if_nothing_had_been_deployed(model: str, kind: str, redeployed: Found) -> None:
    found = redeployed[model][kind]
    if isinstance(found.ended, Exception):
        raise found.ended
    assert found.ended.final_output == found.change.ends_in
    assert found.desk.effects == list(found.change.effects)


@pytest.mark.parametrize(("model", "kind"), [each for each in EVERY if each != ("object", "another model object")])
def test_the_model_is_asked_as_before_the_deployment(model: str, kind: str, redeployed: Found) -> None:
    desk = redeployed[model][kind].desk
    asked = desk.requests()
    assert len(asked) == (1 if desk.flow == "both" else 2), "before and after the call that waited"
    assert asked[-1] == asked[0]


def test_another_model_object_is_asked_what_the_first_one_would_have_been(redeployed: Found) -> None:
    assert len(redeployed["object"]["another model object"].desk.requests()) == 1
