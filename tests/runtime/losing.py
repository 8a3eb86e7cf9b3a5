"""Loses records and batches on their way from aiokafka to the agent, as a mistake of Faust would."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from faust.transport import consumer as faust_consumer


def lose_records(monkeypatch: pytest.MonkeyPatch, offsets: set[int]) -> None:
    """Lose these records of the source, once each, where Faust hands them on."""
    hand_on = faust_consumer.Consumer.getmany

    async def getmany(self: Any, timeout: float) -> AsyncIterator[Any]:
        async for partition, message in hand_on(self, timeout):
            if message.offset in offsets and not self._is_changelog_tp(partition):
                offsets.discard(message.offset)
            else:
                yield partition, message

    monkeypatch.setattr(faust_consumer.Consumer, "getmany", getmany)


def lose_batch(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """While the event is set, lose the next answer that holds anything, once."""
    losing = asyncio.Event()
    fetch = faust_consumer.ThreadDelegateConsumer._getmany

    async def getmany(self: Any, active: Any, timeout: float) -> Any:
        answers = await fetch(self, active, timeout)
        if losing.is_set() and answers:
            losing.clear()
            return {}
        return answers

    monkeypatch.setattr(faust_consumer.ThreadDelegateConsumer, "_getmany", getmany)
    return losing
