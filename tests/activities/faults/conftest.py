"""The providers that fail: llmock in a process of its own, and for what it cannot do a server on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.activities.faults.mock import Mock
from tests.activities.loopback import KEY, Loopback
from tests.thoroughness import is_sampled


@pytest.fixture(scope="session")
def mock_process() -> Iterator[Mock]:
    with Mock() as mock:
        yield mock


@pytest.fixture
def mock(mock_process: Mock, monkeypatch: pytest.MonkeyPatch) -> Mock:
    mock_process.reset()
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", f"{mock_process.origin}/v1")
    return mock_process


@pytest_asyncio.fixture
async def loopback(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Loopback]:
    async with Loopback() as server:
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        yield server


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`make test` plays some of the faults of each kind, `make replayed` all of them."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and not is_sampled(item.nodeid, 3):
            item.add_marker(pytest.mark.thorough)
