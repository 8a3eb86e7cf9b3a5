"""Recipients: numbers and groups. What is neither is refused, and nothing is guessed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.domain.numbers import InvalidPhone
from streams.domain.recipients import is_group, to_recipient, to_recipient_key

NEW, OLD = "120363041234567890@g.us", "60123456789-1612345678@g.us"
DIGITS = st.text(alphabet="0123456789", min_size=1, max_size=24)


@pytest.mark.parametrize(
    ("text", "recipient"),
    [
        (NEW, NEW),
        (f" {NEW.upper()}\n", NEW),
        (OLD, OLD),
        ("+60 12-345 6789", "+60123456789"),
        ("60123456789@c.us", "+60123456789"),
    ],
)
def test_one_recipient_for_each_spelling(text: str, recipient: str) -> None:
    """A group keeps WhatsApp's id; a person is known by the number; the record key is the same."""
    assert to_recipient(text) == to_recipient_key(text) == recipient
    assert is_group(recipient) == recipient.endswith("@g.us")


@pytest.mark.parametrize(
    "text",
    [
        "@g.us",
        "12@g.us",
        "friends@g.us",
        f"x{NEW}",
        f"{NEW}@g.us",
        f"{NEW},{NEW}",
        "1-2-3@g.us",
        "1203@lid",
        "",
    ],
)
def test_what_is_no_group_is_refused(text: str) -> None:
    """It is neither sent to a group nor to a person whose number is in it."""
    with pytest.raises(InvalidPhone):
        to_recipient(text)


@given(DIGITS, st.none() | DIGITS)
def test_a_group_is_never_taken_for_a_person(first: str, second: str | None) -> None:
    """By the naive rule: one long number, or two, and nothing else."""
    text = f"{first}@g.us" if second is None else f"{first}-{second}@g.us"
    is_new = second is None and 15 <= len(first) <= 20
    is_old = second is not None and 5 <= len(first) <= 15 and 5 <= len(second) <= 12
    if is_new or is_old:
        assert to_recipient(text) == text
        return
    with pytest.raises(InvalidPhone):
        to_recipient(text)
