"""The wheel, built once, and folders that another user can read."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.packaging import distribution


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this tree."""
    return distribution.build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def public_folder() -> Iterator[Path]:
    """A folder that any user can read; pytest's own folders are private."""
    folder = Path(tempfile.mkdtemp(prefix="wa-packaging-"))
    folder.chmod(0o755)
    yield folder
    for path in (folder, *folder.rglob("*")):  # a read-only folder cannot be emptied
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)
    shutil.rmtree(folder)
