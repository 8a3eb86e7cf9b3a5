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
    "streams/contract/request/wording.py": "one function that two other modules share",
    "streams/contract/timestamps.py": "one format, which every record uses",
    "streams/cli/qr.py": "the QR code, which two screens and a command share",
    "streams/cli/status_line.py": "one format, which two commands share",
    "streams/dispatch/publisher.py": "one interface",
    "streams/domain/policy.py": "one value",
    "streams/domain/sending/message_id.py": "one pure function",
    "streams/observability/health.py": "one document of the contract",
    "streams/operations/errors.py": "the error tree",
    "streams/operations/topics.py": "two verbs on one noun",
    "streams/sandbox/page/define.js": "the page loads its parts by what each one imitates",
    "streams/sandbox/page/modules/start.js": "the page loads its parts by what each one imitates",
    "streams/sandbox/state/habits.py": "the defaults in one table",
    "streams/system/loopback.py": "one predicate, which two layers share",
    "tests/cli/test_time_param.py": "a small table of cases",
    "tests/supervisor/test_orphans.py": "one test",
    "tests/system/test_loopback.py": "a small table of cases",
    "tests/sender/test_pace.py": "one test",
    "tests/support/records.py": "one function",
    "tests/support/waiting.py": "one function",
    "tests/contract/languages/test_asyncapi.py": "one test",
    "tests/contract/languages/ajv.mjs": "a program of a few lines for another tool",
    "tests/contract/languages/asyncapi.mjs": "a program of a few lines for another tool",
    "tests/contract/languages/quicktype.mjs": "a program of a few lines for another tool",
}

# Larger than allowed at the time of writing; remove an entry with the split of its file.
TO_SPLIT = {
    "streams/sender/submitter.py",
    "streams/whatsapp/web/whatsapp_web.py",
    "tests/contract/samples.py",
    "tests/domain/test_claim_properties.py",
    "tests/overrides/switches.py",
    "tests/runtime/consumer/test_consumer.py",
    "tests/runtime/test_app.py",
    "tests/whatsapp/web/test_recovery.py",
}
FULL_FOLDERS = {"streams/sandbox/page/modules"}


def list_files() -> list[Path]:
    """The files of `streams` and `tests` that git knows or would add: nothing generated, no caches."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "streams", "tests"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [Path(line) for line in listed.splitlines() if (ROOT / line).is_file()]


def test_a_folder_has_few_files() -> None:
    """At most fifteen, not counting `__init__.py`."""
    counts = Counter(str(path.parent) for path in list_files() if path.name != "__init__.py")
    full = {folder: n for folder, n in counts.items() if n > MAX_FILES_IN_FOLDER}
    assert {folder: n for folder, n in full.items() if folder not in FULL_FOLDERS} == {}


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
    assert {n: lines for n, lines in wrong.items() if n not in {*EXCEPTIONS, *TO_SPLIT}} == {}


def test_every_exception_is_still_one() -> None:
    """An exception whose file has been split, moved or grown is removed from the list."""
    for name in EXCEPTIONS:
        path = ROOT / name
        assert path.is_file(), name
        assert not MIN_LINES <= len(path.read_text().splitlines()) <= MAX_LINES, name
