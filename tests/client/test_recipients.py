"""Which events are about the request to a number."""

import pytest

from streams.client import is_for
from streams.contract import status


@pytest.mark.parametrize(
    ("to", "event_to", "requested_to", "region", "expected"),
    [
        ("+60 12-345 6789", "+60123456789", None, None, True),
        ("0060123456789", "+60123456789", None, None, True),
        ("+60123456780", "+60123456789", None, None, False),
        ("+5511987654321", "+551187654321", "+5511987654321", None, True),
        ("+551187654321", "+551187654321", "+5511987654321", None, True),
        ("012-345 6789", "+60123456789", None, "MY", True),
        ("012-345 6789", "+60123456789", None, None, True),
        ("012-345 6780", "+60123456789", None, None, False),
        ("012-345 6780", "+60123456789", None, "MY", False),
        ("nobody", "nobody", None, None, True),
        ("nobody", "somebody", None, None, False),
        ("x" * 128, "x" * 64, None, None, True),
        ("nobody", "+60123456789", None, None, False),
        ("nobody", None, None, None, True),
        ("9", "+60123456789", None, None, False),
    ],
)
def test_an_event_belongs_to_a_recipient(
    to: str, event_to: str | None, requested_to: str | None, region: str | None, expected: bool
) -> None:
    """By either number of the event, in any notation; a rejection repeats what could not be read."""
    event = status.make(
        id="a",
        status="sent",
        event_id_suffix="1",
        at_s=1.0,
        to=None,
        unreadable_to=event_to,
        requested_to=requested_to,
    )
    assert is_for(event, to, region) is expected
