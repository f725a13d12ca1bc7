"""Final output: text, structured output, refusals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from tests.conformance.answers import call, refuse, say, search, think
from tests.conformance.registry import scenario


class Item(BaseModel):
    name: str = Field(description="What it is.")
    count: int = 1


class Order(BaseModel):
    items: list[Item]
    note: str | None = None


@dataclass
class Point:
    x: int
    y: int


class Place(TypedDict):
    city: str


@scenario("the last message is the answer", 87, final="second part two", requests=1)
async def last_message(sdk: Any, bench: Any) -> Any:
    bench.script([say("first"), think(), say("second ", "part two")])
    return await bench.run(bench.agent())


@scenario("an empty response is an empty answer", 87, final="", requests=1)
async def empty_response(sdk: Any, bench: Any) -> Any:
    bench.script([])
    return await bench.run(bench.agent())


@scenario("reasoning alone is an empty answer", 87, final="", requests=1)
async def reasoning_alone(sdk: Any, bench: Any) -> Any:
    bench.script([think()])
    return await bench.run(bench.agent())


@scenario("a message beside a tool call is not final", 87, final="done", requests=2)
async def message_beside_call(sdk: Any, bench: Any) -> Any:
    bench.script([say("wait"), call("t")], "done")
    return await bench.run(bench.agent(tools=[bench.tool("t")]))


@scenario("a tool of the provider without a message is not final", 88, final="found", requests=2)
async def hosted_without_message(sdk: Any, bench: Any) -> Any:
    bench.script([search()], "found")
    return await bench.run(bench.agent(tools=[sdk.WebSearchTool()]))


@scenario("structured output", 89, requests=1)
async def structured(sdk: Any, bench: Any) -> Any:
    bench.script('{"items": [{"name": "x", "count": 2}], "note": null}')
    result = await bench.run(bench.agent(output_type=Order))
    bench.expect(lambda: result.final_output == Order(items=[Item(name="x", count=2)]))
    return result


@scenario("structured output of other types", 89)
async def other_types(sdk: Any, bench: Any) -> Any:
    found = []
    answers = {
        "list": '{"response": ["a"]}',
        "int": '{"response": 7}',
        "point": '{"response": {"x": 1, "y": 2}}',
        "place": '{"city": "c"}',
    }
    kinds = {"list": list[str], "int": int, "point": Point, "place": Place}
    for name, kind in kinds.items():
        model = bench.lane(name, answers[name])
        found.append(await bench.run(bench.agent(model=model, output_type=kind)))
    bench.expect(lambda: [result.final_output for result in found] == [["a"], 7, Point(1, 2), {"city": "c"}])
    return found


@scenario("str as output type is plain text", 89, final="words", requests=1)
async def str_type(sdk: Any, bench: Any) -> Any:
    bench.script("words")
    result = await bench.run(bench.agent(output_type=str))
    bench.expect(lambda: "text" not in bench.bodies()[0])
    return result


@scenario("an output type and no message", 90, requests=2)
async def no_message(sdk: Any, bench: Any) -> Any:
    bench.script([think()], '{"response": 1}')
    return await bench.run(bench.agent(output_type=int))


@scenario("output that is not JSON", 91, raises="ModelBehaviorError", requests=1)
async def not_json(sdk: Any, bench: Any) -> Any:
    bench.script("words", "never")
    return await bench.run(bench.agent(output_type=Order))


@scenario("output that does not fit", 91, raises="ModelBehaviorError", requests=1)
async def does_not_fit(sdk: Any, bench: Any) -> Any:
    bench.script('{"items": [{"name": 1}]}', "never")
    return await bench.run(bench.agent(output_type=Order), hooks=bench.run_hooks())


@scenario("output that is strict about types", 89, raises="ModelBehaviorError")
async def strict_types(sdk: Any, bench: Any) -> Any:
    bench.script('{"response": "7x"}')
    return await bench.run(bench.agent(output_type=int))


@scenario("tools and structured output", 89, requests=2)
async def tools_and_structure(sdk: Any, bench: Any) -> Any:
    bench.script([say('{"response": 1}'), call("t")], '{"response": 2}')
    result = await bench.run(bench.agent(output_type=int, tools=[bench.tool("t")]))
    bench.expect(lambda: result.final_output == 2)
    return result


@scenario("an output schema that is not strict", 92, requests=1)
async def not_strict(sdk: Any, bench: Any) -> Any:
    bench.script('{"a": 1}')
    schema = sdk.AgentOutputSchema(dict[str, int], strict_json_schema=False)
    result = await bench.run(bench.agent(output_type=schema))
    bench.expect(lambda: result.final_output == {"a": 1})
    return result


@scenario("an output type that cannot be strict", 92, raises="UserError", requests=0)
async def cannot_be_strict(sdk: Any, bench: Any) -> Any:
    bench.script("never")
    return await bench.run(bench.agent(output_type=dict[str, int]))


@scenario("an output schema of one's own", 92, requests=1)
async def own_schema(sdk: Any, bench: Any) -> Any:
    class Upper(sdk.AgentOutputSchemaBase):
        def is_plain_text(self) -> bool:
            return False

        def name(self) -> str:
            return "Upper"

        def json_schema(self) -> dict[str, Any]:
            return {"type": "object", "properties": {}, "required": [], "additionalProperties": False}

        def is_strict_json_schema(self) -> bool:
            return True

        def validate_json(self, json_str: str) -> Any:
            return json_str.upper()

    bench.script('{"a": 1}')
    result = await bench.run(bench.agent(output_type=Upper()))
    bench.expect(lambda: result.final_output == '{"A": 1}')
    return result


@scenario("a refusal", 93, raises="ModelRefusalError", requests=1)
async def refusal(sdk: Any, bench: Any) -> Any:
    bench.script([refuse("not that")], "never")
    return await bench.run(bench.agent())


@scenario("a refusal of structured output", 93, raises="ModelRefusalError", requests=1)
async def structured_refusal(sdk: Any, bench: Any) -> Any:
    bench.script([refuse("not that")], "never")
    return await bench.run(bench.agent(output_type=Order))


@scenario("a refusal in a later turn", 93, raises="ModelRefusalError", requests=2)
async def later_refusal(sdk: Any, bench: Any) -> Any:
    bench.script(call("t"), [refuse("not that")], "never")
    return await bench.run(bench.agent(tools=[bench.tool("t")]))


@scenario("a refusal beside a tool call is not final", 93, final="done", requests=2)
async def refusal_beside_call(sdk: Any, bench: Any) -> Any:
    bench.script([refuse("not that"), call("t")], "done")
    return await bench.run(bench.agent(tools=[bench.tool("t")]))


@scenario("final_output_as", 165)
async def output_as(sdk: Any, bench: Any) -> Any:
    bench.script("words")
    result = await bench.run(bench.agent())
    found = [result.final_output_as(str), result.final_output_as(int)]
    try:
        result.final_output_as(int, raise_if_incorrect_type=True)
    except TypeError as error:
        found.append(type(error).__name__)
    bench.expect(lambda: found == ["words", "words", "TypeError"])
    return found
