"""The document of `/health/whatsapp`, with the field names of the earlier service.

The names stay as they are because dashboards of the earlier service read them.
"""

from collections.abc import Mapping
from typing import Any


def health_document(
    *,
    is_healthy: bool,
    queue_length: int,
    cache_size: int,
    conversation_states: int,
    rate_limit_tracking: int,
    accounts: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The document without the uptime in seconds, which the server adds.

    `accounts`: what explains the state of each account that this process knows.

    `queue_length` counts the messages that wait or are in flight, `cache_size` the numbers with a cached
    look-up, `conversation_states` the recipients that have a row, and `rate_limit_tracking` those of
    them that were sent a message recently.
    """
    return {
        "healthy": is_healthy,
        **({} if accounts is None else {"accounts": dict(accounts)}),
        "metrics": {
            "queueLength": queue_length,
            "cacheSize": cache_size,
            "conversationStates": conversation_states,
            "rateLimitTracking": rate_limit_tracking,
        },
    }
