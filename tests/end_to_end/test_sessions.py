"""Sessions of whole programs: killed in the middle of a write, down for a while, opened by workers elsewhere."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import signal
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from perdure import (
    Agent,
    Run,
    RunCancelled,
    RunConfig,
    Runner,
    SessionUnavailable,
    SQLiteSession,
    UserError,
    function_tool,
)
from perdure.extensions.memory import SQLAlchemySession
from perdure.server import server_status
from perdure.testing import ScriptedModel, tool_call
from tests.end_to_end.workers import worker
from tests.postgres import Postgres, postgres_or_skip
from tests.thoroughness import THOROUGH

SCRIPT = Path(__file__).with_name("remembering_script.py")
ROOT = SCRIPT.parents[2]
SAID = ["hi", "hi", "function_call", "seen 1", "function_call", "seen 2", "done"]


def said(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


async def script(*arguments: str, failpoint: str = "") -> tuple[int, str, str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PERDURE_FAILPOINT": failpoint}
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(SCRIPT), *arguments, env=environment,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def killed_and_started_again(folder: Path, kind: str, dies_at: int, failpoint: str = "") -> list[Any]:
    folder.mkdir()
    arguments = (f"remembers-{uuid.uuid4().hex[:8]}", str(folder), kind, str(dies_at))
    first, _, err = await script(*arguments, failpoint=f"{failpoint}={folder / 'marker'}" if failpoint else "")
    assert first == -signal.SIGKILL, err
    code, out, err = await script(*arguments)
    assert code == 0, err
    return json.loads(out)


# An own session's write before the run's, the greeting, is its number 0.
DEATHS = [("keyed", 0), ("keyed", 1), ("keyed", 3), ("own", 1), ("own", 2), ("own", 4)]


@pytest.mark.parametrize(("kind", "dies_at"), DEATHS if THOROUGH else [("own", 1)])
async def test_a_write_whose_process_died_before_its_record_is_there_once(
    tmp_path: Path, kind: str, dies_at: int
) -> None:
    assert await killed_and_started_again(tmp_path / "killed", kind, dies_at) == ["done", SAID]


FAILPOINTS = ["session begins", "session write begins", "session write ended", "session ended"]


@pytest.mark.parametrize("failpoint", FAILPOINTS if THOROUGH else ["session write begins"])
@pytest.mark.parametrize("kind", ["keyed", "own"] if THOROUGH else ["keyed"])
async def test_a_process_that_dies_around_a_write_loses_nothing(tmp_path: Path, kind: str, failpoint: str) -> None:
    assert await killed_and_started_again(tmp_path / "killed", kind, 99, failpoint) == ["done", SAID]


async def said_by(run: Run, waits_for: str) -> str:
    """What the run says of what it waits for, once it is that."""
    for _ in range(200):
        why = await run.why()
        if why.waits_for == waits_for:
            return why.sentence
        await asyncio.sleep(0.1)
    raise AssertionError(f"the run waits for something else: {await run.why()}")


class Flaky(SQLiteSession):
    """A session whose store comes back after a while."""

    failing: Exception | None = None

    async def add_items_once(self, items: list[Any], key: str) -> None:
        if self.failing is not None:
            raise self.failing
        await super().add_items_once(items, key)


@pytest.mark.parametrize("error", [SessionUnavailable("the store is down"), ConnectionRefusedError("refused")])
async def test_a_run_whose_store_is_down_waits_says_so_and_goes_on(error: Exception) -> None:
    session = Flaky("chat")
    session.failing = error
    agent = Agent(name="A", model=ScriptedModel(["done"]))
    run = await Runner.start(agent, "hi", session=session)
    why = await said_by(run, "next attempt")
    assert re.search(r"its session's write \(.*the last attempt failed: .*(down|refused)", why), why
    session.failing = None
    assert (await run.result()).final_output == "done"
    assert len(await session.get_items()) == 2


async def test_an_error_of_a_session_ends_the_run_with_that_very_error() -> None:
    session = Flaky("chat")
    session.failing = RuntimeError("a defect")
    with pytest.raises(RuntimeError) as raised:
        await Runner.run(Agent(name="A", model=ScriptedModel(["done"])), "hi", session=session)
    assert raised.value is session.failing


class Odd(SQLiteSession):
    """A session that gives what is no item."""

    gives: Any = None

    async def get_items(self, limit: int | None = None) -> Any:
        return self.gives


@pytest.mark.parametrize("gives", ["text", None, [5], [said("a"), "b"], {"role": "user"}])
async def test_what_is_no_item_ends_the_run_and_is_named(gives: Any) -> None:
    session = Odd("chat")
    session.gives = gives
    with pytest.raises(UserError, match=r"session gave|of the session's history"):
        await Runner.run(Agent(name="A", model=ScriptedModel(["done"])), "hi", session=session)


@pytest.mark.parametrize("session", [object(), 5, "chat", SQLiteSession, {"session_id": "chat"}])
async def test_what_is_no_session_is_refused_before_the_run_starts(session: Any) -> None:
    with pytest.raises(UserError, match="and no session"):
        await Runner.run(Agent(name="A", model=ScriptedModel(["done"])), "hi", session=session)


async def test_a_long_history_is_read_whole_and_sent_as_it_is(tmp_path: Path) -> None:
    session = SQLiteSession("chat", tmp_path / "a.db")
    history = [said(f"{turn} " + "x" * 1500) for turn in range(1000)]
    await session.add_items(history)
    model = ScriptedModel([tool_call("look", {}), "done"])
    agent = Agent(name="A", model=model, tools=[look])
    result = await Runner.run(agent, "hi", session=session)
    assert model.requests[-1].input[:1001] == [*history, said("hi")]
    assert result.input == [*history, said("hi")]
    assert len(await session.get_items()) == 1004


async def test_a_thousand_turns_are_read_by_a_limit(tmp_path: Path) -> None:
    session = SQLiteSession("chat", tmp_path / "a.db")
    await session.add_items([said(f"{turn}") for turn in range(1000)])
    model = ScriptedModel(["done"])
    config = RunConfig(session_settings={"limit": 5})  # pyright: ignore[reportArgumentType]  # a mapping will do
    await Runner.run(Agent(name="A", model=model), "hi", session=session, run_config=config)
    assert [item["content"] for item in model.requests[0].input] == ["995", "996", "997", "998", "999", "hi"]


async def test_a_large_item_is_told_whole(tmp_path: Path) -> None:
    session = SQLiteSession("chat", tmp_path / "a.db")
    await Runner.run(Agent(name="A", model=ScriptedModel(["done"])), "y" * 200_000, session=session)
    assert (await session.get_items())[0] == said("y" * 200_000)


@function_tool
def look() -> str:
    """Look."""
    return "seen"


async def test_a_cancelled_run_has_told_the_turns_that_were_completed(tmp_path: Path) -> None:
    reached = asyncio.Event()

    @function_tool
    async def hang() -> str:
        """Hang."""
        reached.set()
        await asyncio.sleep(60)
        return "late"

    session = SQLiteSession("chat", tmp_path / "a.db")
    model = ScriptedModel([tool_call("look", {}), tool_call("hang", {})])
    run = await Runner.start(Agent(name="A", model=model, tools=[look, hang]), "hi", session=session)
    await reached.wait()
    await run.cancel()
    kinds = [item.get("role") or item["type"] for item in await session.get_items()]
    assert kinds == ["user", "function_call", "function_call_output"]


async def test_two_runs_at_once_tell_a_session_whole_turns(tmp_path: Path) -> None:
    session = SQLiteSession("chat", tmp_path / "a.db")
    agents = [Agent(name=name, model=ScriptedModel([tool_call("look", {}), name]), tools=[look]) for name in "AB"]
    await asyncio.gather(*(Runner.run(agent, agent.name, session=session) for agent in agents))
    items = await session.get_items()
    assert len(items) == 8
    calls = [place for place, item in enumerate(items) if item.get("type") == "function_call"]
    assert all(items[place + 1]["type"] == "function_call_output" for place in calls)


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    server = postgres_or_skip()
    yield server
    server.remove()


async def test_a_database_that_stops_in_the_middle_of_a_run_has_all_of_it_once(postgres: Postgres) -> None:
    @function_tool
    def stop() -> str:
        """Stop the database."""
        postgres.stop()
        return "stopped"

    session = SQLAlchemySession.from_url("chat", url=postgres.url, create_tables=True)
    agent = Agent(name="A", model=ScriptedModel([tool_call("stop", {}), "done"]), tools=[stop])
    run = await Runner.start(agent, "hi", session=session)
    async with asyncio.timeout(40):
        while "of session 'chat' cannot be used" not in (why := (await run.why()).sentence):  # noqa: ASYNC110  no event tells it
            await asyncio.sleep(0.2)
    assert "app@127.0.0.1" in why
    postgres.start()
    assert (await run.result()).final_output == "done"
    kinds = [item.get("role") or item["type"] for item in await session.get_items()]
    assert kinds == ["user", "function_call", "function_call_output", "assistant"]
    await session.engine.dispose()


async def test_a_database_with_a_password_is_opened_elsewhere_by_a_variables_name(
    tmp_path: Path, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAT_DATABASE", postgres.url.replace("app@", "app:secret@"))
    session = SQLAlchemySession.from_url("chat", url_variable="CHAT_DATABASE", create_tables=True)
    queue = f"sessions-{uuid.uuid4().hex[:8]}"
    async with worker(tmp_path / "worker", "served_by_variable", SERVED, queue):
        run = await Runner.start("Clerk", "hi", session=session, task_queue=queue)
        assert (await run.result()).final_output == "one"
    assert len(await session.get_items()) == 2
    await session.engine.dispose()
    said = await history(run.id)
    assert b"CHAT_DATABASE" in said
    assert b"secret" not in said


async def history(run_id: str) -> bytes:
    """All payloads of a run's history."""
    server = server_status()
    assert server is not None
    client = await Client.connect(server.address)
    told = (await client.get_workflow_handle(run_id).fetch_history()).to_json()
    return b"".join(base64.b64decode(data) for data in re.findall(r'"data": *"([A-Za-z0-9+/=]+)"', told))


SERVED = """
from pathlib import Path

from perdure import Agent, SQLiteSession
from perdure.testing import ScriptedModel

clerk = Agent(name="Clerk", model=ScriptedModel(["one", "two"]))
"""
FACTORY = (
    SERVED
    + """

def session_factory(session_id):
    return SQLiteSession(session_id, Path(__file__).with_name("made.db"))
"""
)


async def test_a_worker_elsewhere_opens_the_session_by_its_description(tmp_path: Path) -> None:
    session, queue = SQLiteSession("chat", tmp_path / "a.db"), f"sessions-{uuid.uuid4().hex[:8]}"
    async with worker(tmp_path / "worker", "served_clerk", SERVED, queue):
        for text in ("hi", "more"):
            run = await Runner.start("Clerk", text, session=session, task_queue=queue)
            result = await run.result()
    assert result.final_output == "two"
    assert len(await session.get_items()) == 4


async def test_a_workers_module_makes_the_session_of_an_id(tmp_path: Path) -> None:
    queue = f"sessions-{uuid.uuid4().hex[:8]}"
    async with worker(tmp_path / "worker", "served_factory", FACTORY, queue):
        run = await Runner.start("Clerk", "hi", session="chat", task_queue=queue)
        assert (await run.result()).final_output == "one"
    assert len(await SQLiteSession("chat", tmp_path / "worker" / "made.db").get_items()) == 2


async def test_a_worker_that_lacks_the_session_says_so(tmp_path: Path) -> None:
    queue = f"sessions-{uuid.uuid4().hex[:8]}"
    async with worker(tmp_path / "worker", "served_lacking", SERVED, queue):
        run = await Runner.start("Clerk", "hi", session="chat", task_queue=queue)
        assert "session_factory" in await said_by(run, "other worker")
        await run.cancel()
        with pytest.raises(RunCancelled):
            await run.result()


@pytest.mark.parametrize(
    ("session", "why"),
    [(SQLiteSession("chat"), "memory of this process"), (Odd("chat", "chat.db"), "a Odd cannot travel there")],
)
async def test_a_session_that_no_other_process_can_open_is_refused_for_an_agent_by_name(session: Any, why: str) -> None:
    with pytest.raises(UserError, match=why):
        await Runner.start("Clerk", "hi", session=session)


async def test_the_same_run_id_with_another_session_is_another_run(tmp_path: Path) -> None:
    agent, run_id = Agent(name="A", model=ScriptedModel(["done"])), f"sessions-{uuid.uuid4().hex[:8]}"
    one, other = (SQLiteSession(name, tmp_path / "a.db") for name in ("one", "other"))
    await Runner.run(agent, "hi", run_id=run_id, session=one)
    assert (await Runner.run(agent, "hi", run_id=run_id, session=one)).final_output == "done"
    with pytest.raises(UserError, match="was started with another input"):
        await Runner.run(agent, "hi", run_id=run_id, session=other)


async def test_a_run_that_waits_keeps_its_session(tmp_path: Path) -> None:
    @function_tool(needs_approval=True)
    def pay() -> str:
        """Pay."""
        return "paid"

    one, other = (SQLiteSession(name, tmp_path / "a.db") for name in ("one", "other"))
    agent = Agent(name="A", model=ScriptedModel([tool_call("pay", {}), "done"]), tools=[pay])
    result = await Runner.run(agent, "hi", session=one)
    state = result.to_state()
    state.approve(result.interruptions[0])
    with pytest.raises(UserError, match="was started with session 'one'"):
        await Runner.run(agent, state, session=other)
    assert (await Runner.run(agent, state)).final_output == "done"
    assert len(await one.get_items()) == 4
