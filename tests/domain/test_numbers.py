"""Reading a number: every usual spelling, no guess, and for no region a stranger."""

# ruff: noqa: RUF001 - people write numbers with these characters

import re
from contextlib import suppress
from functools import cache
from itertools import product

import phonenumbers
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from streams.domain.numbers import InvalidPhone, to_e164, to_key

MALAYSIAN = "+60123456789"
# WhatsApp's form of a Mexican number has a digit too many.
COUNTRY_CODES = sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE.keys() - {52})
REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)
COMMON_TYPES = (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE)
SPARSE = 24  # every combination takes a minute, and each of these has its turn with many others


@pytest.mark.parametrize("region", [None, "MY", "DE"])
@pytest.mark.parametrize(
    "text",
    [
        MALAYSIAN,
        "60123456789",
        "0060123456789",
        " +60 12-345 6789 ",
        "+60 (12) 345-6789",
        "(+60) 12 345 6789",
        "+60 (0)12-345 6789",
        "60.12.345.6789",
        "00 60 12 345 6789",
        "tel:+60-12-345-6789",
        "TEL: +60123456789",
        "whatsapp:+60123456789",
        "whatsapp:60123456789",
        "60123456789@c.us",
        "60123456789@s.whatsapp.net",
        "+60123456789@C.US",
        "+６０１２３４５６７８９",
        "＋６０（１２）３４５－６７８９",
        "+٦٠١٢٣٤٥٦٧٨٩",
        "+६०१२३४५६७८९",
        "\u202a+60123456789\u202c",
        "\u200e+60\u00a012\u2011345\u20096789\u200b",
        "60\u00ad12\u00ad3456789",
        "\ufeff60123456789",
        "+60 12\u2013345\u22126789",
        "60123456789\r\n",
    ],
)
def test_spellings_of_one_number(text: str, region: str | None) -> None:
    """The spelling, and the region of the service, do not change whose number it is."""
    assert to_e164(text, region) == MALAYSIAN


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "+",
        "hello",
        "0800 FLOWERS",
        "+60 12-345 6789 ext. 5",
        "+60123456789x5",
        "+60123456789;ext=5",
        "+60123456789,,5",
        "+60 12/345 6789",
        "+60123456789#5",
        "*123#",
        "+60123456789.0",
        "60123456789.0",
        "60123456789.00",
        "6.0123456789E+10",
        "60123456789.",
        "+60123456789 +60123456789",
        "++60123456789",
        "60+123456789",
        "+0060123456789",
        "00060123456789",
        "6012345²6789",
        "+60[12]3456789",
        "60123456789@g.us",
        "60123456789@lid",
        "60123456789:12@s.whatsapp.net",
        "tel:tel:+60123456789",
        "+999123456",
        "+6012",
        "+60123456789012345",
        "+13101234",
        "12-345 6789",
    ],
)
@pytest.mark.parametrize("region", [None, "MY", "US", "DE"])
def test_what_is_not_a_number(text: str, region: str | None) -> None:
    """The reason is given without the number. `12-345 6789` is not how somebody in these countries dials."""
    if (text, region) == ("12-345 6789", "MY"):
        assert (
            to_e164(text, region) == MALAYSIAN
        )  # without the 0 in front: valid, and nobody else's
        return
    with pytest.raises(InvalidPhone) as raised:
        to_e164(text, region)
    assert not re.search(r"\d{4}", str(raised.value))


@pytest.mark.parametrize(
    ("text", "region", "expected"),
    [
        ("012-345 6789", "MY", MALAYSIAN),
        ("01.23.45.67.00", "FR", "+33123456700"),
        ("0170 1234567", "DE", "+491701234567"),
        ("(212) 555-2368", "US", "+12125552368"),
        ("1 212 555 2368", "US", "+12125552368"),
        ("8 (912) 345-67-89", "RU", "+79123456789"),
        ("06 698 12345", "IT", "+390669812345"),
        ("5215512345678", None, "+525512345678"),
        ("+521 55 1234 5678", None, "+525512345678"),
        ("525512345678", "US", "+525512345678"),
        ("5491123456789", None, "+5491123456789"),
        ("541123456789", None, "+541123456789"),
        ("5511961234567", None, "+5511961234567"),
        ("554188887777", None, "+554188887777"),
        ("554188887777@c.us", "BR", "+554188887777"),
        ("5541988887777", "BR", "+5541988887777"),
        ("+44 (0)20 7946 0018", None, "+442079460018"),
    ],
)
def test_national_numbers_and_whatsapps_own_forms(
    text: str, region: str | None, expected: str
) -> None:
    """Each has one reading. The ninth digit of Brazil stays as it was written: WhatsApp knows it."""
    assert to_e164(text, region) == expected


def test_a_number_of_two_people_is_refused() -> None:
    """The error names both readings, so that the caller can write the right one with a plus."""
    with pytest.raises(InvalidPhone) as raised:
        to_e164("491701234567", "DE")
    assert str(raised.value) == "could be +491701234567 or +49491701234567; write it with +"


def test_an_ambiguous_number_names_both_readings() -> None:
    """In every region where that happens, both are named."""
    ambiguous = 0
    for number, region in sample_combinations():
        try:
            to_e164(number[1:], region)
        except InvalidPhone as error:
            ambiguous += 1
            readings = re.findall(r"\+\d+", str(error))
            assert number in readings
            assert len(set(readings)) == 2
    assert ambiguous > 10


def test_a_valid_foreign_number_never_becomes_a_domestic_one() -> None:
    """For no default region: a number with its country code is itself, or is refused."""
    for number, region in sample_combinations():
        with suppress(InvalidPhone):
            assert to_e164(number[1:], region) == number, region
        assert to_e164(f"{number[1:]}@c.us", region) == number


@pytest.mark.parametrize("region", REGIONS)
def test_a_valid_domestic_number_never_becomes_a_foreign_one(region: str) -> None:
    """As people in the region dial it, it is itself, or is refused."""
    for number in list_examples(region):
        parsed = phonenumbers.parse(number)
        dialled = phonenumbers.format_number(parsed, PhoneNumberFormat.NATIONAL)
        for text in (dialled, phonenumbers.national_significant_number(parsed)):
            with suppress(InvalidPhone):
                assert to_e164(text, region) == number


@given(st.text(max_size=80) | st.from_regex(r"(\+|00|tel:)?[0-9 .()-]{4,20}", fullmatch=True))
@example("+7 8 8 8 9123456")
def test_any_text_is_a_number_or_an_invalid_phone(text: str) -> None:
    """Nothing else is raised, and a number that was read is read as itself again."""
    with suppress(InvalidPhone):
        number = to_e164(text, "MY")
        assert re.fullmatch(r"\+\d{4,17}", number)
        assert to_e164(number) == to_e164(number, "DE") == number


@given(st.sampled_from(COUNTRY_CODES), st.from_regex(r"[0-9]{4,13}", fullmatch=True))
@settings(max_examples=1000)
@example(39, "0612345678")
@example(44, "02071234567")
@example(54, "22971530714")  # as long as a number, and its first digits are a prefix
@example(352, "15119162762")
@example(375, "8380131717")
@example(98, "00000")  # phonenumbers finds one zero more if it keeps the text
def test_a_number_with_its_country_code_is_read_as_by_phonenumbers(code: int, rest: str) -> None:
    """Also where it is read without phonenumbers: the same number, and none that phonenumbers finds impossible."""
    text = f"+{code}{rest}"
    with suppress(InvalidPhone):
        number = to_e164(text)
        parsed = phonenumbers.parse(text, keep_raw_input=True)  # as the program does
        assert phonenumbers.is_possible_number(parsed)
        assert number == phonenumbers.format_number(parsed, PhoneNumberFormat.E164)


def test_the_spellings_of_a_number_have_one_key() -> None:
    """Also if the number can be read only with a region that the caller does not know."""
    assert to_key("+60 12-345 6789") == to_key("60123456789") == MALAYSIAN
    assert to_key("012-345 6789") == to_key("０１２ 345.6789") == "0123456789"
    assert to_key("call me") == "callme"
    assert to_key("") == to_key(" ") == ""


@cache
def list_examples(region: str) -> list[str]:
    """Numbers of this region in E.164."""
    examples = [phonenumbers.example_number_for_type(region, type_) for type_ in COMMON_TYPES]
    return [
        phonenumbers.format_number(number, PhoneNumberFormat.E164)
        for number in examples
        if number is not None
    ]


@cache
def sample_combinations() -> list[tuple[str, str]]:
    """Foreign numbers with default regions: each number and each region many times."""
    numbers = sorted({number for region in REGIONS for number in list_examples(region)})
    combinations = product(enumerate(numbers), enumerate(REGIONS))
    return [
        (number, region)
        for (row, number), (column, region) in combinations
        if (row + column) % SPARSE == 0
    ]
