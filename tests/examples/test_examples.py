"""Every example runs as it stands, as a user would start it, and prints what its docstring says."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Timer

import pytest

from examples.scripted_server import answer_without_key
from tests.thoroughness import is_sampled

ROOT = Path(__file__).parents[2]
EXAMPLES = {file.stem for file in (ROOT / "examples").glob("*.py")} - {"__init__", "scripted_server"}
ALONE = sorted(EXAMPLES - {"refund", "human_in_the_loop"})  # those wait for a human
AT_ONCE = 3  # each uses a core for two seconds, to import and to connect
PATIENCE_SECONDS = 90.0
QUESTION = 'cancel_order {"order_id": "7"}: do it? [y/n] '

Lines = list[str]


def started(name: str, *arguments: str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
    process = subprocess.Popen(
        [sys.executable, f"examples/{name}.py", *arguments],
        cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    impatience = Timer(PATIENCE_SECONDS, process.kill)
    impatience.daemon = True
    impatience.start()
    return process


def ended(process: subprocess.Popen[str], typed: str = "") -> Lines:
    """What the process printed, given what a user typed."""
    printed, errors = process.communicate(typed)
    assert process.returncode == 0, errors
    return printed.splitlines()


def printed_by(name: str) -> Lines:
    return ended(started(name))


def asked(name: str, typed: str) -> Lines:
    return ended(started(name, f"{name}-{uuid.uuid4().hex[:8]}"), typed)


def killed_while_it_asks(name: str, typed: str) -> tuple[str, Lines]:
    """What it printed until it was killed, and what it printed when it was started again."""
    run_id = f"{name}-{uuid.uuid4().hex[:8]}"
    process = started(name, run_id)
    assert process.stdout is not None
    printed = ""
    while not printed.endswith(QUESTION):
        read = process.stdout.read(1)
        assert read, process.communicate()
        printed += read
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    return printed, ended(started(name, run_id), typed)


class Examples:
    """All examples, running at once; most of their time is spent on what they all do first."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self.killed = pool.submit(killed_while_it_asks, "human_in_the_loop", "y\n")
        self.refused = pool.submit(asked, "human_in_the_loop", "n\n")
        self._printed: dict[str, Future[Lines]] = {name: pool.submit(printed_by, name) for name in ALONE}

    def printed(self, name: str) -> Lines:
        return self._printed[name].result()


@pytest.fixture(scope="module")
def examples() -> Iterator[Examples]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield Examples(pool)
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("name", [name for name in ALONE if is_sampled(name, 2)])
def test_an_example_runs_as_it_stands(examples: Examples, name: str) -> None:
    assert examples.printed(name)


def test_the_readme_has_a_line_for_each_example() -> None:
    readme = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^- `(\w+)\.py` ", readme, re.MULTILINE)) == sorted(EXAMPLES)


def test_with_a_key_nothing_is_scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "a key")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    answer_without_key({})
    assert "OPENAI_BASE_URL" not in os.environ


def test_hello_world_answers_and_names_its_run(examples: Examples) -> None:
    *poem, _, run = examples.printed("hello_world")
    assert poem == ["A mirror looks in", "a mirror, and asks again,", "until one says: done."]
    assert run.startswith("What happened: perdure show poet-")


def test_both_tools_of_one_answer_run_before_the_next(examples: Examples) -> None:
    *calls, answer = examples.printed("tools")
    assert sorted(calls) == ["Oslo: answered", "Oslo: asking", "Rome: answered", "Rome: asking"]
    assert answer == "An umbrella for Oslo, sunglasses for Rome."


def test_only_the_complaint_is_handed_over_with_its_reason(examples: Examples) -> None:
    assert examples.printed("handoffs") == [
        "Clerk: At nine, every day.",
        "Handed over: a lamp arrived broken",
        "Manager: I am sorry. You get your money back today.",
    ]


def test_each_language_is_answered_by_the_agent_that_speaks_it(examples: Examples) -> None:
    assert examples.printed("routing") == [
        "Où est la gare ? French: Au bout de la rue.",
        "¿Dónde está la playa? Spanish: Detrás del puerto.",
        "Where is the museum? English: Next to the church.",
    ]


def test_agents_that_are_tools_answer_the_first_agent_which_answers_the_user(examples: Examples) -> None:
    assert examples.printed("agents_as_tools") == [
        "- You will have seen every fjord.",
        "- It will rain.",
        "Adviser: Go, and take a raincoat.",
    ]


def test_the_second_run_knows_what_the_first_one_said(examples: Examples) -> None:
    assert examples.printed("sessions") == [
        "What city is the Golden Gate Bridge in? San Francisco.",
        "What state is it in? It is in California.",
        "The session has 4 items; the last one is taken back.",
        "In one word? California.",
    ]


def test_homework_is_blocked_and_a_question_is_answered(examples: Examples) -> None:
    assert examples.printed("input_guardrails") == [
        "How do I close my account? Write us two lines.",
        "Solve 2x + 3 = 11 for me. Blocked: An equation to solve.",
    ]


def test_an_answer_with_a_card_number_is_withheld(examples: Examples) -> None:
    assert examples.printed("output_guardrails") == [
        "Has Ana Ruiz got a card? She has one.",
        "What is the number of her card? Withheld for 1 card number(s): It is #### #### #### ####.",
    ]


def test_a_forced_model_uses_the_tool_once_and_is_free_again(examples: Examples) -> None:
    assert examples.printed("forcing_tool_use") == [
        "Free: I should think so.",
        "   (counting each umbrella)",
        "Forced: Yes, three.",
        "   (counting each umbrella)",
        "Direct: 3 x umbrella",
    ]


def test_the_prompt_is_made_of_the_context(examples: Examples) -> None:
    assert examples.printed("dynamic_prompt") == [
        "Mia: As high as twenty giraffes, Mia.",
        "Otto: It is 104 metres, Otto.",
    ]


def test_hooks_are_told_in_order(examples: Examples) -> None:
    assert examples.printed("lifecycle_hooks") == [
        "1. Roller begins",
        "2. Roller asks its model, with 1 items",
        "3. Roller gets function_call",
        "4. Roller calls roll_die",
        "5. roll_die gave 4",
        "6. Roller asks its model, with 3 items",
        "7. Roller gets function_call",
        "8. Roller hands over to Doubler",
        "9. Doubler begins",
        "10. Doubler asks its model, with 5 items",
        "11. Doubler gets message",
        "12. Doubler ends: 8",
    ]


def test_an_answer_is_streamed_around_a_call(examples: Examples) -> None:
    *said, _, run = examples.printed("streaming")
    assert said == [
        "[calls find_table]",
        "[table 4, by the window, for 2]",
        "You sit at table 4, by the window. See you at eight!",
    ]
    assert run.startswith("The same from anywhere: perdure watch waiter-")


def test_a_refused_call_is_not_made(examples: Examples) -> None:
    assert examples.refused.result() == ["looking up order 7", f"{QUESTION}I am sorry, order 7 has to stay."]


def test_a_program_killed_while_it_asks_asks_again_and_repeats_nothing(examples: Examples) -> None:
    before, after = examples.killed.result()
    assert before == f"looking up order 7\n{QUESTION}"
    assert after == [f"{QUESTION}cancelling order 7", "Order 7 is cancelled."]
