"""Whether Chromium's own sandbox works is tried, and only Chromium's own words turn it off."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.whatsapp.install import chromium_sandbox
from streams.whatsapp.install.chromium_sandbox import ROOT_REASON, find_obstacle
from streams.whatsapp.install.executable import Executable, find_chromium

NO_SANDBOX_LINE = (
    "[1127/0233:ERROR:content/browser/zygote_host/zygote_host_impl_linux.cc:130] No usable sandbox! If "
    "this is a Debian system, please install the chromium-sandbox package to solve this problem."
)
CONTAINER_LINE = (
    "Failed to move to new namespace: PID namespaces supported, errno = Operation not permitted"
)
CHROOT_LINE = (
    "[FATAL:sandbox/linux/services/credentials.cc:131] Check failed: . : Operation not permitted"
)
# Another user without privileges, whom the system's own Chromium lets in.
_AS_NOBODY = "setpriv --reuid 65534 --regid 65534 --clear-groups"


@pytest.fixture(autouse=True)
def not_root(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The user is not root, and nothing has been tried yet."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    chromium_sandbox._try_once.cache_clear()  # pyright: ignore[reportPrivateUsage]
    yield
    chromium_sandbox._try_once.cache_clear()  # pyright: ignore[reportPrivateUsage]


def write_program(folder: Path, lines: str) -> Executable:
    """A program that takes the place of Chromium."""
    program = folder / "chromium"
    program.write_text(f"#!/bin/sh\n{lines}\n")
    program.chmod(0o755)
    return Executable(program, headless_shell=True)


async def test_root_has_no_sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chromium refuses it for root, so nothing is tried."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    program = write_program(tmp_path, f"touch {tmp_path}/tried")
    assert await find_obstacle(program) == ROOT_REASON
    assert not (tmp_path / "tried").exists()


async def test_a_browser_that_works_keeps_its_sandbox(tmp_path: Path) -> None:
    """It is tried with its sandbox, once."""
    program = write_program(tmp_path, f'echo "$@" >> {tmp_path}/tried')
    assert [await find_obstacle(program), await find_obstacle(program)] == [None, None]
    (arguments,) = (tmp_path / "tried").read_text().splitlines()
    assert "--headless" in arguments and "--no-sandbox" not in arguments


@pytest.mark.parametrize("line", [NO_SANDBOX_LINE, CONTAINER_LINE, CHROOT_LINE])
async def test_a_system_that_refuses_it_is_named(tmp_path: Path, line: str) -> None:
    """The answer says what to allow, in one line."""
    program = write_program(tmp_path, f"echo '{line}' >&2; exit 1")
    obstacle = await find_obstacle(program)
    assert obstacle is not None
    assert "user namespaces" in obstacle and "\n" not in obstacle


async def test_another_failure_does_not_turn_it_off(tmp_path: Path) -> None:
    """A browser that lacks a library fails with its sandbox and without it."""
    program = write_program(tmp_path, "echo 'error while loading shared libraries' >&2; exit 127")
    assert await find_obstacle(program) is None


async def test_a_browser_that_hangs_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it has said until then counts."""
    monkeypatch.setattr(chromium_sandbox, "TRY_TIMEOUT_S", 0.3)
    program = write_program(tmp_path, f"echo '{CHROOT_LINE}' >&2; sleep 600")
    assert await find_obstacle(program) is not None


@pytest.mark.browser
@pytest.mark.parametrize("is_allowed", [True, False])
async def test_chromium_says_what_is_expected(tmp_path: Path, is_allowed: bool) -> None:
    """The real browser of another user works with its sandbox, and names it where namespaces are forbidden."""
    chromium = find_chromium(os.environ.get("WA_BROWSER_EXECUTABLE")).path
    if os.getuid() != 0 or not str(chromium).startswith("/usr/") or not shutil.which("setpriv"):
        pytest.skip("needs root, to become another user who can run Chromium")
    if subprocess.run([*_AS_NOBODY.split(), "unshare", "-U", "true"], check=False).returncode != 0:
        pytest.skip("this system has no user namespaces for other users")
    profile = tmp_path / "profile"
    profile.mkdir()
    profile.chmod(0o777)
    for parent in tmp_path.parents[:2]:
        parent.chmod(0o755)
    tmp_path.chmod(0o755)
    run = f'{chromium} "$@" --user-data-dir={profile}'
    forbid = (
        "echo 0 > /proc/sys/user/max_user_namespaces; setpriv --ambient-caps -all --inh-caps -all"
    )
    (tmp_path / "run").write_text(f"#!/bin/sh\n{run if is_allowed else f'{forbid} {run}'}\n")
    (tmp_path / "run").chmod(0o755)
    inside = "" if is_allowed else "unshare -U --map-user=65534 --keep-caps"
    program = write_program(tmp_path, f'exec {_AS_NOBODY} {inside} {tmp_path}/run "$@"')
    assert (await find_obstacle(program) is None) is is_allowed
