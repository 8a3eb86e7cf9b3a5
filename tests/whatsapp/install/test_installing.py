"""Installing a browser, with installers that are small scripts. No network, no browser."""

import subprocess
import sys
from pathlib import Path

import pytest

from streams.whatsapp.errors import BrowserMissing
from streams.whatsapp.install import executable, installing


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_each_line_of_an_installer_is_passed_on_once(tmp_path: Path) -> None:
    """The traces of an error, which are indented, and the lines that each attempt repeats are not."""
    installer = script(
        tmp_path / "installer", "echo try; echo '  at x'; echo; echo try >&2; exit 3"
    )
    lines: list[str] = []
    assert installing.run_installer([str(installer)], lines.append) == 3
    assert lines == [f"$ {installer}", "try"]


def test_an_installer_that_does_not_exist() -> None:
    """The exit code is 127, as in a shell."""
    lines: list[str] = []
    assert installing.run_installer(["/no/such/installer"], lines.append) == 127
    assert "No such file" in lines[-1]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without a browser, whose downloads fail at once; the user is root and has an own apt-get."""
    programs = tmp_path / "bin"
    programs.mkdir()
    shell = tmp_path / "chromium-headless-shell"
    monkeypatch.setattr(executable, "_SYSTEM_SHELL_PATHS", (str(shell.relative_to("/")),))
    monkeypatch.setattr(executable, "_SYSTEM_FULL_PATHS", ())
    monkeypatch.setattr(executable.os, "geteuid", lambda: 0)
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path / "downloads"))
    monkeypatch.setenv("PLAYWRIGHT_DOWNLOAD_HOST", "http://127.0.0.1:9")
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    return tmp_path


def test_debians_package_comes_after_playwrights_download(machine: Path) -> None:
    """Debian's package is installed when the download fails, and its program is found."""
    installed = machine / "chromium-headless-shell"
    text = f"case $* in *install*chromium-headless-shell) cp {machine}/new {installed};; esac"
    script(machine / "new", "echo Chromium 156.0.8078.79")
    script(machine / "bin" / "apt-get", text)
    lines: list[str] = []
    assert executable.install_chromium(None, lines.append).path == installed
    commands = [line.split()[1:] for line in lines if line.startswith("$")]
    assert [" ".join(words)[-34:] for words in commands][-1].endswith("chromium-headless-shell")
    assert "playwright" in commands[0]


def test_debians_package_is_not_installed_unless_the_caller_allows_it(machine: Path) -> None:
    """A first use changes the user's cache, but not the machine."""
    script(machine / "bin" / "apt-get", f"touch {machine}/called")
    with pytest.raises(BrowserMissing, match="wa-streams setup"):
        executable.install_chromium(None, lambda _: None, with_system_package=False)
    assert not (machine / "called").exists()


def test_a_failed_installation_says_what_to_do(machine: Path) -> None:
    """One line names the ways to get a browser."""
    script(machine / "bin" / "apt-get", "exit 100")
    with pytest.raises(BrowserMissing, match="apt-get install chromium-headless-shell"):
        executable.install_chromium(None, lambda _: None)


def test_an_installed_browser_is_not_fetched_again(machine: Path) -> None:
    """No installer runs, and there is no progress."""
    shell = script(machine / "chromium-headless-shell", "echo Chromium 156.0.8078.79")
    lines: list[str] = []
    assert executable.install_chromium(None, lines.append).path == shell
    assert executable.install_chromium(str(shell), lines.append).path == shell
    assert lines == []


@pytest.mark.parametrize(
    ("module", "variable", "expected"),
    [
        ("streams.whatsapp.install.executable", "/no/chrome", "WA_BROWSER_EXECUTABLE=/no/chrome"),
        ("streams.whatsapp.install.executable", sys.executable, sys.executable),
        ("streams.whatsapp.install.bundle", "", "wppconnect-wa.js"),
    ],
)
def test_the_commands(
    module: str, variable: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They print where it is, or end with 2 and one line on stderr."""
    monkeypatch.setenv("WA_BROWSER_EXECUTABLE", variable)
    run = subprocess.run([sys.executable, "-m", module], capture_output=True, text=True)
    if variable == "/no/chrome":
        assert (run.returncode, run.stdout) == (2, "")
        assert (run.stderr.count("\n"), expected in run.stderr) == (1, True)
    else:
        assert (run.returncode, run.stderr) == (0, "")
        assert expected in run.stdout
