"""`wa-streams[server]` outside a clone: another user, another folder, read-only packages.

The project's code comes from the wheel alone; the packages that it requires are those of the tests.
"""

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from streams.embedded_kafka import jars
from streams.system import cache
from streams.whatsapp.install import bundle
from tests.packaging import distribution
from tests.packaging.distribution import Environment
from tests.support.kafka.maven import Central

_NOBODY = 65534
_DEMO_TIMEOUT_S = 300
_SETUP_TIMEOUT_S = 120
_PASSED_ON = ("WA_BROWSER_EXECUTABLE", "PLAYWRIGHT_BROWSERS_PATH")  # of the machine


def _unavailable(reason: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@dataclass(frozen=True)
class User:
    """The user of the program: not root, with a home folder and a working folder of its own."""

    home: Path
    id: int | None  # None: the user of the tests, which is not root

    def run(
        self, *command: str, timeout_s: float = 60, **variables: str
    ) -> "subprocess.CompletedProcess[str]":
        """Run it in the home folder, without any setting of the tests."""
        identity = (
            {} if self.id is None else {"user": self.id, "group": self.id, "extra_groups": []}
        )
        environ = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        environ |= {"HOME": str(self.home), "TMPDIR": str(self.home / "tmp"), "LANG": "C.UTF-8"}
        return subprocess.run(
            command,
            cwd=self.home,
            env=environ | {"PATH": "/usr/local/bin:/usr/bin:/bin"} | variables,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            **identity,
        )


@pytest.fixture(scope="module")
def user(public_folder: Path) -> User:
    """A user that is not root: `nobody` if the tests run as root."""
    home = public_folder / "home"
    (home / "tmp").mkdir(parents=True)
    if os.geteuid() != 0:
        return User(home, None)
    for folder in (home, home / "tmp"):
        os.chown(folder, _NOBODY, _NOBODY)
    return User(home, _NOBODY)


def _find_python(user: User) -> str:
    """An interpreter of our version that this user can run; the tests' own may be in root's home."""
    version = ".".join(map(str, sys.version_info[:2]))
    own = os.path.realpath(sys.executable)
    for candidate in (own, f"/usr/bin/python{version}", f"/usr/local/bin/python{version}"):
        if Path(candidate).is_file() and user.run("test", "-r", candidate).returncode == 0:
            return candidate
    _unavailable(f"no Python {version} that a user other than root can run")
    raise AssertionError("not reached")


@pytest.fixture(scope="module")
def server(wheel: Path, public_folder: Path, user: User) -> Environment:
    """The wheel in an environment that this user can read and cannot write."""
    python = _find_python(user)
    if user.run("test", "-r", str(distribution.SITE_PACKAGES / "pytest")).returncode != 0:
        _unavailable("the packages of the tests are in a folder that only root can read")
    environment = distribution.create_environment(public_folder / "venv", wheel, python)
    distribution.add_test_dependencies(environment)
    _make_read_only(environment.site_packages)
    return environment


def _make_read_only(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        path.chmod(path.stat().st_mode & ~0o222)


def _seed_cache(user: User) -> None:
    """Give the user what these tests have fetched already: links to files that it can read, copies of the others."""
    for entry in (jars.install(), bundle.install_bundle(lambda _: None).parents[4]):
        shutil.copytree(
            entry, user.home / ".cache" / "wa-streams" / entry.name, copy_function=_link_or_copy
        )
    downloads = cache.user_cache_dir() / "ms-playwright"
    if "PLAYWRIGHT_BROWSERS_PATH" not in os.environ and downloads.is_dir():
        target = user.home / ".cache" / "ms-playwright"
        shutil.copytree(downloads, target, copy_function=_link_or_copy)
    if user.id is not None:
        for path in ((user.home / ".cache"), *(user.home / ".cache").rglob("*")):
            if path.stat().st_nlink == 1 or path.is_dir():
                os.chown(path, user.id, user.id)


def _link_or_copy(source: str, target: str) -> None:
    """What `wa-streams setup` has fetched is private to its user."""
    try:
        if Path(source).stat().st_mode & stat.S_IROTH:
            os.link(source, target)
            return
    except OSError:  # another file system
        pass
    shutil.copy2(source, target)


def test_the_code_comes_from_the_wheel(server: Environment, user: User) -> None:
    """It does not come from this tree, and its user cannot change it."""
    program = "import streams.client, streams.cli.main as m; print(m.__file__); print(streams.client.__file__)"
    run = user.run(str(server.python), "-c", program)
    assert run.returncode == 0, run.stderr
    for path in map(Path, run.stdout.split()):
        assert path.is_relative_to(server.site_packages)
        assert user.run("test", "-w", str(path.parent)).returncode != 0


def test_the_advice_of_doctor_applies_outside_a_clone(server: Environment, user: User) -> None:
    """With an empty cache, each advice is a command that exists outside a clone, and nothing is fetched."""
    run = user.run(
        str(server.program), "doctor", "--no-page", "--json", XDG_CACHE_HOME=str(user.home / "none")
    )
    checks = {check["name"]: check for check in map(json.loads, run.stdout.splitlines())}
    for name in ("kafka jars", "wa-js"):
        assert (checks[name]["ok"], "`wa-streams setup`" in checks[name]["advice"]) == (False, True)
    assert "make" not in {word for check in checks.values() for word in check["advice"].split()}
    assert not (user.home / "none").exists()


def _empty_cache(folder: Path, central: Central) -> Mapping[str, str]:
    """An empty cache, with the browsers that are there already, and the user's own npm settings."""
    browsers = os.environ.get("PLAYWRIGHT_BROWSERS_PATH", cache.user_cache_dir() / "ms-playwright")
    return {
        "HOME": str(Path.home()),
        "PATH": os.environ["PATH"],
        "XDG_CACHE_HOME": str(folder / "cache"),
        "PLAYWRIGHT_BROWSERS_PATH": str(browsers),
        **{name: value for name, value in os.environ.items() if name.lower().startswith("npm_")},
        **central.variables(folder / "jgo.conf"),
    }


def test_setup_fills_an_empty_cache(server: Environment, tmp_path: Path) -> None:
    """It fetches jars from a repository on the loopback, and wa-js from npm's registry or cache."""
    with Central(jars.install()) as central:
        variables = _empty_cache(tmp_path, central)
        run = User(tmp_path, None).run(
            str(server.program), "setup", "--json", timeout_s=_SETUP_TIMEOUT_S, **variables
        )
        if run.returncode != 0 and "npm cannot fetch wa-js" in run.stderr:
            _unavailable("npm's registry does not answer")
        assert run.returncode == 0, run.stderr
    paths = {item["name"]: Path(item["path"]) for item in map(json.loads, run.stdout.splitlines())}
    assert set(paths) == {"kafka jars", "wa-js", "browser"}
    for name in ("kafka jars", "wa-js"):
        assert paths[name].is_relative_to(tmp_path / "cache" / "wa-streams")
    assert len(list(paths["kafka jars"].iterdir())) == len(jars.read_lock_file())
    assert paths["wa-js"].stat().st_size > 100_000
    assert f"{len(jars.read_lock_file())} of" in run.stderr


def test_setup_without_a_network_says_what_to_do(server: Environment, tmp_path: Path) -> None:
    """The exit code is 2, the last line has the advice, and nothing in the cache seems complete."""
    with Central(jars.install()) as central:
        variables = dict(_empty_cache(tmp_path, central))
        variables |= {
            "npm_config_registry": "http://127.0.0.1:9",
            "npm_config_cache": str(tmp_path / "npm"),
        }
        run = User(tmp_path, None).run(
            str(server.program), "setup", timeout_s=_SETUP_TIMEOUT_S, **variables
        )
    assert (run.returncode, run.stdout) == (2, "")
    assert "check the network" in run.stderr.splitlines()[-1]
    assert "Traceback" not in run.stderr
    entries = [path.name for path in (tmp_path / "cache" / "wa-streams").iterdir()]
    assert not [entry for entry in entries if entry.startswith("wa-js") and "." not in entry[-6:]]


@pytest.mark.broker
@pytest.mark.browser
@pytest.mark.chaos
@pytest.mark.timeout(_DEMO_TIMEOUT_S + 60)
def test_the_demo_runs_from_the_wheel(server: Environment, user: User) -> None:
    """A user that is not root runs it in an empty folder, and only the cache remains.

    With `make chaos`, because it takes a minute and a half, `.ci/run` runs the demo of the clone, and
    test_console_by_mouse.py the service from the wheel.
    """
    _seed_cache(user)
    run = user.run(str(server.program), "demo", timeout_s=_DEMO_TIMEOUT_S)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "WRONG" not in run.stdout
    assert "The simulated WhatsApp's log, compared with the topics" in run.stdout
    assert list((user.home / "tmp").glob("wa-demo-*")) == []
