"""The documents are complete and true: each public word is in them, and what they name exists.

Literal: a word counts as documented if it is in code font in README.md or docs/. Whether a sentence is right is not
tested here.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from streams.contract import dead_letter
from streams.contract.account import AccountState
from streams.contract.dead_letter import DeadLetter, DeadLetterInfo
from streams.contract.errors import ErrorClass
from streams.contract.replay import REPLAY_HEADERS
from streams.contract.request.content import CONTENT_KINDS
from streams.contract.request.form import RequestForm
from streams.contract.request.parse import parse
from streams.contract.status import Reason, Status, StatusEvent
from streams.contract.topics import PUBLIC_TOPICS
from streams.domain.alerts.rules import RULES
from streams.domain.errors import CODES
from streams.kafka.topics import required_topics
from streams.local.data_dir import OWN_NAMES
from streams.runtime.exit_codes import ExitCode
from streams.sandbox.state.faults import FAULT_KINDS
from streams.settings import Settings, describe
from tests.support.command_line import command_names
from tests.support.metrics import exported_metrics

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
SETTINGS_PAGE = ROOT / "docs" / "settings.md"
ALL_PAGES = (README, *sorted((ROOT / "docs").rglob("*.md")))
# A word on a generated page is listed there, and explained nowhere.
USER_DOCUMENTS = [page for page in ALL_PAGES if page.parent.name != "reference"]
DOCUMENTS = (
    *ALL_PAGES,
    ROOT / "ARCHITECTURE.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    ROOT / "benchmarks" / "README.md",
    ROOT / "examples" / "README.md",
)
MAX_GLOSSARY_ENTRIES = 40
# Read from the environment, and not a setting.
OTHER_VARIABLES = {"WA_CONFIG"}
# Written at the same time as the documents, on other branches: each entry goes when it is there.
PENDING = {
    "domain/phone/lifecycle.py",
    "domain/sending/actions.py",
    "domain/sending/attempt.py",
    "sender/attempts/executor.py",
    "sender/conclusion.py",
    "domain/phone/handlers/receipts.py",
    "tests/overrides/switches",
}
# Of the data folder: ports, process ids, sockets and what tests invent. The tables are a row of their own.
FOLDERS_WITHOUT_DATA = {"ports", "run", "sandbox", "tables"}
# Words of the first version. Each has a successor in the glossary, or is not how English is written.
OLD_WORDS = (
    r"lanes?",
    r"agendas?",
    r"tenures?",
    r"(un)?settled?",
    r"folds?",
    r"sign of life",
    r"on the way to",
    r"hand(s|ed)? out",
    r"made anew",
    r"anew",
    r"for so long",
    r"(is|are) told",
    r"(?<!there )is no (?!longer)",
    r"(?<!there )are no (?!longer)",
    r"who knows",
    r"who wants",
    r"for who",
    r"say(s)? so when",
)
_INLINE = re.compile(r"`([^`\n]+)`")
_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PATH = re.compile(r"^[\w.-]+(?:/[\w.-]+)+/?$|^[\w-]+\.(?:py|toml|md|yml)$")
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)")
_VARIABLE = re.compile(r"\bWA_[A-Z0-9_]+\b")


def read(document: Path) -> str:
    """The text of a document."""
    return document.read_text()


def code_spans(text: str) -> list[str]:
    """The text in code font, inline and in blocks."""
    return [*_INLINE.findall(_FENCED.sub("", text)), *(body for _, body in _FENCED.findall(text))]


def code_words() -> set[str]:
    """Each word in code font in the users' documents, whole and split at what is not part of a name."""
    spans = [span for document in USER_DOCUMENTS for span in code_spans(read(document))]
    return {word for span in spans for word in (span, *re.split(r"[^\w.@-]+", span))}


def connect_headers() -> Iterator[str]:
    """The headers of a dead letter that Kafka UIs know."""
    info = DeadLetterInfo(
        id="a:0:1",
        reason="queue_full",
        error_class="invalid",
        message="full",
        attempts=0,
        first_failed_at="",
        last_failed_at="",
        topic="a",
        partition=0,
        offset=1,
        timestamp=0,
        outcome="not_sent",
        request_id="b",
        replay_count=0,
    )
    names = (name for name, _ in DeadLetter(info=info).build_record_headers())
    return (name for name in names if name.startswith("__"))


def metric_names() -> Iterator[str]:
    """Each metric of both workers."""
    yield from (metric.name for metric in exported_metrics() if metric.name.startswith("wa_"))


PUBLIC_WORDS = {
    "statuses": get_args(Status),
    "reasons": get_args(Reason),
    "error codes": tuple(CODES),
    "error classes": get_args(ErrorClass),
    "account states": get_args(AccountState),
    "content kinds": CONTENT_KINDS,
    "request fields": RequestForm.__struct_encode_fields__,
    "status fields": StatusEvent.__struct_encode_fields__,
    "dead-letter headers": (*DeadLetterInfo.__struct_encode_fields__, dead_letter.ID_HEADER),
    "headers for Kafka UIs": tuple(connect_headers()),
    "replay headers": tuple(REPLAY_HEADERS),
    "topics": tuple(f"wa.{topic.name}" for topic in PUBLIC_TOPICS),
    "metrics": tuple(metric_names()),
    "alerts": tuple(rule.name for rule in RULES),
    "commands": tuple(command_names()),
    "exit codes": tuple(code.name for code in ExitCode),
    "faults": tuple(FAULT_KINDS),
}


@pytest.mark.parametrize("kind", PUBLIC_WORDS)
def test_every_public_word_is_documented(kind: str) -> None:
    """Each word that a user can meet is in code font in README.md or docs/."""
    documented = code_words()
    assert [word for word in PUBLIC_WORDS[kind] if word not in documented] == []


@pytest.mark.skipif(not SETTINGS_PAGE.exists(), reason="docs/settings.md is not generated yet")
def test_the_readme_explains_every_status() -> None:
    first_cells = [
        line.split("|")[1] for line in read(README).splitlines() if line.startswith("| `")
    ]
    statuses = {word for cell in first_cells for word in _INLINE.findall(cell)}
    assert set(get_args(Status)) <= statuses


def test_the_page_on_privacy_names_every_topic() -> None:
    settings = Settings(accounts=("sales",))
    text = read(ROOT / "docs" / "security.md")
    topics = {spec.name.replace("sales", "<account>") for spec in required_topics(settings)}
    assert {topic for topic in topics if f"`{topic}`" not in text} == set()


@pytest.mark.parametrize("folder", sorted(OWN_NAMES - FOLDERS_WITHOUT_DATA))
def test_the_page_on_privacy_names_every_folder(folder: str) -> None:
    rest = read(ROOT / "docs" / "security.md")
    assert f"`WA_DATA_DIR/{folder}`" in rest


def test_every_setting_is_documented() -> None:
    """Each setting is on the page of settings."""
    page = read(SETTINGS_PAGE)
    assert [
        setting["variable"] for setting in describe(Settings()) if setting["variable"] not in page
    ] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_variable_is_a_setting(document: Path) -> None:
    """A document names no `WA_…` variable that does not exist."""
    variables = (
        {setting["variable"] for setting in describe(Settings())} | OTHER_VARIABLES | PENDING
    )
    named = set(_VARIABLE.findall(read(document)))
    assert {name for name in named - variables if not name.endswith("_")} == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_path_exists(document: Path) -> None:
    """A path in code font is one of the repository, of `streams/`, or beside the document."""
    paths = [path for path in _INLINE.findall(read(document)) if is_repository_path(path)]
    folders = (ROOT, ROOT / "streams", document.parent)
    missing = [path for path in paths if not any((folder / path).exists() for folder in folders)]
    assert [path for path in missing if path not in PENDING] == []


def is_repository_path(span: str) -> bool:
    """Whether it looks like a file or folder of ours: below a folder that exists, or a file with a known ending."""
    if not _PATH.match(span) or span == "wa-streams.toml":
        return False
    first = span.partition("/")[0]
    return "/" not in span or (ROOT / first).is_dir() or (ROOT / "streams" / first).is_dir()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_has_a_target(document: Path) -> None:
    """A relative link points to a file that exists."""
    targets = [target for target in _LINK.findall(read(document)) if "://" not in target]
    missing = [target for target in targets if not (document.parent / target).exists()]
    assert [target for target in missing if target not in PENDING] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_make_target_exists(document: Path) -> None:
    """`make NAME` in a document is a target of the Makefile."""
    targets = re.findall(r"^([\w-]+):", read(ROOT / "Makefile"), re.MULTILINE)
    named = re.findall(r"\bmake ([a-z][a-z-]*)", "\n".join(code_spans(read(document))))
    assert [name for name in named if name not in targets] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_no_old_word_is_left(document: Path) -> None:
    """The documents use the words of the glossary."""
    pattern = re.compile(rf"\b(?:{'|'.join(OLD_WORDS)})\b", re.IGNORECASE)
    prose = _INLINE.sub("", _FENCED.sub("", read(document)))
    assert [match[0] for match in pattern.finditer(prose)] == []


def test_the_glossary_is_short() -> None:
    """It has at most 40 entries, each of them once, in alphabetical order."""
    glossary = read(ROOT / "ARCHITECTURE.md").partition("## Glossary")[2]
    words = re.findall(r"^\| ([a-z][\w -]*) \|", glossary, re.MULTILINE)[1:]  # without the head
    assert 20 <= len(words) <= MAX_GLOSSARY_ENTRIES
    assert words == sorted(set(words))


def test_the_request_is_followed_without_going_back() -> None:
    """Where ARCHITECTURE.md follows one request, it visits no file twice."""
    text = read(ROOT / "ARCHITECTURE.md").partition("## One request")[2].partition("\n## ")[0]
    files = [name for name in _INLINE.findall(text) if re.search(r"\.(py|js)$", name)]
    assert [file for file in sorted(set(files)) if files.count(file) > 1] == []


def test_the_python_examples_compile() -> None:
    """Python in a document is at least Python."""
    blocks = [body for document in DOCUMENTS for body in blocks_of(document, "python")]
    assert blocks
    for body in blocks:
        compile(body, "document", "exec")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_the_json_examples_are_json(document: Path) -> None:
    """Each JSON block can be parsed."""
    for body in blocks_of(document, "json"):
        json.loads(body)


def test_the_request_in_the_readme_is_accepted() -> None:
    """It is the first JSON block, and has every field of the long form but `ttl_s`."""
    example = json.loads(blocks_of(README, "json")[0])
    assert parse(json.dumps(example).encode(), (), max_bytes=1 << 20).id == example["id"]
    short_forms = {"phoneNumber", "text", "message"}  # and `ttl_s` stands for `expires_at`
    assert set(RequestForm.__struct_encode_fields__) - short_forms - {"ttl_s"} == set(example)


def test_each_kind_of_content_has_an_example_that_is_accepted() -> None:
    """The README shows each kind that is built, as it may be sent."""
    examples = [
        json.loads(example) for example in _INLINE.findall(read(README)) if is_content(example)
    ]
    for content in examples:
        request: dict[str, Any] = {"to": "+60123456789", "content": content}
        parse(json.dumps(request).encode(), (), max_bytes=1 << 20)
    assert {content["type"] for content in examples} == set(CONTENT_KINDS)


def is_content(span: str) -> bool:
    """Whether it is an object with a type and at least one more field."""
    return span.startswith('{"type": ') and "," in span


def blocks_of(document: Path, language: str) -> list[str]:
    """The fenced blocks in this language."""
    return [body for name, body in _FENCED.findall(read(document)) if name == language]
