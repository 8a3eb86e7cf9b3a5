"""Finding a Chromium, in a tree of empty programs. No browser is started."""

from pathlib import Path

import pytest

from streams.whatsapp.errors import BrowserMissing
from streams.whatsapp.install import executable
from streams.whatsapp.install.executable import Executable


def program(path: Path, script: str = "exit 0") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty system, without a download of Playwright's."""
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path / "downloads"))
    return tmp_path / "root"


def test_the_real_binary_of_the_headless_shell_is_taken(root: Path) -> None:
    """The wrapper script in /usr/bin is not taken: its end would leave the browser alive."""
    program(root / "usr/bin/chromium-headless-shell")
    real = program(root / "usr/lib/chromium/chromium-headless-shell")
    assert executable.find_chromium(None, root=root) == Executable(real, headless_shell=True)


def test_the_full_browser_is_taken_when_it_is_preferred_or_alone(root: Path) -> None:
    """The headless shell comes first unless the caller says otherwise."""
    full = program(root / "usr/lib/chromium/chromium")
    assert executable.find_chromium(None, root=root) == Executable(full, headless_shell=False)
    program(root / "usr/lib/chromium/chromium-headless-shell")
    assert executable.find_chromium(None, root=root).headless_shell
    assert executable.find_chromium(None, root=root, prefer_shell=False).path == full


def test_playwrights_download_comes_before_the_systems(root: Path, tmp_path: Path) -> None:
    """Only the revision that belongs to this Playwright is taken."""
    program(root / "usr/lib/chromium/chromium-headless-shell")
    inside = "chrome-headless-shell-linux64/chrome-headless-shell"
    program(tmp_path / "downloads" / "chromium_headless_shell-1" / inside)
    assert executable.find_chromium(None, root=root).path.is_relative_to(root)
    revision = executable._read_revision("chromium-headless-shell")
    current = program(tmp_path / "downloads" / f"chromium_headless_shell-{revision}" / inside)
    assert executable.find_chromium(None, root=root) == Executable(current, headless_shell=True)


def test_playwrights_download_is_found_in_the_users_cache(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Playwright downloads into $XDG_CACHE_HOME when it is set."""
    monkeypatch.delenv("PLAYWRIGHT_BROWSERS_PATH")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    revision = executable._read_revision("chromium-headless-shell")
    inside = "chrome-headless-shell-linux64/chrome-headless-shell"
    folder = tmp_path / "cache/ms-playwright" / f"chromium_headless_shell-{revision}"
    download = program(folder / inside)
    assert executable.find_chromium(None, root=root) == Executable(download, headless_shell=True)


def test_a_configured_browser_is_taken_or_refused(root: Path, tmp_path: Path) -> None:
    """A setting is never silently replaced by another browser."""
    program(root / "usr/lib/chromium/chromium-headless-shell")
    configured = program(tmp_path / "other-chrome")
    assert executable.find_chromium(str(configured), root=root) == Executable(
        configured, headless_shell=False
    )
    with pytest.raises(BrowserMissing, match=r"WA_BROWSER_EXECUTABLE=/no/chrome"):
        executable.find_chromium("/no/chrome", root=root)


def test_without_a_browser_the_error_says_what_to_do(root: Path) -> None:
    """The error is one line with the commands."""
    with pytest.raises(BrowserMissing, match=r"playwright install .* or set WA_BROWSER_EXECUTABLE"):
        executable.find_chromium(None, root=root)


async def test_version(tmp_path: Path) -> None:
    """It is the number that the program prints; a program that fails is not a browser."""
    good = program(tmp_path / "good", "echo Chromium 156.0.8078.79 built on Debian")
    assert await executable.read_version(Executable(good, True)) == "156.0.8078.79"
    bad = program(tmp_path / "bad", "echo Chromium 156.0.8078.79; exit 1")
    with pytest.raises(BrowserMissing, match="does not run as a Chromium"):
        await executable.read_version(Executable(bad, True))
