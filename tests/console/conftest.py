"""What the tests of the console share."""

from collections.abc import AsyncIterator

import pytest_asyncio

from streams.settings import Settings
from tests.console.world import Topics


@pytest_asyncio.fixture
async def topics(settings: Settings) -> AsyncIterator[Topics]:
    """Filled topics."""
    async with Topics.open(settings) as topics:
        await topics.fill()
        yield topics
