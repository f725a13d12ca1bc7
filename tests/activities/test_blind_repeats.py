"""A model of the user's own is not asked twice blindly in a conversation that the provider keeps."""

from __future__ import annotations

from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from perdure.agent import Agent
from perdure.contracts.steps import CallModelInput, CallModelOutput
from perdure.model import Model, ModelResponse
from perdure.model_settings import ModelSettings
from perdure.retry import ModelRetryAdvice, ModelRetrySettings
from perdure.served import UserLoopEnded
from perdure.testing.scripted_model import message
from perdure.usage import Usage
from tests.activities.workbench import Workbench, cursor_of, user


class Refused(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(f"answered {status}")
        self.status_code = status


class Own(Model):
    def __init__(self, *script: Exception | str, advice: ModelRetryAdvice | None = None) -> None:
        self.script = list(script)
        self.asked = 0
        self.advice = advice

    async def get_response(self, *given: Any, **named: Any) -> ModelResponse:
        self.asked += 1
        answer = self.script.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return ModelResponse([message(answer)], Usage(requests=1), "resp_1")

    def get_retry_advice(self, request: Any) -> ModelRetryAdvice | None:
        return self.advice


async def ask(bench: Workbench, **more: Any) -> CallModelOutput:
    cursor, new = cursor_of([user("hi")])
    fields = {"definition": bench.definition().digest, "cursor": cursor, "items": new}
    return await bench.ask_model(CallModelInput(**bench.step(), **{**fields, "conversation_id": "conv_1", **more}))


async def failed(bench: Workbench, **more: Any) -> ApplicationError:
    with pytest.raises(ApplicationError) as raised:
        await ask(bench, **more)
    return raised.value


def bench_of(model: Own, **fields: Any) -> Workbench:
    settings = ModelSettings(retry=fields.pop("retry", None))
    return Workbench(Agent(name="A", model=model, model_settings=settings), **fields)


@pytest.mark.parametrize("error", [ConnectionError("reset"), Refused(502), Refused(504)])
@pytest.mark.parametrize("retry", [None, ModelRetrySettings(max_retries=3)])
async def test_a_request_that_may_have_arrived_is_not_repeated(error: Exception, retry: Any) -> None:
    found = await failed(bench_of(Own(error), retry=retry))
    assert (found.type, found.non_retryable) == ("ConversationStateUnknown", True)
    assert "conv_1" in found.message


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_request_that_the_server_refused_is_repeated(status: int) -> None:
    model = Own(Refused(status), "done")
    bench = bench_of(model)
    assert not (await failed(bench)).non_retryable
    again = Workbench(bench.agent, attempt=2, heartbeat_details=list(bench.heartbeats[-1]))
    assert (await ask(again)).response_id == "resp_1"


async def test_a_request_of_which_the_model_says_that_repeating_is_safe_is_repeated() -> None:
    advice = ModelRetryAdvice(suggested=True, replay_safety="safe")
    assert not (await failed(bench_of(Own(ConnectionError("reset"), advice=advice)))).non_retryable


async def test_a_request_after_a_previous_answer_is_repeated() -> None:
    bench = bench_of(Own(ConnectionError("reset")))
    assert not (await failed(bench, conversation_id=None, previous_response_id="resp_0")).non_retryable


async def test_nothing_is_asked_after_an_attempt_that_was_lost_with_its_worker() -> None:
    model = Own("never")
    found = await failed(bench_of(model, attempt=2))
    assert (found.type, found.non_retryable, model.asked) == ("ConversationStateUnknown", True, 0)


async def test_an_attempt_that_failed_before_it_asked_leaves_nothing_unknown() -> None:
    def instructions(context: Any, agent: Any) -> str:
        raise UserLoopEnded("gone") if context.attempt == 1 else ValueError("the second attempt was made")

    agent = Agent[Any](name="A", model=Own("never"), instructions=instructions)
    bench = Workbench(agent)
    assert not (await failed(bench)).non_retryable
    again = Workbench(agent, attempt=2, heartbeat_details=list(bench.heartbeats[-1]))
    assert (await failed(again)).type == "ValueError"
