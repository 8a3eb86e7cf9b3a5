"""A read model that follows the topics, for tests, and what it says of a message."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from streams.console.model import queries
from streams.console.model.database import ModelDamaged
from streams.console.model.read_model import ReadModel
from streams.system.tasks import cancel_tasks
from tests.console.world import PHONE, Topics
from tests.support.waiting import wait_until


@asynccontextmanager
async def follow(topics: Topics, path: Path, **options: Any) -> AsyncIterator[ReadModel]:
    """A read model that has read the topics."""
    settings = options.pop("settings", topics.settings)
    model = ReadModel(settings, path, now_s=lambda: topics.now_s, **options)
    task = asyncio.create_task(model.run())
    try:
        await wait_until(lambda: model.is_current)
        yield model
    finally:
        await cancel_tasks(task)


async def read_status(model: ReadModel, id: str, to: str = PHONE) -> str | None:
    """The status of a message; None if it is not there, or the file is being built."""
    try:
        row = await model.read(lambda connection: queries.find_message(connection, to, id))
    except ModelDamaged:
        return None
    return row["status"] if row else None


async def has_everything(model: ReadModel) -> bool:
    """Whether the messages of `Topics.fill` are there."""
    statuses = [await read_status(model, id) for id in ("sent-1", "waits-1")]
    return statuses == ["delivered", "queued"]
