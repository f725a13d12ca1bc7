"""Tools as they are defined, and as the model sees them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from tests.conformance.answers import call
from tests.conformance.registry import scenario


class Address(BaseModel):
    street: str = Field(description="With the number.")
    city: str | None = None


@scenario("the schema of a tool", 47, final="done", requests=1)
async def schemas(sdk: Any, bench: Any) -> Any:
    def order(count: int, unit: Literal["kg", "g"], address: Address, tags: list[str], note: str | None = None) -> str:
        """Order goods.

        More about it.

        Args:
            count: How many.
            unit: Which unit.
            address: Where to.
            tags: Words.
            note: A note.
        """
        return "ordered"

    def free(options: dict[str, int], *rest: str) -> str:
        return "free"

    bench.script("done")
    loose = bench.function(free, strict_mode=False)
    named = bench.function(order, name_override="o", description_override="Other words.", use_docstring_info=False)
    return await bench.run(bench.agent(tools=[bench.function(order), loose, named]))


@scenario("a tool made by hand", 47, final="done", log=['invoked {"a": 1} c1'])
async def tool_by_hand(sdk: Any, bench: Any) -> Any:
    async def invoke(context: Any, arguments: str) -> Any:
        bench.log("invoked", arguments, context.tool_call_id)
        return {"made": "by hand"}

    schema = {
        "type": "object",
        "properties": {"a": {"type": "integer"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    tool = sdk.FunctionTool(name="hand", description="By hand.", params_json_schema=schema, on_invoke_tool=invoke)
    bench.script(call("hand", "c1", a=1), "done")
    return await bench.run(bench.agent(tools=[tool]))
