"""`/readyz` of the webhooks: 503 while a topic cannot be read that should be, and only then."""

from typing import Any

import pytest
from aiohttp import ClientSession

from streams.webhooks.deliverer import MAX_WAITING
from streams.webhooks.payload import Event
from streams.webhooks.store import Store, StoredEvent, get_path
from tests.support.waiting import wait_until
from tests.webhooks.receiver import World

pytestmark = pytest.mark.broker


async def fetch_status(webhooks: Any) -> int:
    """What `/readyz` answers."""
    async with ClientSession() as http, http.get(f"{webhooks.server.url}/readyz") as response:
        return response.status


async def test_an_endpoint_with_many_waiting_events_is_ready(world: World) -> None:
    """It delivers them, and reads no topic meanwhile, not even at its start."""
    world.receiver.answers["/a"] = 503
    store = Store(get_path(world.settings.data_dir))
    events = [
        StoredEvent("status", 0, n, Event(f"msg_{n}", "wa.message.sent", f"+{n}", b'{"data":{}}'))
        for n in range(MAX_WAITING)
    ]
    store.add("a", events, "id", {}, world.now_s())
    store.close()
    async with world.deliver() as webhooks:

        async def is_ready() -> bool:
            return await fetch_status(webhooks) == 200

        await wait_until(is_ready)
        await wait_until(world.receiver.tried)
        assert not world.is_reading()
