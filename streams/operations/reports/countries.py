"""The country of a phone number. Reads nothing but the data of a pinned package.

Countries that share a calling code (Canada and the United States, Kazakhstan and Russia) are told apart by the first
digits of the national number, so the answer is the same for all numbers with the same first digits.
"""

from typing import Final

import phonenumbers
from phonenumbers import NumberParseException

UNKNOWN: Final = "unknown"
GROUP: Final = "group"
_PREFIX_LENGTH: Final = 9  # `+` and eight digits: no two countries share more
_MAX_PREFIXES: Final = 500_000


class CountryFinder:
    """Finds the country of many numbers: of each prefix only once."""

    def __init__(self) -> None:
        self._by_prefix: dict[str, str] = {}

    def find(self, recipient: str | None) -> str:
        """The country (ISO 3166, `MY`) of an E.164 number; `group` of a group, and `unknown` of anything else."""
        if not recipient or recipient[0] != "+":
            return GROUP if recipient and recipient.endswith("@g.us") else UNKNOWN
        prefix = recipient[:_PREFIX_LENGTH]
        country = self._by_prefix.get(prefix)
        if country is None:
            country = find_country(recipient)
            if len(self._by_prefix) < _MAX_PREFIXES:
                self._by_prefix[prefix] = country
        return country


def find_country(phone: str) -> str:
    """The country of one number; of a number that no country has given out, the main one of its calling code."""
    try:
        number = phonenumbers.parse(phone)
    except NumberParseException:
        return UNKNOWN
    region = phonenumbers.region_code_for_number(number)
    if region is None and number.country_code is not None:
        region = phonenumbers.region_code_for_country_code(number.country_code)
    return UNKNOWN if region in (None, "ZZ", "001") else region
