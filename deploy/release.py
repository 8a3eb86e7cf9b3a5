"""Builds a release into `dist/release`: `make release`, that is `python -m deploy.release`.

It builds the wheel and the sdist, installs each with the locked packages into an empty environment, asks the installed
program for its version, and writes the bill of materials (CycloneDX) of that environment. It publishes nothing.
"""

import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
FOLDER: Final = ROOT / "dist" / "release"
TOOLS: Final = ROOT / ".tools" / "venv" / "bin"
LOCK: Final = ROOT / "requirements" / "run.txt"


class ReleaseFailed(RuntimeError):
    """A step found something wrong; the message says what."""


def read_version() -> str:
    """The version in pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def build_distributions(folder: Path) -> tuple[Path, Path]:
    """The wheel and the sdist."""
    _run(sys.executable, "-m", "hatchling", "build", "-d", str(folder))
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, sdist


def install(environment: Path, distribution: Path) -> Path:
    """Install a distribution with the locked packages into an empty environment; returns its interpreter."""
    _run(sys.executable, "-m", "venv", str(environment))
    python = environment / "bin" / "python"
    pip = (str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    _run(*pip, "--require-hashes", "-r", str(LOCK))
    _run(*pip, "--no-deps", str(distribution))
    return python


def write_materials(python: Path, output: Path) -> dict[str, Any]:
    """Write the bill of materials of an environment; returns it."""
    _run(
        str(TOOLS / "cyclonedx-py"),
        "environment",
        str(python),
        *("--pyproject", str(ROOT / "pyproject.toml"), "--mc-type", "application"),
        *("--output-reproducible", "--output-format", "JSON", "--output-file", str(output)),
    )
    return json.loads(output.read_bytes())


def check_materials(materials: dict[str, Any]) -> None:
    """The bill names this program and the packages without which it is not it.

    Raises:
        ReleaseFailed: it does not.
    """
    if materials["metadata"]["component"]["name"] != "wa-streams":
        raise ReleaseFailed("the bill of materials is not that of wa-streams")
    names = {component["name"].lower() for component in materials["components"]}
    missing = {"aiokafka", "faust-streaming", "playwright", "rocksdict"} - names
    if missing:
        raise ReleaseFailed(f"the bill of materials lacks {', '.join(sorted(missing))}")


def main() -> int:
    """Build the release. Returns the exit code."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    version = read_version()
    wheel, sdist = build_distributions(FOLDER)
    for distribution in (wheel, sdist):
        environment = FOLDER / "environment"
        shutil.rmtree(environment, ignore_errors=True)
        # The sdist is built here with the locked backend, because an empty environment has none.
        installed = distribution if distribution is wheel else rebuild(sdist)
        python = install(environment, installed)
        output = _run(str(python.with_name("wa-streams")), "--version")
        if version not in output:
            raise ReleaseFailed(f"{distribution.name} says that it is {output.strip()}")
        print(f"{distribution.name}: installed in an empty environment, {output.strip()}")
    materials = write_materials(python, FOLDER / f"wa-streams-{version}.cdx.json")
    check_materials(materials)
    print(f"bill of materials: {len(materials['components'])} packages")
    shutil.rmtree(environment)
    shutil.rmtree(FOLDER / "rebuilt")
    return 0


def rebuild(sdist: Path) -> Path:
    """The wheel that the sdist gives."""
    folder = FOLDER / "rebuilt"
    shutil.unpack_archive(sdist, folder, filter="data")
    (source,) = folder.iterdir()
    _run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder), cwd=source)
    (wheel,) = folder.glob("*.whl")
    return wheel


def _run(*command: str, cwd: Path = ROOT) -> str:
    run = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    if run.returncode != 0:
        raise ReleaseFailed(f"{' '.join(command[:4])} …\n{run.stdout}{run.stderr}")
    return run.stdout


if __name__ == "__main__":
    sys.exit(main())
