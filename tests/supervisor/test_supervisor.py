"""All parts: their order, and their end."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from streams.operations.errors import Wrong
from streams.supervisor.service import Part, Readiness, State
from streams.supervisor.supervisor import Supervisor
from tests.cli.programs import STUBBORN, WAITS, plan, runs


async def test_the_youngest_rank_is_stopped_first(tmp_path: Path) -> None:
    """Who rests on others ends before them."""
    ended: list[str] = []

    def changed(part: Part) -> None:
        if part.state is State.STOPPED:
            ended.append(part.name)

    async with Supervisor(changed) as supervisor:
        for name in ("broker", "dispatcher", "sender"):
            supervisor.start(plan(name, WAITS, tmp_path))
        await supervisor.until_ready()
        assert supervisor.ready
        pids = [part.pid for part in supervisor.parts]
    assert ended == ["sender", "dispatcher", "broker"]
    assert not any(runs(pid) for pid in pids if pid)


async def test_one_that_fails_is_told_while_others_start(tmp_path: Path) -> None:
    """Nobody waits for the rest to become ready."""
    wrong = "import sys; print('port 9 is taken'); sys.exit(2)"
    async with Supervisor(lambda part: None) as supervisor:
        supervisor.start(plan("slow", WAITS, tmp_path, ready="never"))
        supervisor.start(plan("wrong", wrong, tmp_path, ready="never"))
        with pytest.raises(Wrong, match="wrong: port 9 is taken"):
            await supervisor.until_ready()


async def test_the_harder_way_waits_for_nobody(tmp_path: Path) -> None:
    """A second Ctrl-C: what would have had ten minutes of grace is gone at once."""
    async with Supervisor(lambda part: None) as supervisor:
        (part,) = supervisor.start(plan("one", STUBBORN, tmp_path, grace_s=600.0, ready="up"))
        await supervisor.until_ready()
        stopping = asyncio.create_task(supervisor.stop())
        await asyncio.sleep(0)
        supervisor.kill()
        await stopping
        assert part.state is State.STOPPED


async def test_a_fault_of_ours_is_not_swallowed(tmp_path: Path) -> None:
    """A question of readiness that raises ends everything, with that error, and leaves nothing."""
    asked: list[int] = []

    async def ready(pid: int) -> Readiness:
        asked.append(pid)
        raise ZeroDivisionError

    broken = replace(plan("one", WAITS, tmp_path), ready=ready)
    async with Supervisor(lambda part: None) as supervisor:
        supervisor.start(plan("two", WAITS, tmp_path), broken)
        with pytest.raises(ZeroDivisionError):
            await supervisor.until_broken()
    assert not any(map(runs, asked))
