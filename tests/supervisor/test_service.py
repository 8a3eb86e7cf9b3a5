"""One part: started, watched, started again, stopped."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from streams.operations.errors import UsageError
from streams.supervisor.service import Service, ServiceSpec, ServiceState
from tests.cli.programs import SLEEPING_PROGRAM, STUBBORN_PROGRAM, is_running, make_spec, wait_until


@contextlib.asynccontextmanager
async def kept(plan: ServiceSpec) -> AsyncIterator[tuple[Service, list[str]]]:
    """A part that runs, and the states that it went through."""
    states: list[str] = []
    part = Service(plan, on_change=lambda each: states.append(each.state), jitter=lambda: 0.5)
    running = asyncio.create_task(part.run())
    try:
        yield part, states
    finally:
        await part.stop()
        await running


async def test_a_part_that_is_killed_is_started_again(tmp_path: Path) -> None:
    """Another process, one restart more, ready again."""
    async with kept(make_spec("one", SLEEPING_PROGRAM, tmp_path)) as (part, states):
        await part.wait_until_ready()
        first = part.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await wait_until(lambda: part.restarts == 1 and part.state is ServiceState.READY)
        assert part.pid != first
    assert states[:5] == ["starting", "starting", "ready", "backoff", "starting"]
    assert (states[-1], part.pid) == ("stopped", None)


async def test_a_wrong_setting_is_not_tried_again(tmp_path: Path) -> None:
    """Exit code 2 before it ever answered: failed, with its own last line."""
    code = "import sys; print('WA_X: must be 1'); sys.exit(2)"
    async with kept(make_spec("one", code, tmp_path, ready_text="never")) as (part, _):
        with pytest.raises(UsageError, match="one: WA_X: must be 1"):
            await part.wait_until_ready()
        assert (part.state, part.restarts) == (ServiceState.FAILED, 0)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (
            "2026-11-25 01:02:03,456 CRITICAL streams.runtime.exit_codes: it was made anew (exit 79, ANEW)",
            "ended with code 79, ANEW: it was made anew; starts again",
        ),
        (
            '{"level": "critical", "event": "it was made anew (exit 79, ANEW)", "extra": {}}',
            "ended with code 79, ANEW: it was made anew; starts again",
        ),
        (
            "the loop is stuck (exit 79, ANEW)",
            "ended with code 79, ANEW: the loop is stuck; starts",
        ),
        ("something else", "ended with code 79, ANEW; starts again"),
    ],
)
async def test_who_ends_by_itself_is_quoted(tmp_path: Path, said: str, why: str) -> None:
    """Whoever looks at `ps` need not open a log to know what happened."""
    code = f"import sys; print({said!r}); print('later'); sys.exit(79)"
    ending = replace(make_spec("one", code, tmp_path, ready_text="never"), exit_names={79: "ANEW"})
    async with kept(ending) as (part, _):
        await wait_until(lambda: part.state is ServiceState.BACKOFF)
        assert part.reason.startswith(why)


async def test_what_has_answered_once_is_always_tried_again(tmp_path: Path) -> None:
    """Then exit code 2 is a trouble of the moment."""
    code = "import sys, time; print('ready', flush=True); time.sleep(0.5); sys.exit(2)"
    async with kept(make_spec("one", code, tmp_path, ready_text="ready")) as (part, states):
        await wait_until(lambda: part.restarts >= 2)
        assert "failed" not in states


async def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    """Nothing runs, and the reason names it."""
    found = make_spec("one", SLEEPING_PROGRAM, tmp_path)

    async def start() -> None:
        raise FileNotFoundError(2, "No such file or directory", "/nowhere/java")

    missing = ServiceSpec(
        name="one",
        start=start,
        probe=found.probe,
        log=found.log,
        grace_s=1.0,  # type: ignore[arg-type]
    )
    async with kept(missing) as (part, _):
        with pytest.raises(UsageError, match="/nowhere/java"):
            await part.wait_until_ready()


async def test_one_that_does_not_end_is_killed(tmp_path: Path) -> None:
    """After its grace, with all of its group."""
    async with kept(make_spec("one", STUBBORN_PROGRAM, tmp_path, grace_s=0.3, ready_text="up")) as (
        part,
        _,
    ):
        await part.wait_until_ready()
        pid = part.pid
        assert pid is not None
    assert not is_running(pid)


async def test_one_that_falls_ill_is_not_ready(tmp_path: Path) -> None:
    """Its own answer counts at any time, not only at the start."""
    found = make_spec("one", SLEEPING_PROGRAM, tmp_path, ready_text="ready")
    found.log.write_text("ready")
    async with kept(found) as (part, _):
        await part.wait_until_ready()
        found.log.write_text("")
        await wait_until(lambda: part.state is ServiceState.STARTING)
        assert part.reason == "says nothing"
        assert part.restarts == 0
