"""Getting a browser and wa-js, with installers that are small scripts. No network, no browser."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from streams.whatsapp.errors import BrowserMissing, BundleMissing
from streams.whatsapp.install import bundle, executable, installing


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_what_an_installer_says_is_passed_on_once(tmp_path: Path) -> None:
    """Not the traces of an error, which are indented, and not what each attempt repeats."""
    talks = script(tmp_path / "talks", "echo try; echo '  at x'; echo; echo try >&2; exit 3")
    said: list[str] = []
    assert installing.run_installer([str(talks)], said.append) == 3
    assert said == [f"$ {talks}", "try"]


def test_an_installer_that_is_not_there() -> None:
    """127, as a shell says it."""
    said: list[str] = []
    assert installing.run_installer(["/no/such/installer"], said.append) == 127
    assert "No such file" in said[-1]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without a browser, whose downloads fail at once; root, with an apt-get of its own."""
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
    """And what it installed is what is found."""
    made = machine / "chromium-headless-shell"
    text = f"case $* in *install*chromium-headless-shell) cp {machine}/new {made};; esac"
    script(machine / "new", "echo Chromium 156.0.8078.79")
    script(machine / "bin" / "apt-get", text)
    said: list[str] = []
    assert executable.install_chromium(None, said.append).path == made
    commands = [line.split()[1:] for line in said if line.startswith("$")]
    assert [" ".join(words)[-34:] for words in commands][-1].endswith("chromium-headless-shell")
    assert "playwright" in commands[0]


def test_nothing_to_be_had_says_what_to_do(machine: Path) -> None:
    """One line with the ways there are."""
    script(machine / "bin" / "apt-get", "exit 100")
    with pytest.raises(BrowserMissing, match="apt-get install chromium-headless-shell"):
        executable.install_chromium(None, lambda _: None)


def test_what_is_there_is_not_fetched_again(machine: Path) -> None:
    """Nothing is run, nothing is said."""
    here = script(machine / "chromium-headless-shell", "echo Chromium 156.0.8078.79")
    said: list[str] = []
    assert executable.install_chromium(None, said.append).path == here
    assert executable.install_chromium(str(here), said.append).path == here
    assert said == []


def test_the_lock_file_says_which_wa_js_is_current(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another version, or none, is not."""
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


def test_another_bundle(tmp_path: Path) -> None:
    """A setting names another file; one that is not there is refused, not replaced."""
    mine = tmp_path / "mine.js"
    with pytest.raises(BundleMissing, match=r"WA_WHATSAPP_BUNDLE=.*mine\.js is not a file"):
        bundle.find_bundle(str(mine))
    mine.write_text("")
    assert bundle.find_bundle(str(mine)) == mine


@pytest.mark.parametrize(
    ("module", "variable", "says"),
    [
        ("streams.whatsapp.install.executable", "/no/chrome", "WA_BROWSER_EXECUTABLE=/no/chrome"),
        ("streams.whatsapp.install.executable", sys.executable, sys.executable),
        ("streams.whatsapp.install.bundle", "", "wppconnect-wa.js"),
    ],
)
def test_the_commands(
    module: str, variable: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They print where it is, or end with 2 and one line on stderr."""
    monkeypatch.setenv("WA_BROWSER_EXECUTABLE", variable)
    ended = subprocess.run([sys.executable, "-m", module], capture_output=True, text=True)
    if variable == "/no/chrome":
        assert (ended.returncode, ended.stdout) == (2, "")
        assert (ended.stderr.count("\n"), says in ended.stderr) == (1, True)
    else:
        assert (ended.returncode, ended.stderr) == (0, "")
        assert says in ended.stdout
