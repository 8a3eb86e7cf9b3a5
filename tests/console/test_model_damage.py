"""The file of the read model is lost in every way, and is built again from the topics."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.console.models import follow, has_everything, read_status
from tests.console.world import Topics
from tests.support.waiting import wait_until

pytestmark = pytest.mark.broker


def _delete(path: Path) -> None:
    path.unlink()


def _overwrite(path: Path) -> None:
    path.write_bytes(b"not a database " * 4096)


def _change_version(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA user_version = 999")


def _drop_table(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DROP TABLE messages")


@pytest.mark.parametrize("damage", [_delete, _overwrite, _change_version, _drop_table])
async def test_a_damaged_file_is_built_again_at_the_start(
    topics: Topics, tmp_path: Path, damage: Any
) -> None:
    """Whatever happened to it while no console ran."""
    async with follow(topics, tmp_path / "model"):
        pass
    damage(tmp_path / "model")
    await topics.put_event("new", "accepted", 1.0)
    async with follow(topics, tmp_path / "model") as model:
        await wait_until(lambda: has_everything(model))
        assert await read_status(model, "new") == "accepted"


@pytest.mark.parametrize("damage", [_delete, _overwrite])
async def test_a_file_that_is_damaged_while_it_is_open_is_built_again(
    topics: Topics, tmp_path: Path, damage: Any
) -> None:
    """It is noticed at the next record or look, unless the log beside the file still has every page."""
    async with follow(topics, tmp_path / "model") as model:
        damage(tmp_path / "model")
        await topics.put_event("new", "accepted", 1.0)
        await wait_until(lambda: read_status(model, "new"))
        await wait_until(lambda: has_everything(model))


async def test_a_locked_file_is_replaced(
    topics: Topics, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that never lets go of it does not stop the console."""
    monkeypatch.setattr("streams.console.model.database._LOCK_TIMEOUT_S", 0.1)
    async with follow(topics, tmp_path / "model"):
        pass
    with closing(sqlite3.connect(tmp_path / "model", isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        async with follow(topics, tmp_path / "model") as model:
            await wait_until(lambda: has_everything(model))
            assert model.rebuilds == 1


async def test_topics_that_were_created_again_are_read_from_their_beginning(
    topics: Topics, tmp_path: Path
) -> None:
    """The old positions mean nothing there, and the old rows are not of this service."""
    async with follow(topics, tmp_path / "model"):
        pass
    with closing(sqlite3.connect(tmp_path / "model")) as connection, connection:
        connection.execute("UPDATE topics SET topic_id = 'another' WHERE topic LIKE '%.status'")
        connection.execute("UPDATE messages SET status = 'failed'")
    async with follow(topics, tmp_path / "model") as model:
        await wait_until(lambda: has_everything(model))
        assert model.rebuilds == 1
