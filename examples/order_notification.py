"""A shop's service: each order that was shipped becomes one message, however often the order is read.

    echo '{"order": "8841", "phone": "+905551112233", "carrier": "ACME"}' | python order_notification.py HOST:PORT

It reads an order a line, and prints the last status of each message.
"""

import json
import sys
from collections.abc import Iterable
from typing import Any

from streams.client import StatusEvent, SyncWhatsApp


def notify(whatsapp: SyncWhatsApp, order: dict[str, Any]) -> StatusEvent:
    """Tell a customer that the order is on its way. The id is the order's, so a repeat sends nothing."""
    return whatsapp.send_immediate(
        order["phone"],
        f"Order {order['order']} is on its way with {order['carrier']}.",
        id=f"order-{order['order']}-shipped",
        metadata={"order": order["order"]},
    )


def main(kafka: str, lines: Iterable[str]) -> None:
    """Notify about each order of the input."""
    with SyncWhatsApp(kafka=kafka) as whatsapp:
        for line in lines:
            event = notify(whatsapp, json.loads(line))
            print(event.id, event.status, event.error.code if event.error else "")


if __name__ == "__main__":
    main(sys.argv[1], sys.stdin)
