"""Validators of three languages over the published schemas: they agree with each other and with wa-streams."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from msgspec.structs import replace

from streams.contract import account, inbound, status
from streams.contract.errors import InvalidRequest
from tests.contract.languages.tools import FILES, run_go, run_node
from tests.contract.rejected_samples import REJECTED
from tests.contract.samples import ACCEPTED, PNG, content, parse, text
from tests.contract.test_dead_letters import LETTER
from tests.contract.test_records import ACCOUNT, FULL_EVENT, INBOUND


@dataclass(frozen=True)
class Case:
    """A value, as JSON, and its schema."""

    schema: str
    json: str


Validator = Callable[[Sequence[Case]], list[bool]]


def document(cases: Sequence[Case]) -> dict[str, Any]:
    """The input of the programs of other languages."""
    named = [{"schema": FILES[case.schema], "json": case.json} for case in cases]
    return {"schemas": list(FILES.values()), "cases": named}


def ajv(cases: Sequence[Case]) -> list[bool]:
    return run_node("ajv.mjs", document(cases))


def go(cases: Sequence[Case]) -> list[bool]:
    return run_go(document(cases))


def python(cases: Sequence[Case]) -> list[bool]:
    validators = {
        name: jsonschema.Draft202012Validator(json.loads(Path(file).read_bytes()))
        for name, file in FILES.items()
    }
    return [validators[case.schema].is_valid(json.loads(case.json)) for case in cases]


@pytest.fixture(params=[ajv, go, python], ids=["Ajv", "Go", "Python"])
def validate(request: pytest.FixtureRequest) -> Validator:
    return request.param


def request_case(value: object) -> Case:
    return Case("request", json.dumps(value))


def test_accepted_requests_validate(validate: Validator) -> None:
    """Every validator accepts what wa-streams accepts."""
    verdicts = validate([request_case(value) for value in ACCEPTED.values()])
    assert dict(zip(ACCEPTED, verdicts, strict=True)) == dict.fromkeys(ACCEPTED, True)


def test_rejected_requests_do_not(validate: Validator) -> None:
    """Every validator rejects what a schema can reject."""
    rejected = {name: sample for name, sample in REJECTED.items() if sample.schema}
    verdicts = validate([Case("request", sample.value.decode()) for sample in rejected.values()])
    assert dict(zip(rejected, verdicts, strict=True)) == dict.fromkeys(rejected, False)


def test_records_of_wa_streams_validate(validate: Validator) -> None:
    """Every record that wa-streams writes is valid, in every language."""
    short = status.make(id="a", status="rejected", event_id_suffix="1", at_s=0.0, to=None)
    headers = replace(LETTER, headers=()).build_record_headers()
    letter = {name: value.decode() for name, value in headers if value is not None}
    cases = [
        Case("status", status.encode(FULL_EVENT).decode()),
        Case("status", status.encode(short).decode()),
        Case("account", account.encode(ACCOUNT).decode()),
        Case("inbound", inbound.encode(INBOUND).decode()),
        Case("dead-letter-headers", json.dumps(letter)),
    ]
    assert validate(cases) == [True] * 5


def test_wrong_records_do_not(validate: Validator) -> None:
    """A word, a type or a number that the contract does not have is rejected, in every language."""
    event = json.loads(status.encode(FULL_EVENT))
    record = json.loads(account.encode(ACCOUNT))
    cases = [
        Case("status", json.dumps({**event, "status": "lost"})),
        Case("status", json.dumps({**event, "metadata": [1]})),
        Case("account", json.dumps({**record, "state": "x"})),
        Case("account", json.dumps({**record, "account": "main\n"})),
        Case("inbound", json.dumps({"event_id": "a/b"})),
        Case("dead-letter-headers", json.dumps({"wa-dlq-id": "a:1:2"})),
    ]
    assert validate(cases) == [False] * 6


# White space by Python's, by ECMA-262's and by nobody's measure, ends of lines and of texts, and some more.
CHARACTERS = [
    *map(chr, range(0x00, 0x24)),
    *"/0=\\a~\x7f\x80\x85\x9f\xa0é\u1680\u180e",
    *map(chr, range(0x2000, 0x200E)),
    *"\u2028\u2029\u202f\u205f\u3000\ufeff😀",
]
FIELDS: dict[str, Callable[[str], dict[str, Any]]] = {
    "id": lambda value: text(id=value),
    "to": lambda value: {"to": value, "text": "hello"},
    "text": lambda value: text(text=value),
    "account": lambda value: text(account=value),
    "reply_to": lambda value: text(reply_to=value),
    "batch_id": lambda value: text(batch_id=value),
    "data": lambda value: content("image", data=PNG + value),
    "mime": lambda value: content("image", data=PNG, mime=f"image/png{value}"),
    "filename": lambda value: content("document", data=PNG, filename=value),
    "caption": lambda value: content("image", data=PNG, caption=value),
    "place": lambda value: content("location", latitude=0, longitude=0, name=value),
    "contact": lambda value: content("contact", name=value, phones=["+60"]),
    "phone": lambda value: content("contact", name="Ada", phones=[value]),
    "question": lambda value: content("poll", question=value, options=["yes", "no"]),
    "option": lambda value: content("poll", question="Tea?", options=["yes", value]),
    "emoji": lambda value: content("reaction", message_id="3EB0", emoji=value),
}


def is_accepted(value: dict[str, Any]) -> bool:
    try:
        parse(value)
    except InvalidRequest:
        return False
    return True


def test_every_character_is_judged_as_wa_streams_does(validate: Validator) -> None:
    """All dialects of regular expressions agree on a character that is alone, first or last in a text."""
    values = [
        make(text)
        for make in FIELDS.values()
        for character in CHARACTERS
        for text in (character, f"a{character}", f"{character}1")
    ]
    verdicts = validate([request_case(value) for value in values])
    expected = [is_accepted(value) for value in values]
    assert set(expected) == {True, False}
    assert [
        v for v, is_valid, e in zip(values, verdicts, expected, strict=True) if is_valid != e
    ] == []
