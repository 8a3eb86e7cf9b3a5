"""All parts: their order, and their end."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from streams.operations.errors import UsageError
from streams.supervisor.service import Readiness, Service, ServiceState
from streams.supervisor.supervisor import Supervisor
from tests.supervisor.programs import SLEEPING_PROGRAM, STUBBORN_PROGRAM, is_running, make_spec


async def test_the_youngest_rank_is_stopped_first(tmp_path: Path) -> None:
    """Who rests on others ends before them."""
    ended: list[str] = []

    def changed(part: Service) -> None:
        if part.state is ServiceState.STOPPED:
            ended.append(part.name)

    async with Supervisor(changed) as supervisor:
        for name in ("broker", "dispatcher", "sender"):
            supervisor.start(make_spec(name, SLEEPING_PROGRAM, tmp_path))
        await supervisor.wait_until_ready()
        assert supervisor.is_ready
        pids = [part.pid for part in supervisor.services]
    assert ended == ["sender", "dispatcher", "broker"]
    assert not any(is_running(pid) for pid in pids if pid)


async def test_one_that_fails_is_told_while_others_start(tmp_path: Path) -> None:
    """Nobody waits for the rest to become ready."""
    wrong = "import sys; print('port 9 is taken'); sys.exit(2)"
    async with Supervisor(lambda part: None) as supervisor:
        supervisor.start(make_spec("slow", SLEEPING_PROGRAM, tmp_path, ready_text="never"))
        supervisor.start(make_spec("wrong", wrong, tmp_path, ready_text="never"))
        with pytest.raises(UsageError, match="wrong: port 9 is taken"):
            await supervisor.wait_until_ready()


async def test_the_harder_way_waits_for_nobody(tmp_path: Path) -> None:
    """A second Ctrl-C: what would have had ten minutes of grace is gone at once."""
    async with Supervisor(lambda part: None) as supervisor:
        (part,) = supervisor.start(
            make_spec("one", STUBBORN_PROGRAM, tmp_path, grace_s=600.0, ready_text="up")
        )
        await supervisor.wait_until_ready()
        stopping = asyncio.create_task(supervisor.stop())
        await asyncio.sleep(0)
        supervisor.kill()
        await stopping
        assert part.state is ServiceState.STOPPED


async def test_a_fault_of_ours_is_not_swallowed(tmp_path: Path) -> None:
    """A question of readiness that raises ends everything, with that error, and leaves nothing."""
    asked: list[int] = []

    async def ready(pid: int) -> Readiness:
        asked.append(pid)
        raise ZeroDivisionError

    broken = replace(make_spec("one", SLEEPING_PROGRAM, tmp_path), probe=ready)
    async with Supervisor(lambda part: None) as supervisor:
        supervisor.start(make_spec("two", SLEEPING_PROGRAM, tmp_path), broken)
        with pytest.raises(ZeroDivisionError):
            await supervisor.wait_for_failure()
    assert not any(map(is_running, asked))
