"""The smallest agent: a question goes in, an answer comes out.

One sees the answer, and how to look at the run: it was a Temporal workflow, without a word about it.
"""

from __future__ import annotations

import asyncio

from perdure import Agent, Runner

poet = Agent(name="Poet", instructions="You answer in haiku.")


async def main() -> None:
    result = await Runner.run(poet, "What is recursion?")
    print(result.final_output)
    print(f"\nWhat happened: perdure show {result.run_id}")


SCRIPT = {"haiku": ["A mirror looks in\na mirror, and asks again,\nuntil one says: done."]}

if __name__ == "__main__":
    from scripted_server import answer_without_key

    answer_without_key(SCRIPT)
    asyncio.run(main())
