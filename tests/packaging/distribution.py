"""Builds the wheel and installs it into virtual environments, without a network.

The project's own code comes only from the wheel. Its dependencies are those that are installed for the
tests: copied for the client, and put on the path for the service.
"""

import email
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
SITE_PACKAGES = Path(metadata.distribution("pytest").locate_file(""))


def build_wheel(folder: Path) -> Path:
    """The wheel of this tree, with the build backend that is installed here."""
    _run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder))
    (wheel,) = folder.glob("*.whl")
    return wheel


@dataclass(frozen=True)
class Environment:
    """A virtual environment that contains the wheel."""

    folder: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    @property
    def program(self) -> Path:
        """The script `wa-streams`."""
        return self.folder / "bin" / "wa-streams"

    @property
    def site_packages(self) -> Path:
        """Where its packages are."""
        (path,) = self.folder.glob("lib/python*/site-packages")
        return path


def create_environment(folder: Path, wheel: Path, python: str = sys.executable) -> Environment:
    """An environment of this interpreter with the wheel and nothing else."""
    _run(python, "-m", "venv", "--without-pip", str(folder))
    environment = Environment(folder)
    target = ("--python", str(environment.python))
    _run(
        sys.executable, "-m", "uv", "pip", "install", "--offline", "--no-deps", *target, str(wheel)
    )
    return environment


def read_requirements(wheel: Path, extra: str = "") -> list[Requirement]:
    """What the wheel requires, without or with an extra."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        message = email.message_from_bytes(archive.read(name))
    requirements = [Requirement(line) for line in message.get_all("Requires-Dist", [])]
    return [requirement for requirement in requirements if _applies(requirement, extra)]


def resolve(requirements: list[Requirement]) -> set[str]:
    """The distributions that these bring, with all that they bring in turn."""
    names: set[str] = set()
    pending = list(requirements)
    while pending:
        requirement = pending.pop()
        if requirement.name not in names:
            names.add(requirement.name)
            required = map(Requirement, metadata.requires(requirement.name) or ())
            pending += [child for child in required if _applies(child, *requirement.extras)]
    return names


def copy_distributions(names: set[str], environment: Environment) -> None:
    """Install these distributions as they are installed here."""
    for name in names:
        for file in metadata.files(name) or ():
            if ".." in file.parts or "__pycache__" in file.parts:
                continue
            target = environment.site_packages / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file.locate(), target)


def add_test_dependencies(environment: Environment) -> None:
    """Let the environment import what is installed here. Not this project: `.pth` files do not nest."""
    (environment.site_packages / "dependencies.pth").write_text(f"{SITE_PACKAGES}\n")


def _applies(requirement: Requirement, *extras: str) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in extras or ("",))


def _run(*command: str) -> None:
    environ = os.environ | {"PYTHONPATH": ""}
    run = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
