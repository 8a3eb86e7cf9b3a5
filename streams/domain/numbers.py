"""Phone numbers as people and programs write them, converted to E.164. A number is never guessed.

A number that could belong to two people is refused, and so is one that had to be repaired. Whether WhatsApp
has the number is not decided here. An error repeats the number only where it could belong to two people.
"""

import re
import unicodedata
from functools import lru_cache
from typing import Final, NamedTuple

import phonenumbers
from phonenumbers import CountryCodeSource, NumberParseException, PhoneNumber, ValidationResult

_PREFIX: Final = re.compile(r"\A(?:tel|whatsapp):", re.IGNORECASE)
_WHATSAPP_SUFFIX: Final = re.compile(r"@(?:c\.us|s\.whatsapp\.net)\Z", re.IGNORECASE)
# What a spreadsheet leaves of a number: 60123456789.0
_DECIMAL: Final = re.compile(r"\.\d\Z|\A[^.]*\.0+\Z")
_SEPARATORS: Final = str.maketrans("", "", " -().")
_DIGITS: Final = re.compile(r"\+?[0-9]+")
_PLUS_SIGNS: Final = "\uff0b\ufe62"
_MINUS_SIGNS: Final = "\u2212\u30fc"  # a minus, and the long vowel that Japanese keyboards give
_FULL_WIDTH: Final = {"\uff08": "(", "\uff09": ")", "\uff0e": "."}
# WhatsApp writes Mexican mobile numbers with a 1 that is not part of the number any more.
_MEXICAN: Final = re.compile(r"\+521(\d{10})")
# Many Brazilian chats have the number without the ninth digit that the number itself has today.
_BRAZILIAN_WITHOUT_NINE: Final = re.compile(r"\+55(\d\d)([6-9]\d{7})")

_EXPLANATIONS = {
    ValidationResult.INVALID_COUNTRY_CODE: "its country code does not exist",
    ValidationResult.TOO_SHORT: "it is too short for its country",
    ValidationResult.TOO_LONG: "it is too long for its country",
    ValidationResult.INVALID_LENGTH: "its length does not exist in its country",
    ValidationResult.IS_POSSIBLE_LOCAL_ONLY: "its area code is missing",
}


class InvalidPhone(ValueError):
    """The text is not the number of one recipient. Says why; the caller adds the field's name."""


@lru_cache(maxsize=16_384)
def to_e164(text: str, default_region: str | None = None) -> str:
    """The number in E.164 (`+60123456789`); with `default_region` (`MY`), national numbers are read too.

    With `+` or `00`, only the length is checked: numbering plans change faster than any table of them. Digits
    alone must be a valid number, because the table decides which of two readings is meant.

    Raises:
        InvalidPhone: the text is not a number, could be two numbers, or the number cannot exist.
    """
    digits, is_whatsapp_id = _extract_digits(text)
    if digits.startswith("00"):
        digits = f"+{digits[2:]}"
    if digits.startswith("+"):
        return _read_international(digits)
    readings = {_read_valid_international(f"+{digits}")}
    if default_region is not None and not is_whatsapp_id:
        readings.add(_read_national(digits, default_region))
    return _choose_reading([number for number in readings if number is not None], default_region)


def to_canonical(whatsapp_number: str) -> str | None:
    """The recipient that a number of WhatsApp's own stands for (it writes +521… for +52…); None: unreadable."""
    try:
        return to_e164(whatsapp_number)
    except InvalidPhone:
        return None


def to_key(text: str) -> str:
    """One record key for the spellings of a number. The service may know a region that is not known here."""
    try:
        return to_e164(text)
    except InvalidPhone:
        normalized = _normalize(text)
        return normalized.translate(_SEPARATORS) or normalized


def _choose_reading(readings: list[str], default_region: str | None) -> str:
    if len(readings) == 1:
        return readings[0]
    if readings:
        raise InvalidPhone(f"could be {' or '.join(sorted(readings))}; write it with +")
    if default_region is None:
        raise InvalidPhone("is not a valid number; write it with + and its country code")
    raise InvalidPhone(
        f"is not a valid number, neither with its country code nor in {default_region}"
    )


# -- the text


def _extract_digits(text: str) -> tuple[str, bool]:
    """The digits, with `+` in front if it is there, and whether it is a chat id of WhatsApp."""
    if _DIGITS.fullmatch(text):
        return text, False  # as programs write it: nothing is to be removed
    plain = _PREFIX.sub("", _normalize(text))
    without_suffix = _WHATSAPP_SUFFIX.sub("", plain)
    _check_characters(without_suffix)
    trimmed = without_suffix.strip()
    if trimmed.startswith(".") or trimmed.endswith(".") or _DECIMAL.search(trimmed):
        raise InvalidPhone("is a decimal number, as a spreadsheet writes it")
    digits = trimmed.translate(_SEPARATORS)
    if not _DIGITS.fullmatch(digits):
        raise InvalidPhone("is not a phone number")
    return digits, without_suffix != plain


def _normalize(text: str) -> str:
    """One character for each kind: ASCII digits, space, hyphen, plus; without invisible marks."""
    return "".join(_normalize_character(character) for character in text).strip()


def _normalize_character(character: str) -> str:
    if character.isascii():
        return " " if character.isspace() else character
    category = unicodedata.category(character)
    if category == "Nd":
        return str(unicodedata.decimal(character))
    if category == "Cf":  # directions, joiners, soft hyphens
        return ""
    if character.isspace():
        return " "
    if category == "Pd" or character in _MINUS_SIGNS:
        return "-"
    return "+" if character in _PLUS_SIGNS else _FULL_WIDTH.get(character, character)


def _check_characters(text: str) -> None:
    for character in text:
        if character in "/#":
            raise InvalidPhone(f"contains {character}")
        if character.isalpha():
            raise InvalidPhone("contains a letter; an extension cannot be reached by WhatsApp")
        if character not in "+0123456789 -().":
            raise InvalidPhone("contains a character that is not part of a number")


# -- the number


def _read_international(digits: str) -> str:
    """The number, whose length at least must exist in its country."""
    digits = _without_mexican_one(digits)
    if _is_plain(digits):
        return digits
    number = _parse(digits, None)
    validation = phonenumbers.is_possible_number_with_reason(number)
    if validation != ValidationResult.IS_POSSIBLE:
        reason = _EXPLANATIONS.get(validation, "it cannot exist")
        raise InvalidPhone(f"is not a phone number: {reason}")
    e164 = _format(number)
    # A digit was left out, for example the 0 of +44 (0)20…: this is safe if the result is a number in use.
    if e164 != digits and not phonenumbers.is_valid_number(number):
        raise InvalidPhone("is not a phone number: it has a digit too many after its country code")
    return e164


class _CountryRule(NamedTuple):
    """What phonenumbers knows of a country code. `lengths`: of the number behind it."""

    national_prefix: re.Pattern[str] | None
    lengths: frozenset[int]


def _is_plain(digits: str) -> bool:
    """Whether certainly nothing is to be removed from this number, and its length exists.

    Almost every number is so, and to let phonenumbers find it out is a third of the cost of taking in a request.
    """
    for end in (2, 3, 4):  # no country code begins with another one
        rule = _get_rule(digits[1:end])
        if rule is not None:
            national = digits[end:]
            if len(national) not in rule.lengths or national.startswith("0"):
                return False
            return rule.national_prefix is None or not rule.national_prefix.match(national)
    return False


@lru_cache(maxsize=2048)  # all texts of up to three digits
def _get_rule(country_code: str) -> _CountryRule | None:
    """None: there is no such country code."""
    if not country_code or country_code.startswith("0"):
        return None
    code = int(country_code)
    if code not in phonenumbers.COUNTRY_CODE_TO_REGION_CODE:
        return None
    region = phonenumbers.region_code_for_country_code(code)
    metadata = phonenumbers.PhoneMetadata.metadata_for_region_or_calling_code(code, region)
    if metadata is None or metadata.general_desc is None:
        return None
    prefix, description = metadata.national_prefix_for_parsing, metadata.general_desc
    lengths = {*description.possible_length} - {*description.possible_length_local_only}
    return _CountryRule(re.compile(prefix) if prefix else None, frozenset(lengths))


def _read_valid_international(digits: str) -> str | None:
    try:
        e164 = _read_international(digits)
    except InvalidPhone:
        return None
    brazilian = _BRAZILIAN_WITHOUT_NINE.fullmatch(e164)
    candidate = f"+55{brazilian[1]}9{brazilian[2]}" if brazilian else e164
    return e164 if _is_valid(e164) or _is_valid(candidate) else None


def _read_national(digits: str, region: str) -> str | None:
    """The number as somebody in this region dials it, without a country code."""
    try:
        number = _parse(digits, region)
    except InvalidPhone:
        return None
    if number.country_code_source != CountryCodeSource.FROM_DEFAULT_COUNTRY:
        return None
    return _format(number) if phonenumbers.is_valid_number(number) else None


def _without_mexican_one(digits: str) -> str:
    mexican = _MEXICAN.fullmatch(digits)
    return f"+52{mexican[1]}" if mexican else digits


def _parse(digits: str, region: str | None) -> PhoneNumber:
    try:
        return phonenumbers.parse(digits, region, keep_raw_input=True)
    except NumberParseException as error:
        if error.error_type == NumberParseException.INVALID_COUNTRY_CODE:
            raise InvalidPhone("is not a phone number: its country code does not exist") from error
        raise InvalidPhone("is not a phone number") from error


def _is_valid(e164: str) -> bool:
    return phonenumbers.is_valid_number(_parse(e164, None))


def _format(number: PhoneNumber) -> str:
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
