"""What the client refuses before it produces anything."""

import math
from typing import Any

import orjson
import pytest

from streams.client import RequestInvalid, WhatsApp
from streams.client.following import require_time
from streams.client.requests import (
    build_request,
    encode_batch,
    encode_cancel,
    encode_change,
    encode_consent,
    encode_request,
)
from streams.settings import SettingError, load_client

PHONE = "+60123456789"


@pytest.mark.parametrize(
    ("options", "nearest"),
    [({"prioritty": "bulk"}, "'priority'"), ({"meta": {}}, "'metadata'"), ({"ttl": 5}, "'ttl_s'")],
)
def test_a_misspelt_option_is_an_error_with_the_nearest_name(
    options: dict[str, Any], nearest: str
) -> None:
    """The contract ignores unknown fields: the message would be sent without the option."""
    with pytest.raises(TypeError, match=f"did you mean {nearest}"):
        build_request(PHONE, "x", None, options)
    with pytest.raises(TypeError, match=f"did you mean {nearest}"):
        encode_request({"to": PHONE, "text": "x", **options})


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"priority": "high"}, "priority"),
        ({"send_at": "tomorrow"}, "send_at"),
        ({"ttl_s": -1}, "ttl_s"),
        ({"ttl_s": math.inf}, "ttl_s"),
        ({"account": "Sales 1"}, "account"),
        ({"metadata": {"a": object()}}, "metadata"),
        ({"metadata": {"a": [{"b": math.nan}]}}, "metadata"),
        ({"metadata": {"a": "x" * 5000}}, "metadata"),
        ({"metadata": {"a": "\udcff"}}, "metadata"),
        ({"metadata": {"a": 1 << 70}}, "metadata"),
        ({"batch_id": ""}, "batch_id"),
    ],
)
def test_a_wrong_value_names_its_field(options: dict[str, Any], field: str) -> None:
    """The contract's own reader decides, before anything is produced."""
    with pytest.raises(RequestInvalid) as caught:
        build_request(PHONE, "x", None, options)
    assert caught.value.field == field
    assert caught.value.reason


@pytest.mark.parametrize(
    ("to", "content", "id", "field"),
    [
        (PHONE, "x", "", "id"),
        (PHONE, "x", "two\nlines", "id"),
        (PHONE, "", "a", "content.body"),
        (PHONE, {"type": "txet", "body": "x"}, "a", "content.type"),
        (PHONE, 7, "a", "content"),
        ("", "x", "a", "to"),
        (60123456789, "x", "a", "to"),
        (PHONE, "x\0", "a", "content.body"),
        (PHONE, "\udcff", "a", "content"),
    ],
)
def test_wrong_arguments_name_their_field(to: Any, content: Any, id: str, field: str) -> None:
    """An empty id is an error too: it was replaced by a new one, so a repeat was a second message."""
    with pytest.raises(RequestInvalid) as caught:
        build_request(to, content, id, {})
    assert caught.value.field == field


def test_a_request_without_an_id_gets_one() -> None:
    """None counts as absent, as in the contract."""
    first, second = (encode_request({"to": PHONE, "text": "x", "id": None}) for _ in range(2))
    assert first.id
    assert first.id != second.id


def test_settings_are_checked_at_once() -> None:
    """A misspelt one names the nearest; a wrong one says what is needed."""
    with pytest.raises(TypeError, match="did you mean 'topic_prefix'"):
        WhatsApp("127.0.0.1:1", topic_prefx="x")
    with pytest.raises(SettingError, match="TOPIC_PREFIX"):
        WhatsApp("127.0.0.1:1", topic_prefix="no spaces")
    with pytest.raises(TypeError, match="settings"):
        WhatsApp(settings={"topic_prefix": "x"})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="not both"):
        WhatsApp("127.0.0.1:1", settings=load_client({"WA_CONFIG": ""}))


@pytest.mark.parametrize("since_s", [math.nan, math.inf, -1.0, 99_999_999_999_999.0])
def test_a_time_that_cannot_be_is_refused(since_s: float) -> None:
    """Kafka would answer with an error of its protocol."""
    with pytest.raises(ValueError, match="epoch"):
        require_time(since_s)


@pytest.mark.parametrize(
    "arguments",
    [
        {"after": "5"},
        {"after": "position"},
        {"group": ""},
        {"group": "wa-dispatch"},
        {"group": "wa-sender-main"},
        {"group": "billing", "since_s": 0.0},
    ],
)
def test_wrong_starts_of_statuses_are_refused_at_once(arguments: dict[str, Any]) -> None:
    """A group of the service would take work from its workers."""
    whatsapp = WhatsApp(settings=load_client({"WA_CONFIG": ""}))
    with pytest.raises(ValueError, match=r"after|group"):
        whatsapp.statuses(**arguments)


def test_a_cancel_has_the_key_of_what_it_names() -> None:
    """It cannot overtake its message or its batch, and it has an id of its own."""
    one = encode_cancel("+60 12-345 6789", "a", None, None)
    assert (one.key, one.id != "a") == (b"+60123456789", True)
    assert encode_cancel(None, None, "b", "c").key == b"b"


@pytest.mark.parametrize(
    ("to", "id", "batch_id"), [(None, None, None), (None, "a", None), ("+60123456789", None, "b")]
)
def test_a_wrong_cancel_is_refused(to: str | None, id: str | None, batch_id: str | None) -> None:
    """Nothing is produced that the service would reject."""
    with pytest.raises(RequestInvalid):
        encode_cancel(to, id, batch_id, None)


def test_a_batch_is_split_into_records() -> None:
    """By number and by size; each member has an id that is always the same."""
    requests: list[dict[str, Any]] = [{"to": PHONE, "text": "x" * 60_000} for _ in range(20)]
    requests += [{"to": PHONE, "text": "y", "id": f"own-{n}"} for n in range(1500)]
    bodies = [orjson.loads(record.value) for record in encode_batch("b", requests)]
    assert [body["first"] for body in bodies] == [0, 14, 1014]
    assert [len(body["messages"]) for body in bodies] == [14, 1000, 506]
    messages = [message for body in bodies for message in body["messages"]]
    assert [message["id"] for message in messages[:2]] == ["b/0", "b/1"]
    assert messages[-1] == {"id": "own-1499", "to": PHONE, "text": "y", "batch_id": "b"}
    assert all(len(record.value) < 1 << 20 for record in encode_batch("b", requests))


def test_one_wrong_member_is_an_error_of_the_batch() -> None:
    """Nothing was produced then."""
    with pytest.raises(RequestInvalid, match="ttl_s: "):
        encode_batch("b", [{"to": PHONE, "text": "x"}, {"to": PHONE, "text": "x", "ttl_s": -1}])
    with pytest.raises(RequestInvalid, match="batch_id"):
        encode_batch("b" * 101, [{"to": PHONE, "text": "x"}])
    assert encode_batch("b", []) == []


def test_a_change_names_its_message_and_has_an_id_of_its_own() -> None:
    """An edit has a text, and a revoke has none; each has the key of the recipient's messages."""
    edit = encode_change("+60 12-345 6789", "a", "hello", None)
    revoke = encode_change("120363041234567890@G.US", "a", None, "r")
    assert (edit.key, revoke.key) == (b"+60123456789", b"120363041234567890@g.us")
    assert orjson.loads(edit.value) == {
        "type": "edit",
        "to": "+60 12-345 6789",
        "id": "a",
        "request_id": edit.id,
        "content": {"type": "text", "body": "hello"},
    }
    assert orjson.loads(revoke.value)["type"] == "revoke"
    assert revoke.id == "r"


@pytest.mark.parametrize(
    ("id", "body", "request_id"), [("a", "", "r"), ("", "x", "r"), ("a", "x", "a")]
)
def test_a_wrong_change_is_refused(id: str, body: str, request_id: str) -> None:
    """Before it is produced: without a text, without a message, or under the id of the message."""
    with pytest.raises(RequestInvalid):
        encode_change("+60123456789", id, body, request_id)


def test_a_consent_has_the_key_of_its_recipient() -> None:
    """So it does not overtake the messages to it."""
    request = encode_consent("+60 12-345 6789", "opted_out", "r")
    assert (request.id, request.key) == (
        "r",
        encode_request({"to": "+60123456789", "text": "x"}).key,
    )
    assert orjson.loads(request.value)["consent"] == "opted_out"


def test_a_wrong_consent_is_refused() -> None:
    """Before anything is produced."""
    with pytest.raises(RequestInvalid, match="opted_out, opted_in"):
        encode_consent("+60123456789", "stop", None)
