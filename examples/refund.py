"""A refund that waits for a human: `python examples/refund.py`, then approve it as the program says.

The model is scripted, so no key is needed; give `model="gpt-4o"` to ask a real one. Kill the program while it waits and
start it again: it goes on with the same run.
"""

from __future__ import annotations

import asyncio
import sys

from perdure import Agent, Run, Runner, function_tool
from perdure.testing import ScriptedModel, tool_call


@function_tool(needs_approval=True)
async def refund(order_id: str, amount: float) -> str:
    """Refund an order.

    Args:
        order_id: The order's number.
        amount: In euros.
    """
    return f"refunded {amount:.2f} euros for order {order_id}"


model = ScriptedModel([tool_call("refund", {"order_id": "7", "amount": 40.0}), "Your 40 euros are on their way."])
support = Agent(name="Support", instructions="Help the customer.", model=model, tools=[refund])


async def main(run_id: str, *, approve: bool) -> None:
    run = await Runner.start(support, "Order 7 arrived broken", run_id=run_id)
    print(f"The run in the Temporal UI: {run.url}")
    await answer(run, approve=approve)
    print((await run.result()).final_output)


async def answer(run: Run, *, approve: bool) -> None:
    async for approval in run.watch_approvals():
        print(f"{approval.tool}({approval.arguments}) waits. Approve it in the UI, or in another terminal:")
        print(f"    perdure approve {run.id} {approval.call_id}")
        if approve:
            await run.approve(approval, by="the example")


if __name__ == "__main__":
    asyncio.run(main("ticket-4711", approve="--approve" in sys.argv))
