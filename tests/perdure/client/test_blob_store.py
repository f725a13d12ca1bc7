"""Which blob store goes with a connection, and that it knows who uses it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from perdure.client.blob_stores import blob_store
from perdure.connection import connect


async def test_a_namespace_that_uses_a_store_is_noted_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = await connect()
    monkeypatch.setenv("PERDURE_BLOBS", str(tmp_path))
    elsewhere = replace(connection, namespace="prod", namespace_id="another-id", address="temporal:7233")
    for each in (connection, connection, elsewhere):
        store = blob_store(each)
        assert store is not None
        assert store.root == tmp_path
        known = store.users()
    assert known == {connection.namespace_id: f"default at {connection.address}", "another-id": "prod at temporal:7233"}
    assert connection.namespace_id


async def test_a_server_of_one_s_own_has_no_store_unless_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = await connect()
    monkeypatch.delenv("PERDURE_BLOBS", raising=False)
    embedded = blob_store(connection)
    assert embedded is not None
    assert embedded.root == connection.home / "blobs"
    assert blob_store(replace(connection, embedded=False)) is None
