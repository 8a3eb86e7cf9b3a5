"""Phone numbers as people write them, converted to E.164.

Whether WhatsApp knows a number is not decided here. No error text repeats the number.
"""

from functools import lru_cache

import phonenumbers
from phonenumbers import NumberParseException, ValidationResult

_EXPLANATIONS = {
    ValidationResult.INVALID_COUNTRY_CODE: "its country code does not exist",
    ValidationResult.TOO_SHORT: "it is too short for its country",
    ValidationResult.TOO_LONG: "it is too long for its country",
    ValidationResult.INVALID_LENGTH: "its length does not exist in its country",
    ValidationResult.IS_POSSIBLE_LOCAL_ONLY: "its area code is missing",
}


class InvalidPhone(ValueError):
    """The text is not a phone number that could exist. Says why, without the number."""


@lru_cache(maxsize=16_384)
def to_e164(text: str, default_region: str | None = None) -> str:
    """The number in E.164 (`+60123456789`); with `default_region` (`MY`), national numbers are read too.

    Only the length is checked. Whether a number is in use, only WhatsApp knows: numbering plans change
    faster than any table of them.

    Raises:
        InvalidPhone: the text cannot be read, or the number cannot exist.
    """
    try:
        number = phonenumbers.parse(text, default_region)
    except NumberParseException as error:
        raise InvalidPhone(_explain_unreadable(error, default_region)) from error
    validation = phonenumbers.is_possible_number_with_reason(number)
    if validation != ValidationResult.IS_POSSIBLE:
        raise InvalidPhone(f"to: {_EXPLANATIONS.get(validation, 'it cannot exist')}")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _explain_unreadable(error: NumberParseException, default_region: str | None) -> str:
    if error.error_type == NumberParseException.INVALID_COUNTRY_CODE and default_region is None:
        return "to: has no country code (+60…), and no default region is set"
    return "to: is not a phone number"
