"""`perdure setup`: a namespace is made ready, once."""

from __future__ import annotations

import pytest
from google.protobuf.duration_pb2 import Duration
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client

from perdure.cli.server_readiness import list_gaps
from perdure.connection import missing_search_attributes
from perdure.search_attributes import REGISTERED, missing
from tests.cli.conftest import Shop
from tests.namespaces import until_known


@pytest.mark.thorough
async def test_a_namespace_is_given_the_search_attributes_that_it_lacks_and_is_left_then(shop: Shop) -> None:
    shop.perdure("server", "start")
    at = shop.perdure("server", "status", "--json").json["address"]
    client = await Client.connect(at, namespace="bare")
    await client.workflow_service.register_namespace(
        RegisterNamespaceRequest(namespace="bare", workflow_execution_retention_period=Duration(seconds=7 * 86400))
    )
    here = {"TEMPORAL_ADDRESS": at, "TEMPORAL_NAMESPACE": "bare"}
    await until_known(client)
    first = shop.perdure("setup", "--json", **here)
    assert first.json == {"namespace": "bare", "registered": list(REGISTERED), "search_attributes": list(REGISTERED)}
    assert await missing_search_attributes(client) == {}
    again = shop.perdure("setup", **here)
    assert (again.code, again.out.split(":")[0]) == (0, "Namespace bare at 127.0.0.1")
    assert "has them all" in again.out
    assert (await client.count_workflows('PerdureStatus = "running"')).count == 0


async def test_the_embedded_server_has_them_from_its_start(shop: Shop) -> None:
    shop.perdure("server", "start")
    client = await Client.connect(shop.perdure("server", "status", "--json").json["address"])
    assert await missing_search_attributes(client) == {}


def test_one_of_another_type_is_missing() -> None:
    assert missing({**REGISTERED, "Another": 1}.items()) == {}
    assert missing({**REGISTERED, "PerdureStatus": 1}.items()) == {"PerdureStatus": 2}


def test_a_worker_says_which_are_missing_and_how_to_register_them() -> None:
    (gap,) = list_gaps("shop", {"PerdureStatus": 2})
    assert not gap.stops
    assert "`perdure setup`" in gap.text
    assert (
        "`temporal operator search-attribute create --namespace shop --name PerdureStatus --type Keyword`" in gap.text
    )
    assert list(list_gaps("shop", {})) == []
