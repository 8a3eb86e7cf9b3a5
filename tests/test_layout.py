"""The size of files and folders: small enough to read as a whole, large enough to be worth opening.

An exception has its reason on its line. Better than a new exception is a split along a concept.
"""

import subprocess
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
MAX_FILES_IN_FOLDER = 15
MIN_LINES, MAX_LINES = 30, 300
ANY_SIZE = {"__init__.py", "__main__.py", "conftest.py"}
ONE_COMMAND_A_FILE = "streams/cli/commands/"  # a file is as small as its command

# Files outside the bounds, each with its reason.
EXCEPTIONS = {
    "streams/console/web/static/htmx.min.js": "a library, as npm has it",
    "streams/console/web/static/sse.min.js": "a library, as npm has it",
    "tests/contract/languages/ajv.mjs": "a program of a few lines for another tool",
    "tests/contract/languages/asyncapi.mjs": "a program of a few lines for another tool",
    "tests/contract/languages/quicktype.mjs": "a program of a few lines for another tool",
    "tests/contract/languages/test_asyncapi.py": "one test",
    "tests/sender/test_pace.py": "one test",
    "tests/supervisor/test_orphans.py": "one test",
    "tests/support/kafka/records.py": "one function",
    "tests/support/waiting.py": "one function",
}


def list_files() -> list[Path]:
    """The files of `streams` and `tests` that git knows or would add: nothing generated, no caches."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "streams", "tests"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [Path(line) for line in listed.splitlines() if (ROOT / line).is_file()]


def test_a_folder_has_few_files() -> None:
    """At most fifteen, not counting `__init__.py`."""
    counts = Counter(str(path.parent) for path in list_files() if path.name != "__init__.py")
    assert {folder: n for folder, n in counts.items() if n > MAX_FILES_IN_FOLDER} == {}


def test_a_file_has_a_readable_size() -> None:
    """Python and JavaScript: 30 to 300 lines, with the exceptions above."""
    sizes = {
        str(path): len((ROOT / path).read_text().splitlines())
        for path in list_files()
        if path.suffix in {".py", ".js", ".mjs"} and path.name not in ANY_SIZE
    }
    wrong = {
        name: lines
        for name, lines in sizes.items()
        if lines > MAX_LINES or (lines < MIN_LINES and not name.startswith(ONE_COMMAND_A_FILE))
    }
    assert {name: lines for name, lines in wrong.items() if name not in EXCEPTIONS} == {}


def test_every_exception_is_still_one() -> None:
    """An exception whose file has been split, moved or grown is removed from the list."""
    for name in EXCEPTIONS:
        path = ROOT / name
        assert path.is_file(), name
        assert not MIN_LINES <= len(path.read_text().splitlines()) <= MAX_LINES, name
