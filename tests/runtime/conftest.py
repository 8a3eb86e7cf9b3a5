"""Fixtures of the runtime tests."""

from collections.abc import AsyncIterator

import pytest

from streams.settings import Settings
from tests.runtime.world import World, create_world


@pytest.fixture
async def world(settings: Settings) -> AsyncIterator[World]:
    """Topics of its own on the session's broker."""
    async with create_world(settings) as made:
        yield made
