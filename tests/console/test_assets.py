"""The libraries of the pages are those of the lock file, unchanged."""

import json
from pathlib import Path

import pytest

import streams.console

CONSOLE = Path(streams.console.__file__).parent
STATIC, NPM = CONSOLE / "web" / "static", CONSOLE / "npm"
FILES = {
    "htmx.min.js": "htmx.org/dist/htmx.min.js",
    "sse.min.js": "htmx-ext-sse/dist/sse.min.js",
}


def test_the_version_is_that_of_the_lock_file() -> None:
    """htmx names its own version."""
    lock = json.loads((NPM / "package-lock.json").read_text())
    version = lock["packages"]["node_modules/htmx.org"]["version"]
    assert f'version:"{version}"' in (STATIC / "htmx.min.js").read_text()


@pytest.mark.parametrize("name", FILES)
def test_a_library_is_as_npm_has_it(name: str) -> None:
    """npm has checked the package against the hash of the lock file."""
    installed = NPM / "node_modules" / FILES[name]
    if not installed.exists():
        pytest.skip("not installed: run `make console-tools`")
    assert (STATIC / name).read_bytes() == installed.read_bytes()
