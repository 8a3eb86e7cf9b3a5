"""Masks phone numbers and message texts in what is logged. Pure: text in, text out.

A number is masked where something says that it is a phone number:

1. a plus sign, then 7 digits or more, in groups or not: `+60 12-345 6789`
2. digits before `@c.us`, `@lid`, `@s.whatsapp.net` or `@g.us`: `60123456789@c.us`
3. a key that names a phone, then its value: `"to": "60123456789"`, `phone=60123456789`, `wa.me/60123456789`
4. quotes that hold 8 to 15 digits, spaces, hyphens and brackets, and nothing else, but not a date: `'012-345 6789'`

Bare digits stay, because offsets, ports, process ids, timestamps and WhatsApp ids (3EB0…) must be readable. A
message text is masked where its key precedes it in quotes: `"body": "…"`, `body='…'`. JSON escapes and
URL encoding do not hide any of this. Free text without such a mark cannot be recognised: do not log it.
"""

import re
from collections.abc import Mapping, Set
from typing import Any, Final

PHONE_MASK: Final = "[phone]"
TEXT_MASK: Final = "[text]"

PHONE_KEYS: Final = (
    "phone", "phone_number", "phonenumber", "number", "msisdn", "recipient", "to", "from", "sender", "chat",
    "chat_id", "chatid", "wid", "wa_id", "jid", "participant", "author", "contact", "user",
)  # fmt: skip
TEXT_KEYS: Final = (
    "body", "text", "caption", "message", "content", "conversation", "question", "options", "title", "description",
    "footer", "quoted", "vcard", "display_name", "pushname", "filename", "data",
)  # fmt: skip

# What may be between the digits of a number that a person wrote, also URL-encoded and as repr or JSON escape it.
_GAP = (
    r"(?:[ \t\-.()/\u00a0\u2010-\u2015\u200b-\u200f\u202a-\u202f\u2060-\u2069]"
    r"|%20|%28|%29|%2F|%[89A-F][0-9A-F]|\\{1,8}x[89a-f][0-9a-f]|\\{1,8}u(?:00a0|20[0-6]\w)|\\{1,8}t)"
)
_PLUS = r"(?:[+\uff0b]|%2B|\\{1,8}u002b|\\{1,8}x2b|&#43;|\\{1,8}uff0b|%EF%BC%8B|\\{1,8}xef\\{1,8}xbc\\{1,8}x8b)"
_AT = r"(?:@|%40|\\{1,8}u0040|\\{1,8}x40|&#64;)"
_QUOTE = r"(?:\\{0,8}[\"']|%22|%27|&quot;|&#39;)"
_ASSIGN = rf"{_QUOTE}?\s{{0,8}}(?:[:=]|%3A|%3D|,(?=\s{{0,8}}b?{_QUOTE}))(?:\s|%20){{0,8}}"

_PLUS_NUMBER = re.compile(
    rf"{_PLUS}{_GAP}{{0,8}}(?:\d{{10,}}|\d(?:{_GAP}{{0,6}}\d){{6,14}})\d*", re.IGNORECASE
)
_WHATSAPP_ID = re.compile(
    rf"(?<!\d)\d{{5,20}}(?:[-:.]\d{{1,20}}){{0,2}}(?={_AT}(?:c\.us|lid|s\.whatsapp\.net|g\.us|hosted))",
    re.IGNORECASE,
)
_KEYED_PHONE = re.compile(
    rf"((?<![a-z0-9])(?:{'|'.join(PHONE_KEYS)}|tel|sms)[\"'\\]{{0,8}}{_ASSIGN}[\[(]?b?{_QUOTE}?"
    rf"|wa\.me(?:/|%2F)){_GAP}{{0,8}}(?:{_PLUS})?\d(?:{_GAP}{{0,6}}\d){{6,}}",
    re.IGNORECASE,
)
_QUOTED_NUMBER = re.compile(
    r"(?<=[\"'])(?!\d{4}-\d\d-\d\d)[ ()]*\d(?:[ ()\-]{0,3}\d){7,14}[ )]*(?=\\{0,8}[\"'])"
    r"|(?<=%22)\d{8,15}(?=%22)"
)
_KEYED_TEXT = re.compile(
    rf"((?<![a-z0-9])(?:{'|'.join(TEXT_KEYS)}){_ASSIGN}b?(?P<esc>\\{{0,8}})(?P<quote>[\"']))"
    r".*?(?P<end>(?<!\\)(?P=esc)(?P=quote)|\Z)",  # a text that was cut off has no end
    re.IGNORECASE | re.DOTALL,
)


def redact(text: str) -> str:
    """The text with every phone number and message text masked."""
    text = _KEYED_TEXT.sub(_mask_text, text)
    text = _PLUS_NUMBER.sub(PHONE_MASK, text)
    text = _WHATSAPP_ID.sub(PHONE_MASK, text)
    text = _KEYED_PHONE.sub(rf"\g<1>{PHONE_MASK}", text)
    return _QUOTED_NUMBER.sub(PHONE_MASK, text)


def _mask_text(match: re.Match[str]) -> str:
    return f"{match[1]}{TEXT_MASK}{match['end']}"


def redact_value(value: Any, key: str = "") -> Any:
    """A value of a log record's `extra` with everything inside masked; `key` is what it is stored under."""
    name = key.lower()
    if name in TEXT_KEYS and value is not None:
        return TEXT_MASK
    if isinstance(value, Mapping):
        return {redact(str(key)): redact_value(item, str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple | Set) and not isinstance(value, str):
        return [redact_value(item, key) for item in value]
    if name in PHONE_KEYS and re.search(r"\d{5,}", re.sub(r"\D", "", str(value))):
        return PHONE_MASK
    if value is None or isinstance(value, bool | int | float):
        return value
    text = value.decode(errors="replace") if isinstance(value, bytes | bytearray) else str(value)
    return redact(text)
