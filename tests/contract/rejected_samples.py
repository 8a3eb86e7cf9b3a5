"""Records that are rejected, each with its code and the beginning of its detail."""

import json
from dataclasses import dataclass
from typing import Any

from tests.contract.samples import LONG_FORM, MAX_BYTES, PNG, content, text


@dataclass(frozen=True)
class Rejected:
    """A record, its code and the beginning of its detail. `schema`: a validator of the schema rejects it too."""

    value: bytes
    code: str
    detail: str
    schema: bool = False


def malformed(value: bytes, detail: str = "the record: ") -> Rejected:
    """Bytes that are not JSON, or cannot be read safely."""
    return Rejected(value, "malformed_json", detail)


def refused(value: Any, detail: str, *, schema: bool = True) -> Rejected:
    """JSON that is not a request."""
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return Rejected(data, "schema_violation", detail, schema)


BASE = b'{"to":"+60123456789","text":"hello"'
REJECTED: dict[str, Rejected] = {
    # not JSON
    "empty": malformed(b"", "the record: is empty"),
    "blank": malformed(b" \r\n\t", "the record: is empty"),
    "not JSON": malformed(b"hello", "the record: is not JSON"),
    "cut off": malformed(BASE, "the record: is not JSON"),
    "something behind": malformed(BASE + b"} {", "the record: is not JSON"),
    "single quotes": malformed(b"{'to':'+60'}", "the record: is not JSON"),
    "a trailing comma": malformed(BASE + b",}", "the record: is not JSON"),
    "invalid UTF-8": malformed(b'{"to":"+60","text":"\xff"}', "the record: is not UTF-8"),
    "Latin-1": malformed('{"to":"+60","text":"é"}'.encode("latin-1"), "the record: is not UTF-8"),
    "UTF-16": malformed('{"to":"+60"}'.encode("utf-16"), "the record: is not UTF-8"),
    "overlong UTF-8": malformed(b'{"to":"\xc0\xaf"}', "the record: is not UTF-8"),
    "a byte order mark": malformed(
        b"\xef\xbb\xbf" + BASE + b"}", "the record: begins with a byte order mark"
    ),
    "a raw lone surrogate": malformed(b'{"to":"\xed\xa0\x80"}', "the record: is not UTF-8"),
    "an escaped high surrogate": malformed(b'{"to":"\\ud800"}', "the record: is not JSON"),
    "an escaped low surrogate": malformed(b'{"to":"\\udc00 x"}', "the record: is not JSON"),
    "surrogates the wrong way round": malformed(b'{"to":"\\udc00\\ud800"}'),
    "a raw NUL": malformed(b'{"to":"\x00"}', "the record: is not JSON"),
    "NaN": malformed(b'{"to":NaN}', "the record: is not JSON"),
    "infinity": malformed(BASE + b',"ttl_s":-Infinity}', "the record: is not JSON"),
    "a number beyond floats": malformed(BASE + b',"metadata":{"a":[1,1e999]}}', "metadata.a[1]: "),
    "a number of 5,000 digits": malformed(BASE + b',"ttl_s":' + b"9" * 5000 + b"}", "ttl_s: "),
    "a huge number, then rubbish": malformed(b'{"to":1e999,"text":' + b"[" * 100_000),
    "100,000 arrays deep": malformed(b"[" * 100_000, "the record: is nested deeper"),
    "100,000 objects deep": malformed(b'{"a":' * 100_000, "the record: is nested deeper"),
    "100,000 levels deep and closed": malformed(
        BASE + b',"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "the record: is nested deeper"
    ),
    "65 levels deep": malformed(
        BASE + b',"x":' + b'[{"a":' * 32 + b"1" + b"}]" * 32 + b"}", "the record: is nested deeper"
    ),
    # not an object
    "null": refused(b"null", "the record: must be a JSON object"),
    "true": refused(b"true", "the record: must be a JSON object"),
    "a number": refused(b"60123456789", "the record: must be a JSON object"),
    "a text": refused(b'"hello"', "the record: must be a JSON object"),
    "a list": refused([LONG_FORM], "the record: must be a JSON object"),
    # JSON below the level of JSON Schema
    "two recipients": refused(BASE + b',"to":"+601"}', "to: occurs twice", schema=False),
    "a key twice far inside": refused(
        BASE + b',"metadata":{"a":[{"b":1,"b":1}]}}', "b: occurs twice", schema=False
    ),
    "an odd key twice": refused(
        b'{"to":"+60","":1,"a\\nb":1,"a\\nb":2}', '"a\\nb": occurs twice', schema=False
    ),
    "a NUL in the text": refused(text(text="a\0b"), "text: contains a NUL character"),
    "a NUL in the metadata": refused(
        text(metadata={"a": ["b", "\0"]}), "metadata.a[1]: contains a NUL character", schema=False
    ),
    "a NUL in a key": refused(
        text(metadata={"a\0": 1}), "metadata: contains a NUL character", schema=False
    ),
    "too large": Rejected(
        json.dumps(text(colour="x" * MAX_BYTES)).encode(),
        "record_too_large",
        "the record: has 1048629 bytes with its key and headers; WA_MAX_REQUEST_BYTES allows 1048576",
    ),
    "a file too large": Rejected(
        json.dumps(content("document", data="AAAA" * (MAX_BYTES // 4))).encode(),
        "record_too_large",
        "the record: has 1048643 bytes",
    ),
    # fields
    "nothing": refused({}, "to: is missing"),
    "no recipient": refused({"text": "hello"}, "to: is missing"),
    "null for a recipient": refused({"to": None, "text": "hello"}, "to: is missing"),
    "an empty recipient": refused(text(to=""), "to: expected `string` of at least 1 char"),
    "a recipient of 129 characters": refused(text(to="1" * 129), "to: expected `string` of at"),
    "a recipient that is a number": refused(text(to=60123456789), "to: expected `string"),
    "a recipient that is a list": refused(text(to=["+60123456789"]), "to: expected `string"),
    "two names for the recipient": refused(text(phoneNumber="+60"), "to, phoneNumber: only one"),
    "nothing to send": refused({"to": "+60"}, "content: is missing"),
    "text beside content": refused({**LONG_FORM, "text": "hello"}, "content, text: only one"),
    "text beside message": refused(text(message="hello"), "text, message: only one"),
    "an empty text": refused(text(text=""), "text: expected `string` of at least 1 char"),
    "a blank text": refused(text(text=" \n "), "text: expected `string` that is not blank"),
    "a text of 65,537 characters": refused(
        text(text="x" * 65_537), "text: expected `string` of at most 65536"
    ),
    "a text that is a number": refused(text(text=1), "text: expected `string"),
    "an empty id": refused(text(id=""), "id: must be 1 to 128 printable characters"),
    "an id of 129 characters": refused(text(id="x" * 129), "id: must be 1 to 128 printable"),
    "an id with a line break": refused(text(id="x\n"), "id: must be 1 to 128 printable"),
    "an id with a control character": refused(text(id="a\x85b"), "id: must be 1 to 128 printable"),
    "an id that is a number": refused(text(id=8841), "id: expected `string"),
    "an unknown priority": refused(text(priority="high"), "priority: must be one of urgent"),
    "an unknown category": refused(text(category="spam"), "category: must be one of"),
    "a wrong name of an account": refused(text(account="Sales 1"), "account: expected `string"),
    "a reply to nothing": refused(text(reply_to=""), "reply_to: expected `string"),
    "a reply with blanks": refused(text(reply_to="3EB0 1"), "reply_to: expected `string"),
    "a batch id with a line break": refused(text(batch_id="a\nb"), "batch_id: must be 1 to 128"),
    "a batch id that is a number": refused(text(batch_id=17), "batch_id: expected `string"),
    "metadata that are a list": refused(text(metadata=[1]), "metadata: expected `object"),
    "metadata that are a text": refused(text(metadata="x"), "metadata: expected `object"),
    "metadata of 4,097 bytes": refused(
        text(metadata={"a": "x" * 4089}), "metadata: has 4097 bytes", schema=False
    ),
    "metadata with a number beyond 64 bits": refused(
        text(metadata={"a": 10**30}), "metadata: Integer exceeds", schema=False
    ),
    # times
    "a time that is a number": refused(text(send_at=1764000000), "send_at: expected `date-time"),
    "a time that is none": refused(text(send_at="soon"), "send_at: invalid RFC3339", schema=False),
    "a time without a zone": refused(
        text(send_at="2026-11-24T09:00:00"), "send_at: expected `date-time` with a", schema=False
    ),
    "a day that does not exist": refused(
        text(expires_at="2026-02-30T09:00:00Z"), "expires_at: invalid RFC3339", schema=False
    ),
    "a time before 2000": refused(
        text(expires_at="1970-01-01T00:00:00Z"), "expires_at: is before", schema=False
    ),
    "sent after it expires": refused(
        text(send_at="2026-11-24T09:00:01Z", expires_at="2026-11-24T10:00:00+01:00"),
        "expires_at: is not after send_at",
        schema=False,
    ),
    "sent when it expires": refused(
        text(send_at="2026-11-24T09:00:00Z", expires_at="2026-11-24T10:00:00+01:00"),
        "expires_at: is not after send_at",
        schema=False,
    ),
    "a time to live of nothing": refused(text(ttl_s=0), "ttl_s: expected `number"),
    "a time to live of years": refused(text(ttl_s=1e9), "ttl_s: expected `number"),
    "a time to live of 400 digits": refused(text(ttl_s=10**400), "ttl_s: number out of range"),
    "a time to live that is a text": refused(text(ttl_s="60"), "ttl_s: expected `number"),
    "two ends": refused(
        text(ttl_s=60, expires_at="2026-11-24T09:00:00Z"),
        "ttl_s: must not be given with expires_at",
    ),
    # contents
    "content that is a text": refused({"to": "+60", "content": "x"}, "content: expected `object"),
    "content without a type": refused({"to": "+60", "content": {"body": "x"}}, "content.type: is"),
    "content of an unknown type": refused(content("fax", body="x"), "content.type: must be one of"),
    "content of a type that is a number": refused(content(1), "content.type: must"),  # pyright: ignore[reportArgumentType]
    "a text without a body": refused(content("text"), "content.body: is missing"),
    "a text with null for a body": refused(content("text", body=None), "content.body: expected"),
    "a body that is too long": refused(
        content("text", body="x" * 65_537), "content.body: expected"
    ),
    "a file that is nowhere": refused(content("image"), "content.data: is missing"),
    "an empty file": refused(content("image", data=""), "content.data: expected `string` of at"),
    "a file that is not base64": refused(
        content("image", data="a b c"), "content.data: is not base64"
    ),
    "base64 without padding": refused(
        content("image", data="iVBORw"), "content.data: is not base64"
    ),
    "base64 for addresses": refused(content("image", data="_-_-"), "content.data: is not base64"),
    "a data address": refused(
        content("image", data="data:image/png;base64," + PNG), "content.data: is not base64"
    ),
    "a file and its address": refused(
        content("image", data=PNG, url="https://example.com/a"),
        "content.url: must not be given with data",
    ),
    "a wrong media type": refused(content("image", data=PNG, mime="png"), "content.mime: expected"),
    "a path for a file name": refused(
        content("document", data=PNG, filename="../x"), "content.filename: expected"
    ),
    "a line break in a file name": refused(
        content("document", data=PNG, filename="a\u2028b"), "content.filename: expected"
    ),
    "a file name that is read backwards": refused(
        content("document", data=PNG, filename="bill\u202efdp.exe"), "content.filename: expected"
    ),
    "a caption that is too long": refused(
        content("image", data=PNG, caption="x" * 1025), "content.caption: expected"
    ),
    "beyond the pole": refused(
        content("location", latitude=90.1, longitude=0), "content.latitude: expected"
    ),
    "beyond the date line": refused(
        content("location", latitude=0, longitude=-180.1), "content.longitude: expected"
    ),
    "a place without its longitude": refused(
        content("location", latitude=0), "content.longitude: is missing"
    ),
    "a contact without a phone": refused(
        content("contact", name="A", phones=[]), "content.phones:"
    ),
    "a contact's phone that is blank": refused(
        content("contact", name="A", phones=["+60", " "]), "content.phones[1]: expected"
    ),
    "a contact without a name": refused(
        content("contact", name=" ", phones=["+60"]), "content.name: expected"
    ),
    "a poll with one option": refused(
        content("poll", question="q", options=["a"]), "content.options"
    ),
    "a poll with 13 options": refused(
        content("poll", question="q", options=list("abcdefghijklm")), "content.options: expected"
    ),
    "a poll with an option twice": refused(
        content("poll", question="q", options=["a", "a"]),
        "content.options: contain the same option twice",
    ),
    "a poll with a blank option": refused(
        content("poll", question="q", options=["a", " "]), "content.options[1]: expected"
    ),
    "a reaction to nothing": refused(
        content("reaction", emoji="x"), "content.message_id: is missing"
    ),
    "a reaction that is a novel": refused(
        content("reaction", message_id="3EB0", emoji="x" * 33), "content.emoji: expected"
    ),
    # other kinds of request
    "a batch": refused(
        {"type": "batch", "batch_id": "b", "messages": [text()]}, "type: is not a kind of request"
    ),
    "a cancellation": refused(
        {"type": "cancel", "to": "+60123456789"}, "type: is not a kind of request"
    ),
    "an unknown kind": refused(text(type="broadcast"), "type: is not a kind of request"),
    "a kind that is a list": refused(text(type=[]), "type: is not a kind of request"),
    "a URL with a space": refused(content("image", url="https://example.com/a b"), "content.url:"),
    "a URL without a scheme": refused(content("image", url="example.com/a.png"), "content.url:"),
}
