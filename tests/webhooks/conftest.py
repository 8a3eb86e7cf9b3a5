"""What the tests of webhooks share."""

from collections.abc import AsyncIterator

import pytest_asyncio

from streams.settings import Settings
from tests.webhooks.receiver import World, open_world


@pytest_asyncio.fixture
async def world(settings: Settings) -> AsyncIterator[World]:
    """Topics without records, and a receiver."""
    async with open_world(settings) as world:
        yield world
