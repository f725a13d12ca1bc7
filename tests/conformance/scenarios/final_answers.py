"""What an answer amounts to: every kind of message, and texts that fit an output type or do not."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any, Literal, NotRequired

from pydantic import BaseModel, field_validator
from typing_extensions import TypedDict

from tests.conformance.answers import call, refuse, say, search, think, transfer
from tests.conformance.registry import scenario


class Color(enum.Enum):
    red = "red"
    blue = "blue"


class Inner(BaseModel):
    n: int = 3


class Outer(BaseModel):
    a: int
    inner: Inner | None = None

    @field_validator("a")
    @classmethod
    def positive(cls, value: int) -> int:
        if value < 0:
            raise ValueError("negative")
        return value


class Place(TypedDict):
    a: int
    b: NotRequired[str]


@dataclass
class Point:
    x: int
    y: str = "y"


def _parts(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"type": "message", "role": "assistant", "status": "completed", "content": list(parts)}


_TEXT = {"type": "output_text", "text": "a", "annotations": []}
_REFUSAL = {"type": "refusal", "refusal": "r"}
ANSWERS: dict[str, Any] = {
    "white space": "  ",
    "an empty text": "",
    "no parts": _parts(),
    "a refusal, then text": [refuse("no"), say("yes")],
    "text, then a refusal": [say("yes"), refuse("no")],
    "text and refusal in one": _parts(_TEXT, _REFUSAL),
    "refusal and text in one": _parts(_REFUSAL, _TEXT),
    "an empty refusal": refuse(""),
    "a search and no text": [search(), say("")],
    "text, then no text": [say("x"), say("")],
    "reasoning and a search": [think(), search()],
    "text that was cut short": {**say("part"), "status": "incomplete"},
    "nothing": [],
}
REFUSED = "ModelRefusalError"
PLAIN = ["  ", "", "", "yes", REFUSED, REFUSED, REFUSED, "", "", "", "later", "part"]
TYPED = ["ModelBehaviorError", 1, 1, "ModelBehaviorError", REFUSED, REFUSED]
TYPED += [REFUSED, 1, 1, 1, 1, "ModelBehaviorError", 1]


def _final(ended: Any) -> Any:
    return type(ended).__name__ if isinstance(ended, Exception) else ended.final_output


async def _answers(sdk: Any, bench: Any, later: str, **fields: Any) -> list[Any]:
    runs: list[Any] = []
    for place, answer in enumerate(ANSWERS.values()):
        model = bench.lane(f"answer{place}", answer, later)
        agent = bench.agent(model=model, tools=[sdk.WebSearchTool()], **fields)
        runs.append(bench.run(agent, hooks=bench.run_hooks()))
    return await bench.all_ended(runs)


@scenario("answers of every kind of a plain agent", 87, 88, 93, ordered=False)
async def plain_answers(sdk: Any, bench: Any) -> Any:
    found = await _answers(sdk, bench, "later")
    bench.expect(lambda: [_final(each) for each in found] == [*PLAIN, ""])
    return found


@scenario("answers of every kind of a typed agent", 90, 91, 93, ordered=False)
async def typed_answers(sdk: Any, bench: Any) -> Any:
    found = await _answers(sdk, bench, '{"response": 1}', output_type=int)
    bench.expect(lambda: [_final(each) for each in found] == TYPED)
    return found


async def _texts(bench: Any, kind: Any, *texts: str) -> list[Any]:
    """What an agent of this output type makes of each text."""
    runs: list[Any] = []
    for place, text in enumerate(texts):
        model = bench.lane(f"text{place}", text, '{"response": "never"}')
        runs.append(bench.run(bench.agent(model=model, output_type=kind)))
    return _shown(await bench.all_ended(runs))


def _shown(ended: list[Any]) -> list[Any]:
    """What came of each run, and its output in Python's words."""
    return [shown for each in ended for shown in (each, repr(getattr(each, "final_output", None)))]


def _failed(found: list[Any]) -> list[bool]:
    return [isinstance(ended, Exception) for ended in found[::2]]


@scenario("texts for a model as output type", 89, 91)
async def model_texts(sdk: Any, bench: Any) -> Any:
    good = ['{"a": 1, "inner": {"n": 2}}', '{"a": 1, "more": 2}', ' {"a": 1} ', '{"a": 1, "inner": null}']
    bad = ['{"a": -1}', '```json\n{"a": 1}\n```', '{"a": 1} more', "   ", '{"b": 1}', "[]", "null", '"a"']
    found = await _texts(bench, Outer, *good, *bad)
    bench.expect(lambda: _failed(found) == [False] * len(good) + [True] * len(bad))
    return found


@scenario("texts for a number as output type, wrapped and not", 89, 91)
async def number_texts(sdk: Any, bench: Any) -> Any:
    bad = [
        "7",
        '{"response": "7"}',
        '{"response": 7.5}',
        '{"response": true}',
        "{}",
        '{"more": 1}',
        '{"response": null}',
    ]
    found = await _texts(bench, int, '{"response": 7}', '{"response": 7, "more": 2}', *bad)
    bench.expect(lambda: _failed(found) == [False, False] + [True] * len(bad))
    return found


@scenario("texts for none, a choice, an enum and a flag as output types", 89, 91)
async def choice_texts(sdk: Any, bench: Any) -> Any:
    runs: list[Any] = []
    cases: dict[str, tuple[Any, list[str]]] = {
        "optional": (int | None, ['{"response": null}', '{"response": 3}', "null"]),
        "union": (int | str, ['{"response": "x"}', '{"response": 1}']),
        "literal": (Literal["a", "b"], ['{"response": "a"}', '{"response": "c"}', '"a"']),
        "enum": (Color, ['{"response": "red"}', '{"response": "green"}']),
        "bool": (bool, ['{"response": true}', '{"response": "true"}']),
        "none": (type(None), ['{"response": null}']),
    }
    for name, (kind, texts) in cases.items():
        for place, text in enumerate(texts):
            model = bench.lane(f"{name}{place}", text)
            runs.append(bench.run(bench.agent(model=model, output_type=kind)))
    found = _shown(await bench.all_ended(runs))
    expected = [False, False, True, False, False, False, True, True, False, True, False, True, False]
    bench.expect(lambda: _failed(found) == expected)
    return found


@scenario("texts for collections as output types", 89, 91)
async def collection_texts(sdk: Any, bench: Any) -> Any:
    found = await _texts(bench, list[Outer], '{"response": [{"a": 1, "inner": null}]}', '[{"a": 1}]')
    bench.expect(lambda: found[0].final_output == [Outer(a=1)] and isinstance(found[2], Exception))
    for name, kind in (("set", set[int]), ("pair", tuple[int, str])):
        model = bench.lane(name, '{"response": [1, "x"]}' if name == "pair" else '{"response": [1, 1]}')
        found += _shown([await bench.ended(bench.run(bench.agent(model=model, output_type=kind)))])
    return found


@scenario("schemas that are strict and that are not", 92)
async def strictness(sdk: Any, bench: Any) -> Any:
    runs: list[Any] = []
    kinds: dict[str, Any] = {"place": Place, "dict": dict[str, int], "any": Any, "bare": dict, "model": Outer}
    for name, kind in {**kinds, "list": list[dict[str, int]], "point": Point}.items():
        for strict in (True, False):
            model = bench.lane(f"{name} {strict}", '{"a": 1, "b": "2"}')
            try:
                schema = sdk.AgentOutputSchema(kind, strict_json_schema=strict)
            except sdk.UserError:
                bench.log(name, "cannot be strict")
                continue
            runs.append(bench.run(bench.agent(model=model, output_type=schema)))
    return await bench.all_ended(runs)


@scenario("a schema of one's own that raises", 91)
async def own_schema_raises(sdk: Any, bench: Any) -> Any:
    class Own(sdk.AgentOutputSchemaBase):
        def is_plain_text(self) -> bool:
            return False

        def name(self) -> str:
            return "Own"

        def json_schema(self) -> dict[str, Any]:
            return {"type": "object"}

        def is_strict_json_schema(self) -> bool:
            return False

        def validate_json(self, json_str: str) -> Any:
            raise LookupError("no such thing") if json_str == "x" else sdk.ModelBehaviorError("worse")

    bench.script("x", "y")
    found = [await bench.ended(bench.run(bench.agent(output_type=Own()))) for _ in range(2)]
    bench.expect(lambda: [type(each).__name__ for each in found] == ["LookupError", "ModelBehaviorError"])
    return found


@scenario("empty answers until the limit", 1, 90, raises="MaxTurnsExceeded", requests=3)
async def empty_until_the_limit(sdk: Any, bench: Any) -> Any:
    bench.script([think()], [], [search()], "never")
    return await bench.run(bench.agent(output_type=int, tools=[sdk.WebSearchTool()]), max_turns=3)


@scenario("text of a typed agent beside a handoff or a tool is not read", 70, 87, final="from B", requests=3)
async def text_beside_calls(sdk: Any, bench: Any) -> Any:
    bench.script([say("not json"), call("t")], [say("no json either"), transfer("B")], "from B")
    return await bench.run(bench.agent(output_type=int, tools=[bench.tool("t")], handoffs=[bench.agent("B")]))


@scenario("a refusal after a search", 93, raises="ModelRefusalError", requests=1)
async def refusal_after_search(sdk: Any, bench: Any) -> Any:
    bench.script([search(), refuse("not that")], "never")
    return await bench.run(bench.agent(tools=[sdk.WebSearchTool()]))


@scenario("a guardrail that is still asked when the answer cannot be followed", 28, 53)
async def answer_that_cannot_be_followed(sdk: Any, bench: Any) -> Any:
    found = []
    for name, answer in (("unknown", call("unknown")), ("invalid", "words"), ("refused", refuse("no"))):
        model = bench.lane(name, answer)
        guards = [bench.input_guardrail(trip=True, seconds=0.5)]
        agent = bench.agent(model=model, output_type=int, input_guardrails=guards)
        found.append(await bench.ended(bench.run(agent)))
    bench.expect(lambda: not any(isinstance(each, sdk.InputGuardrailTripwireTriggered) for each in found))
    return found
