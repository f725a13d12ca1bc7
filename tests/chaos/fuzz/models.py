"""Ways into a run from its model and its tools' results: each makes an agent that takes values out of a bag."""

from __future__ import annotations

from typing import Any

from perdure import RunConfig, function_tool
from perdure.testing import message
from tests.chaos.fuzz.insiders import Babbling, Bag, Insider, Report, agent, calling, calls, response, told, tool


def model_texts(bag: Bag) -> Insider:
    return agent(Babbling(lambda turn: [message(bag.take()), *calls(turn)]), tool(told))


def final_texts(bag: Bag) -> Insider:
    return agent(Babbling(lambda _: [message(bag.take())]))


def typed_outputs(bag: Bag) -> Insider:
    return agent(Babbling(lambda _: [message(bag.take())]), output_type=Report)


def model_items(bag: Bag) -> Insider:
    return agent(Babbling(lambda turn: [*bag.take(), *calls(turn)]), tool(told))


def model_answers(bag: Bag) -> Insider:
    def answer(turn: int) -> Any:
        name = ("output", "usage", "response_id", "request_id", "raw_usage")[bag.taken % 5]
        return response(**{"items": calls(turn)} | {"items" if name == "output" else name: bag.take()})

    return agent(Babbling(answer), tool(told), run={"auto_previous_response_id": True})


def model_errors(bag: Bag) -> Insider:
    def answer(turn: int) -> Any:
        raise bag.take()

    return agent(Babbling(answer))


def call_arguments(bag: Bag) -> Insider:
    def answer(turn: int) -> Any:
        return [{**call, "arguments": bag.take()} for call in calls(turn, count=3)]

    return agent(Babbling(answer), tool(told))


def call_ids_and_names(bag: Bag) -> Insider:
    def answer(turn: int) -> Any:
        first, second = bag.take(), bag.take()
        twice = [{**call, "call_id": first, "arguments": f'{{"n": {n}}}'} for n in (1, 1, 2) for call in calls(turn)]
        return [*twice, {**calls(turn)[0], "name": second, "call_id": ""}]

    config = RunConfig(tool_not_found_behavior="return_error_to_model")
    return agent(Babbling(answer), tool(told), run={"run_config": config})


def typed_arguments(bag: Bag) -> Insider:
    @function_tool(strict_mode=False)
    async def typed(a: int = 1, b: list[float] | None = None, c: Report | None = None, d: Any = None) -> Any:
        """Takes typed arguments."""
        return [a, b, c, d]

    def answer(turn: int) -> Any:
        return [{**call, "arguments": bag.take()} for call in calls(turn, "typed", count=3)]

    return agent(Babbling(answer), typed)


def awaiting_approval(bag: Bag) -> Insider:
    def answer(turn: int) -> Any:
        return [{**call, "arguments": bag.take()} for call in calls(turn, count=3)]

    return agent(Babbling(answer, 2), tool(told, needs_approval=True))


def tool_results(bag: Bag) -> Insider:
    return agent(calling(), tool(lambda *_: bag.take()))


def tool_results_as_text(bag: Bag) -> Insider:
    config = RunConfig(tool_output_format="str")
    return agent(calling(), tool(lambda *_: bag.take()), run={"run_config": config})


def results_that_end_runs(bag: Bag) -> Insider:
    return agent(calling(count=1), tool(lambda *_: bag.take()), tool_use_behavior="stop_on_first_tool")


def model_usages(bag: Bag) -> Insider:
    return agent(Babbling(lambda turn: response(calls(turn), usage=bag.take())), tool(told))


TAKING_OBJECTS = (tool_results, tool_results_as_text, results_that_end_runs, model_answers)
TAKING_TEXTS = (model_texts, final_texts, call_ids_and_names)
TAKING_JSON = (call_arguments, typed_arguments, awaiting_approval, typed_outputs)
TAKING_ERRORS = (model_errors,)
TAKING_ITEMS = (model_items,)
TAKING_USAGES = (model_usages,)
