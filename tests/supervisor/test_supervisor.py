"""All services: their order, and their end."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from streams.operations.errors import UsageError
from streams.supervisor.service import Readiness, Service, ServiceState
from streams.supervisor.supervisor import Supervisor
from streams.system.processes import is_running
from tests.supervisor.programs import SLEEPING_PROGRAM, STUBBORN_PROGRAM, make_spec


async def test_the_last_started_group_is_stopped_first(tmp_path: Path) -> None:
    """A service stops before those that it needs."""
    stopped: list[str] = []

    def on_change(service: Service) -> None:
        if service.state is ServiceState.STOPPED:
            stopped.append(service.name)

    async with Supervisor(on_change) as supervisor:
        for name in ("broker", "dispatcher", "sender"):
            supervisor.start(make_spec(name, SLEEPING_PROGRAM, tmp_path))
        await supervisor.wait_until_ready()
        assert supervisor.is_ready
        pids = [service.pid for service in supervisor.services]
    assert stopped == ["sender", "dispatcher", "broker"]
    assert not any(is_running(pid) for pid in pids if pid)


async def test_a_failed_service_ends_the_wait_for_all(tmp_path: Path) -> None:
    """The wait ends even while another service is still starting."""
    wrong = "import sys; print('port 9 is taken'); sys.exit(2)"
    async with Supervisor(lambda service: None) as supervisor:
        supervisor.start(make_spec("slow", SLEEPING_PROGRAM, tmp_path, ready_text="never"))
        supervisor.start(make_spec("wrong", wrong, tmp_path, ready_text="never"))
        with pytest.raises(UsageError, match="wrong: port 9 is taken"):
            await supervisor.wait_until_ready()


async def test_a_kill_waits_for_no_grace_period(tmp_path: Path) -> None:
    """After a second Ctrl-C a service with ten minutes of grace ends at once."""
    async with Supervisor(lambda service: None) as supervisor:
        (service,) = supervisor.start(
            make_spec("one", STUBBORN_PROGRAM, tmp_path, grace_s=600.0, ready_text="up")
        )
        await supervisor.wait_until_ready()
        stop_task = asyncio.create_task(supervisor.stop())
        await asyncio.sleep(0)
        supervisor.kill()
        await stop_task
        assert service.state is ServiceState.STOPPED


async def test_a_bug_is_not_swallowed(tmp_path: Path) -> None:
    """The error of a probe ends everything, and no process is left."""
    probed_pids: list[int] = []

    async def probe(pid: int) -> Readiness:
        probed_pids.append(pid)
        raise ZeroDivisionError

    broken = replace(make_spec("one", SLEEPING_PROGRAM, tmp_path), probe=probe)
    async with Supervisor(lambda service: None) as supervisor:
        supervisor.start(make_spec("two", SLEEPING_PROGRAM, tmp_path), broken)
        with pytest.raises(ZeroDivisionError):
            await supervisor.wait_for_failure()
    assert not any(map(is_running, probed_pids))
