"""The published JSON Schemas and the AsyncAPI document, checked with an independent reader."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from msgspec.structs import replace

from streams.contract import account, dead_letter, inbound, status
from streams.contract.errors import ErrorInfo
from streams.contract.export import files, json_schema
from streams.contract.export.portable import portable
from streams.contract.topics import PUBLIC_TOPICS
from tests.contract.rejected_samples import REJECTED, Rejected
from tests.contract.samples import ACCEPTED
from tests.contract.test_dead_letters import LETTER
from tests.contract.test_records import ACCOUNT, FULL_EVENT, INBOUND

SCHEMAS = json_schema.build_schemas()


def validator(name: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(SCHEMAS[name])


def test_the_files_are_current() -> None:
    """The committed files are what the code generates: run `make schemas` after a change of a type."""
    assert files.find_stale() == []


def test_the_export_writes_stale_files_and_removes_unexpected_ones(tmp_path: Path) -> None:
    """After an export, no file is stale."""
    files.write_files(tmp_path)
    (tmp_path / "status.json").write_text("{}")
    (tmp_path / "former.json").write_text("{}")
    assert files.find_stale(tmp_path) == ["former.json", "status.json"]
    assert files.write_files(tmp_path) == ["former.json", "status.json"]
    assert files.find_stale(tmp_path) == []


@pytest.mark.parametrize("name", SCHEMAS)
def test_each_is_a_schema_of_draft_2020_12(name: str) -> None:
    """Each schema is valid by the meta-schema of its draft."""
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[name])


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted_requests_validate(name: str) -> None:
    """The schema accepts each request that wa-streams accepts."""
    validator("request").validate(ACCEPTED[name])


@pytest.mark.parametrize(
    "sample",
    [sample for sample in REJECTED.values() if sample.schema],
    ids=lambda sample: sample.detail,
)
def test_rejected_requests_do_not_validate(sample: Rejected) -> None:
    """The schema rejects what wa-streams rejects, as far as JSON Schema can express it."""
    assert not validator("request").is_valid(json.loads(sample.value))


def test_our_own_records_validate() -> None:
    """The records that wa-streams writes are valid by their schemas."""
    short = status.make(id="a", status="rejected", event_id_suffix="1", at_s=0.0, to=None)
    for event in (FULL_EVENT, short):
        validator("status").validate(json.loads(status.encode(event)))
    validator("account").validate(json.loads(account.encode(ACCOUNT)))
    validator("inbound").validate(json.loads(inbound.encode(INBOUND)))
    record_headers = replace(LETTER, headers=()).build_record_headers()
    headers = {name: value.decode() for name, value in record_headers if value is not None}
    validator("dead-letter-headers").validate(headers)


def test_the_schemas_of_our_records_can_reject() -> None:
    """A word that is not in the contract is rejected."""
    event = json.loads(status.encode(FULL_EVENT))
    assert not validator("status").is_valid({**event, "status": "lost"})
    assert not validator("status").is_valid({**event, "metadata": [1]})
    assert not validator("account").is_valid({**json.loads(account.encode(ACCOUNT)), "state": "x"})
    assert not validator("dead-letter-headers").is_valid({dead_letter.ID_HEADER: "a:1:2"})


def test_a_title_names_one_enum() -> None:
    """Two enums with one title would be one class in another language, so this is an error."""
    enums = [{"title": "Word", "enum": ["a", "b"]}, {"title": "Word", "enum": ["a", "c"]}]
    with pytest.raises(ValueError, match="title Word"):
        portable({"anyOf": enums})


# -- AsyncAPI

DOCUMENT = files.asyncapi.build_document()


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def resolve(reference: str) -> Any:
    node: Any = DOCUMENT
    for part in reference.removeprefix("#/").split("/"):
        node = node[part]
    return node


def test_every_reference_of_the_asyncapi_document_exists() -> None:
    """Every reference points into the document, or to a file in the same folder."""
    outside = {reference for reference in references(DOCUMENT) if not reference.startswith("#/")}
    assert outside == {f"./{name}.json" for name in SCHEMAS}
    inside = {reference for reference in references(DOCUMENT) if reference.startswith("#/")}
    assert inside
    assert all(resolve(reference) for reference in inside)


def test_every_public_topic_that_is_in_use_is_a_channel() -> None:
    """Each channel has the retention, size and direction of its topic."""
    topics = {topic.name: topic for topic in PUBLIC_TOPICS}
    assert DOCUMENT["channels"].keys() == topics.keys()
    for name, topic in topics.items():
        channel = DOCUMENT["channels"][name]
        kept = channel["bindings"]["kafka"]["topicConfiguration"]
        assert (channel["address"], kept.get("retention.ms")) == (f"wa.{name}", topic.retention_ms)
    actions = {
        operation["channel"]["$ref"]: operation["action"]
        for operation in DOCUMENT["operations"].values()
    }
    expected = {"in": "receive", "out": "send"}
    assert actions == {f"#/channels/{n}": expected[t.direction] for n, t in topics.items()}


def test_an_error_class_is_named_class_on_the_wire() -> None:
    """The field is `class`, although Python reserves this word."""
    problem = ErrorInfo(code="c", class_="invalid", title="t")
    event = status.make(
        id="a", status="failed", event_id_suffix="1", at_s=0.0, to=None, error=problem
    )
    assert json.loads(status.encode(event))["error"]["class"] == "invalid"
