"""How this WhatsApp behaves when nobody asks for a fault. Values only."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """`ack_delay_ms`: from a message's arrival to its ack. `delivery_ms`, `read_ms`: from the ack to
    the receipt, None for never (a read then comes by `POST /read` alone). `qr_ttl_s`: how long a
    code is shown before the next. With `auto_scan` a phone scans whatever page shows a code.
    """

    ack_delay_ms: int = 0
    delivery_ms: int | None = 20
    read_ms: int | None = None
    qr_ttl_s: float = 20.0
    auto_scan: bool = False
