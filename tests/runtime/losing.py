"""Loses records and batches on their way from aiokafka to the agent, as a mistake of Faust would."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from faust.transport import consumer as faust_consumer


def lose_records(monkeypatch: pytest.MonkeyPatch, offsets: set[int]) -> None:
    """Lose these records of the source, once each, where Faust passes them on."""
    original_getmany = faust_consumer.Consumer.getmany

    async def getmany(self: Any, timeout: float) -> AsyncIterator[Any]:
        async for partition, message in original_getmany(self, timeout):
            if message.offset in offsets and not self._is_changelog_tp(partition):
                offsets.discard(message.offset)
            else:
                yield partition, message

    monkeypatch.setattr(faust_consumer.Consumer, "getmany", getmany)


def lose_batch(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Lose the next batch that holds anything, once, after the event is set. Losing it clears the event."""
    losing = asyncio.Event()
    fetch = faust_consumer.ThreadDelegateConsumer._getmany

    async def getmany(self: Any, active: Any, timeout: float) -> Any:
        batches = await fetch(self, active, timeout)
        if losing.is_set() and batches:
            losing.clear()
            return {}
        return batches

    monkeypatch.setattr(faust_consumer.ThreadDelegateConsumer, "_getmany", getmany)
    return losing
