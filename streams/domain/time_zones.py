"""The time zones in which the owner of a phone number may be. Reads nothing but the data of pinned packages.

`phonenumbers` knows the zones of a number. Of a country code that several countries share, it often gives all of their
zones; those of other countries are left out, by the table of `tzdata`. The rules of the zones are those of `tzdata`
too, and never those of the host, so all hosts agree. What cannot be located (a satellite phone) is taken to be in UTC.
"""

from collections import defaultdict
from datetime import UTC, tzinfo
from functools import cache, lru_cache
from importlib.resources import files
from zoneinfo import ZoneInfo

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, timezone


@lru_cache(maxsize=16_384)
def find_zones(phone: str) -> tuple[tzinfo, ...]:
    """The zones of this number (E.164); at least one."""
    try:
        number = phonenumbers.parse(phone)
    except NumberParseException:
        return (UTC,)
    names = _drop_other_countries(number, timezone.time_zones_for_number(number))
    zones = [zone for name in names if (zone := _load_zone(name)) is not None]
    return tuple(zones) or (UTC,)


def _drop_other_countries(number: PhoneNumber, names: tuple[str, ...]) -> tuple[str, ...]:
    """The zones that are in the number's country, or in a country that is not known; all, if none of them is."""
    country = phonenumbers.region_code_for_number(number)
    if country is None or len(names) == 1:
        return names
    countries = _load_countries()
    kept = tuple(name for name in names if country in countries.get(name, {country}))
    return kept or names


@cache
def _load_countries() -> dict[str, set[str]]:
    """The countries of each zone."""
    countries: defaultdict[str, set[str]] = defaultdict(set)
    for line in (
        (files("tzdata") / "zoneinfo" / "zone.tab").read_text(encoding="utf-8").splitlines()
    ):
        if not line.startswith("#"):
            country, _, name = line.split("\t")[:3]
            countries[name].add(country)
    return dict(countries)


@cache
def _load_zone(name: str) -> ZoneInfo | None:
    """The zone of this name, from `tzdata`; None: there is none, or the name says that it is not known."""
    path = files("tzdata") / "zoneinfo" / name
    if name == timezone.UNKNOWN_TIMEZONE or not path.is_file():
        return None
    with path.open("rb") as file:
        return ZoneInfo.from_file(file, key=name)
