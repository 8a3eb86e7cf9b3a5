"""Attempts to get a phone number or a message text into a log, and what must stay readable there."""

import json
import logging
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from streams.logs.redaction import PHONE_MASK, redact
from streams.logs.rendering import make_formatter

DIGITS = "60123456789"
NUMBERS = [
    f"+{DIGITS}",
    "+60 12-345 6789",
    "+60\u00a012\u2011345\u00a06789",
    "+60.12.345.6789",
    "+60 (12) 345-6789",
    "\u202a+60 12-345 6789\u202c",
    "\uff0b60123456789",
    f"{DIGITS}@c.us",
    f"{DIGITS}:12@s.whatsapp.net",
    "123456789012345@lid",
    f"{DIGITS}-1500000000@g.us",
    f"true_{DIGITS}@c.us_3EB0C767D097B7C7C030",
    f"https://wa.me/{DIGITS}",
    f"tel:{DIGITS}",
    "phone=012-345 6789",
    f"to: {DIGITS}",
    "'012-345 6789' is not a phone number",
    f"b'{DIGITS}'",
]
# The ways in which a number reaches a log line.
WRAPPERS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "in a sentence": lambda text: f"sent to {text}, as 3EB0C767D097B7C7C030",
    "repr": repr,
    "bytes": lambda text: repr(text.encode()),
    "JSON": lambda text: json.dumps({"to": text}),
    "JSON in JSON": lambda text: json.dumps(json.dumps({"to": text})),
    "URL": lambda text: f"https://x.test/send?to={quote(text, safe='')}&n=1",
}
READABLE = [
    "wa.internal.phone partition 3 does not move for 95 s: committed 12345678901, next 12345678902",
    "offsets 12345678 to 87654321 were deleted before they were read",
    "step failed on Accepted at 3:123456789",
    "process 4194304 has port 9092 of 127.0.0.1:9092, 192.168.100.200 and [::1]:65535",
    "at 2026-11-26 01:02:03,456 and 2026-11-26T01:02:03.456+00:00, '2026-11-26'",
    "1764000000000 ms, 1764000000.123 s, 1e+10, +08:00",
    "message 3EB0C767D097B7C7C030 and 3EB012345678901234567890",
    "request 0192f0c1-7c1e-7b5e-9a3f-1234567890ab",
    "browser '156.0.8078.79' answered",
    "it was recreated (exit 79, TOPIC_RECREATED)",
    "the message is not written yet; the text is reported as malformed: KafkaError()",
    "TopicPartition(topic='wa.internal.send.main', partition=12345678)",
    "the page holds 512 MB, of 1024 that it may",
]


class Unreadable:
    """An object that shows a number."""

    def __repr__(self) -> str:
        return f"Phone(phone='+{DIGITS}', body='hello there')"


def digits_of(text: str) -> str:
    """The digits in a row, without what is between them."""
    return "".join(character for character in text if character.isdigit())


@pytest.fixture(params=["text", "json"])
def render(request: pytest.FixtureRequest) -> Callable[..., str]:
    """Formats a record that a logger makes from these arguments."""
    formatter = make_formatter(request.param, is_redacting=True)

    def rendered(message: object, *args: object, extra: Any = None, error: Any = None) -> str:
        logger = logging.getLogger("streams.test")
        exc_info = (type(error), error, error.__traceback__) if error else None
        record = logger.makeRecord(
            logger.name, logging.ERROR, __file__, 1, message, args, exc_info, extra=extra
        )
        line = formatter.format(record)
        if request.param == "json":
            json.loads(line)
            assert "\n" not in line
        return line.partition("streams.test")[
            2
        ]  # after the time, whose digits are not a phone number

    return rendered


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=list(WRAPPERS))
@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_is_masked_wherever_it_occurs(
    render: Callable[..., str], number: str, wrap: Callable[[str], str]
) -> None:
    """It may be in the message, an argument, an exception, a traceback or extra, in both formats."""
    text = wrap(number)
    lines = [
        render(text),
        render("%s", text),
        render("%r", text),
        render("it failed", error=ValueError(text)),
        render("it failed", error=chain(text)),
        render("it failed", extra={"detail": {"list": [text, (text,)]}}),
        render("it failed", extra={"detail": text.encode()}),
    ]
    for line in lines:
        assert not leaks(line), line


def chain(text: str) -> Exception:
    """An exception that has another one as its cause."""
    try:
        try:
            raise KeyError(text)
        except KeyError as error:
            raise RuntimeError("it failed") from error
    except RuntimeError as error:
        return error


def leaks(line: str) -> bool:
    """Whether most digits of a number are left in a line."""
    digits = digits_of(line.replace("3EB0C767D097B7C7C030", ""))
    return any(part in digits for part in ("2345678", "12345", "34567"))


@pytest.mark.parametrize("key", ["phone", "to", "From", "recipient", "chat_id"])
@pytest.mark.parametrize("value", [int(DIGITS), DIGITS, DIGITS.encode(), [DIGITS], "012 345 6789"])
def test_a_phone_key_in_extra_masks_its_value(
    render: Callable[..., str], key: str, value: object
) -> None:
    """Under such a key, a number needs no other mark."""
    assert not leaks(render("sent", extra={"detail": {key: value}}))
    assert not leaks(render("sent", extra={key: value}))


def test_a_key_may_be_a_number(render: Callable[..., str]) -> None:
    """Keys of a mapping are masked like values."""
    assert not leaks(render("rows", extra={"rows": {f"+{DIGITS}": 1}}))
    assert not leaks(render("rows: %s", {f"+{DIGITS}": 1}))


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"body": 'hello "there"', "n": 1}),
        json.dumps(json.dumps({"text": "hello there"})),
        repr({"caption": "hello 'there' \"you\""}),
        "TextContent(body='hello there')",
        "message='hello there'",
        repr(json.dumps({"body": "hello\nthere"}).encode()),
        json.dumps({"body": "hello there"})[:-4],
    ],
)
def test_a_message_text_is_masked(render: Callable[..., str], text: str) -> None:
    """It may be in JSON, in a repr or in an exception."""
    lines = [render("%s", text), render("failed", error=ValueError(text))]
    lines.append(render("failed", extra={"detail": text}))
    lines.append(render("failed", extra={"request": {"content": {"body": "hello there"}}}))
    lines.append(render("failed %s", Unreadable()))
    for line in lines:
        assert "hello" not in line and "there" not in line, line


@pytest.mark.parametrize("text", READABLE)
def test_other_digits_stay_readable(render: Callable[..., str], text: str) -> None:
    """Offsets, ports, process ids, times, versions and WhatsApp ids are needed to find a fault."""
    assert redact(text) == text
    assert text in render("%s", text).replace("\\'", "'")


def test_numeric_extra_stays_a_number() -> None:
    """JSON keeps offsets as numbers."""
    record = logging.makeLogRecord({"msg": "x", "offset": 12345678901, "lag": None, "ok": True})
    document = json.loads(make_formatter("json", is_redacting=True).format(record))
    assert document["extra"] == {"offset": 12345678901, "lag": None, "ok": True}


def test_a_number_is_replaced_and_the_rest_is_kept() -> None:
    """The mask shows that there was a number."""
    text = f"sent to +{DIGITS} 17 times, as true_{DIGITS}@c.us_3EB0AA"
    assert redact(text) == f"sent to {PHONE_MASK} 17 times, as true_{PHONE_MASK}@c.us_3EB0AA"


@pytest.mark.parametrize(
    "unit", ["1", "+1 ", '"body": "', "to: ", "1-", "\\", "(", "+(", "%20", "to:      ", "'1 "]
)
def test_a_long_line_takes_no_long_time(unit: str) -> None:
    """A long text that somebody sends must not stop a worker."""
    text = unit * (100_000 // len(unit))
    started_s = time.process_time()
    redact(text)
    assert time.process_time() - started_s < 5.0


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_an_open_quote_does_not_hide_the_exit(log_format: str) -> None:
    """`up` reads the exit at the end of the message back; what follows the quote stays hidden."""
    formatter = make_formatter(log_format, is_redacting=True)
    record = logging.LogRecord("x", 50, "x", 1, "message='hello (exit 75, FENCED)", (), None)
    line = formatter.format(record)
    assert "(exit 75, FENCED)" in line
    assert "hello" not in line
