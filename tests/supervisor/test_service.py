"""One service: started, watched, restarted, stopped."""

import asyncio
import contextlib
import errno
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from streams.operations.errors import UsageError
from streams.supervisor.service import Service, ServiceSpec, ServiceState
from streams.system.processes import is_running
from tests.supervisor.programs import SLEEPING_PROGRAM, STUBBORN_PROGRAM, make_spec, wait_until


@contextlib.asynccontextmanager
async def running(spec: ServiceSpec) -> AsyncIterator[tuple[Service, list[str]]]:
    """A service that runs, and the states that it has had."""
    states: list[str] = []
    service = Service(
        spec, on_change=lambda changed: states.append(changed.state), jitter=lambda: 0.5
    )
    run_task = asyncio.create_task(service.run())
    try:
        yield service, states
    finally:
        await service.stop()
        await run_task


async def test_a_killed_service_is_restarted(tmp_path: Path) -> None:
    """It has another process, one more restart, and is ready again."""
    async with running(make_spec("one", SLEEPING_PROGRAM, tmp_path)) as (service, states):
        await service.wait_until_ready()
        first = service.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await wait_until(lambda: service.restarts == 1 and service.state is ServiceState.READY)
        assert service.pid != first
    assert states[:5] == ["starting", "starting", "ready", "backoff", "starting"]
    assert (states[-1], service.pid) == ("stopped", None)


async def test_a_wrong_setting_is_not_retried(tmp_path: Path) -> None:
    """Exit code 2 before it was ever up: it has failed, for the reason in its last line."""
    code = "import sys; print('WA_X: must be 1'); sys.exit(2)"
    async with running(make_spec("one", code, tmp_path, ready_text="never")) as (service, _):
        with pytest.raises(UsageError, match="one: WA_X: must be 1"):
            await service.wait_until_ready()
        assert (service.state, service.restarts) == (ServiceState.FAILED, 0)


@pytest.mark.parametrize(
    ("last_line", "reason"),
    [
        (
            "2026-11-25 01:02:03,456 CRITICAL streams.runtime.exit_codes: it was recreated (exit 79, RECREATED)",
            "exited with code 79, RECREATED: it was recreated; restart in",
        ),
        (
            '{"level": "critical", "event": "it was recreated (exit 79, RECREATED)", "extra": {}}',
            "exited with code 79, RECREATED: it was recreated; restart in",
        ),
        (
            "the loop is stuck (exit 79, RECREATED)",
            "exited with code 79, RECREATED: the loop is stuck; restart in",
        ),
        ("something else", "exited with code 79, RECREATED; restart in"),
    ],
)
async def test_the_logged_reason_of_an_exit_is_shown(
    tmp_path: Path, last_line: str, reason: str
) -> None:
    """`ps` shows it, so nobody must open the log."""
    code = f"import sys; print({last_line!r}); print('later'); sys.exit(79)"
    spec = replace(
        make_spec("one", code, tmp_path, ready_text="never"), exit_names={79: "RECREATED"}
    )
    async with running(spec) as (service, _):
        await wait_until(lambda: service.state is ServiceState.BACKOFF)
        assert service.reason.startswith(reason)


async def test_a_service_that_was_up_is_always_restarted(tmp_path: Path) -> None:
    """Then exit code 2 does not mean a wrong setting."""
    code = "import sys, time; print('ready', flush=True); time.sleep(0.5); sys.exit(2)"
    async with running(make_spec("one", code, tmp_path, ready_text="ready")) as (service, states):
        await wait_until(lambda: service.restarts >= 2)
        assert "failed" not in states


async def test_a_full_disk_is_not_a_wrong_setting(tmp_path: Path) -> None:
    """The service is tried again with back-off, and the reason says what to do."""
    spec = make_spec("one", SLEEPING_PROGRAM, tmp_path)
    reasons: list[str] = []

    async def start() -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/data/logs/one.log")

    full = replace(spec, start=start)  # type: ignore[arg-type]
    async with running(full) as (service, states):
        await wait_until(lambda: reasons.append(service.reason) or service.restarts >= 1)
        assert "failed" not in states
    assert any(
        reason.startswith("the disk of /data/logs/one.log is full: free some space")
        for reason in reasons
    )


async def test_a_missing_program_is_named(tmp_path: Path) -> None:
    """The service has failed, and the reason is the path."""
    spec = make_spec("one", SLEEPING_PROGRAM, tmp_path)

    async def start() -> None:
        raise FileNotFoundError(2, "No such file or directory", "/nowhere/java")

    missing = ServiceSpec(
        name="one",
        start=start,
        probe=spec.probe,
        log=spec.log,
        grace_s=1.0,  # type: ignore[arg-type]
    )
    async with running(missing) as (service, _):
        with pytest.raises(UsageError, match="/nowhere/java"):
            await service.wait_until_ready()


async def test_a_service_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    """It is killed after its grace period."""
    async with running(
        make_spec("one", STUBBORN_PROGRAM, tmp_path, grace_s=0.3, ready_text="up")
    ) as (
        service,
        _,
    ):
        await service.wait_until_ready()
        pid = service.pid
        assert pid is not None
    assert not is_running(pid)


async def test_readiness_is_probed_all_the_time(tmp_path: Path) -> None:
    """A service that stops being ready is starting again, without a restart."""
    spec = make_spec("one", SLEEPING_PROGRAM, tmp_path, ready_text="ready")
    spec.log.write_text("ready")
    async with running(spec) as (service, _):
        await service.wait_until_ready()
        spec.log.write_text("")
        await wait_until(lambda: service.state is ServiceState.STARTING)
        assert service.reason == "its log is empty"
        assert service.restarts == 0
