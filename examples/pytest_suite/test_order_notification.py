"""Tests of `order_notification.py` against the whole service with a simulated WhatsApp.

`pip install "wa-streams[testing]"` brings the fixture `wa_streams`. It starts once for the test run.
"""

import pytest
from order_notification import notify


def order(number: str, phone: str) -> dict[str, str]:
    """An order that was shipped."""
    return {"order": number, "phone": phone, "carrier": "ACME"}


def test_the_customer_gets_one_message(wa_streams):
    """An order that is read twice is one message."""
    with wa_streams.connect() as whatsapp:
        for _ in range(2):
            notify(whatsapp, order("8841", "+60115550101"))
    (message,) = wa_streams.wait_for_messages("+60115550101")
    assert message["body"] == "Order 8841 is on its way with ACME."


def test_a_number_that_is_not_on_whatsapp_is_reported(wa_streams):
    """The shop learns why, and can write a letter instead."""
    wa_streams.sandbox.set_numbers({"+60115550102": {"on_whatsapp": False}})
    with wa_streams.connect() as whatsapp:
        event = notify(whatsapp, order("8842", "+60115550102"))
    assert (event.status, event.error.code) == ("failed", "recipient_not_on_whatsapp")


def test_a_second_order_waits_for_the_limit(wa_streams):
    """The settings of conftest.py hold: one message to a recipient in a minute."""
    with wa_streams.connect() as whatsapp:
        notify(whatsapp, order("8843", "+60115550103"))
        whatsapp.send("+60115550103", "A second one", id="second")
        events = whatsapp.statuses(id="second", since_s=0)
        assert any(event.reason == "rate_limited" for event in events)
    with pytest.raises(TimeoutError, match="shows 1 of 2 messages"):
        wa_streams.wait_for_messages("+60115550103", 2, timeout_s=0.1)
