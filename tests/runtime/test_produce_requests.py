"""The producer's requests: none is larger than a broker takes."""

import random
from typing import Any

import pytest
from aiokafka.protocol.produce import ProduceRequest

from streams.runtime import producer as producer_module
from streams.runtime.publisher import OutgoingRecord
from tests.runtime.reading import add_reader
from tests.runtime.world import World, run_app

pytestmark = pytest.mark.broker


async def test_a_request_has_a_limited_size(world: World, monkeypatch: pytest.MonkeyPatch):
    """A broker refuses a larger one without an answer, and it would be repeated for ever."""
    monkeypatch.setattr(producer_module, "_MAX_REQUEST_BYTES", 2000)
    app = add_reader(world.make_app(), world, [])
    async with run_app(app):
        client: Any = app.typed_producer.client.client
        sizes: list[int] = []
        send = client.send

        async def noted(node: Any, request: Any, **options: Any) -> Any:
            if isinstance(request, ProduceRequest):
                sizes.append(sum(len(batch) for _, parts in request._topics for _, batch in parts))
            return await send(node, request, **options)

        client.send = noted
        records = [
            OutgoingRecord(world.topics.status, random.randbytes(1500), b"k", partition)
            for partition in range(4)
        ]
        assert len(await app.publisher.publish_all(records)) == len(records)
    assert len(sizes) >= len(records)
    assert max(sizes) < 2000
