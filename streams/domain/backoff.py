"""How long to wait before trying again. No dice: the jitter of a message is a fact about its id."""

from typing import Final
from zlib import crc32

MAX_RETRY_DELAY_S: Final = 300.0


def retry_delay_s(request_id: str, attempt: int, base_s: float) -> float:
    """Seconds before attempt `attempt + 1`: full jitter over `base_s * 2^(attempt - 1)`, at most 5 min.

    `attempt` counts from 1.
    """
    max_delay_s = min(MAX_RETRY_DELAY_S, base_s * 2 ** min(attempt - 1, 16))
    jitter = crc32(f"{request_id}/{attempt}".encode()) / 2**32
    return max_delay_s * jitter


def deferral_delay_s(deferrals: int) -> float:
    """Seconds before a release that was handed back is tried again: 0.5, 1, 2 … at most 30."""
    return min(30.0, 0.5 * 2 ** min(deferrals, 6))
