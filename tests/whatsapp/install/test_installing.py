"""Installing a browser and wa-js, with installers that are small scripts. No network, no browser."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from streams.whatsapp.errors import BrowserMissing, BundleMissing
from streams.whatsapp.install import bundle, executable, installing


def script(path: Path, text: str) -> Path:
    """Write a shell script that can be run."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_the_output_of_an_installer_is_passed_on_once(tmp_path: Path) -> None:
    """Indented lines of a stack trace and repeated lines are left out."""
    talks = script(tmp_path / "talks", "echo try; echo '  at x'; echo; echo try >&2; exit 3")
    lines: list[str] = []
    assert installing.run_installer([str(talks)], lines.append) == 3
    assert lines == [f"$ {talks}", "try"]


def test_a_missing_installer() -> None:
    """The exit code is 127, as in a shell."""
    lines: list[str] = []
    assert installing.run_installer(["/no/such/installer"], lines.append) == 127
    assert "No such file" in lines[-1]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without a browser: downloads fail at once, the user is root, apt-get is a script."""
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
    """What Debian's package installed is found."""
    installed = machine / "chromium-headless-shell"
    text = f"case $* in *install*chromium-headless-shell) cp {machine}/new {installed};; esac"
    script(machine / "new", "echo Chromium 156.0.8078.79")
    script(machine / "bin" / "apt-get", text)
    lines: list[str] = []
    assert executable.install_chromium(None, lines.append).path == installed
    commands = [line.split()[1:] for line in lines if line.startswith("$")]
    assert [" ".join(words)[-34:] for words in commands][-1].endswith("chromium-headless-shell")
    assert "playwright" in commands[0]


def test_when_every_installer_fails_the_error_says_what_to_do(machine: Path) -> None:
    """The error is one line with the possible ways."""
    script(machine / "bin" / "apt-get", "exit 100")
    with pytest.raises(BrowserMissing, match="apt-get install chromium-headless-shell"):
        executable.install_chromium(None, lambda _: None)


def test_an_installed_browser_is_not_installed_again(machine: Path) -> None:
    """Nothing is run, and nothing is reported."""
    existing = script(machine / "chromium-headless-shell", "echo Chromium 156.0.8078.79")
    lines: list[str] = []
    assert executable.install_chromium(None, lines.append).path == existing
    assert executable.install_chromium(str(existing), lines.append).path == existing
    assert lines == []


def test_the_lock_file_has_the_current_version_of_wa_js(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another version, or none, is not current."""
    package = tmp_path / bundle._PACKAGE_PATH
    (package / "dist").mkdir(parents=True)
    monkeypatch.setattr(bundle, "_INSTALL_DIR", tmp_path)
    monkeypatch.setattr(bundle, "_INSTALLED_BUNDLE", package / "dist" / "wppconnect-wa.js")
    locked = {"packages": {bundle._PACKAGE_PATH: {"version": "4.6.0"}}}
    (tmp_path / "package-lock.json").write_text(json.dumps(locked))
    assert not bundle.is_installed_version_current()
    (package / "package.json").write_text('{"version": "4.6.0"}')
    assert not bundle.is_installed_version_current()
    bundle._INSTALLED_BUNDLE.write_text("")
    assert bundle.is_installed_version_current()
    (package / "package.json").write_text('{"version": "4.5.0"}')
    assert not bundle.is_installed_version_current()


def test_a_configured_bundle(tmp_path: Path) -> None:
    """A setting names another file; one that does not exist is refused, not replaced."""
    configured = tmp_path / "mine.js"
    with pytest.raises(BundleMissing, match=r"WA_WHATSAPP_BUNDLE=.*mine\.js is not a file"):
        bundle.find_bundle(str(configured))
    configured.write_text("")
    assert bundle.find_bundle(str(configured)) == configured


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
    """They print the path, or end with 2 and one line on stderr."""
    monkeypatch.setenv("WA_BROWSER_EXECUTABLE", variable)
    ended = subprocess.run([sys.executable, "-m", module], capture_output=True, text=True)
    if variable == "/no/chrome":
        assert (ended.returncode, ended.stdout) == (2, "")
        assert (ended.stderr.count("\n"), expected in ended.stderr) == (1, True)
    else:
        assert (ended.returncode, ended.stderr) == (0, "")
        assert expected in ended.stdout
