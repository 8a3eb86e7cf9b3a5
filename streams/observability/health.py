"""The document of `/health/whatsapp`, in the words of the earlier service."""

from typing import Any


def health_document(
    *,
    is_healthy: bool,
    queue_length: int,
    cache_size: int,
    conversation_states: int,
    rate_limit_tracking: int,
) -> dict[str, Any]:
    """The document without its uptime, which the server adds in seconds.

    `queue_length` counts what waits or is under way, `cache_size` numbers whose look-up is remembered,
    `conversation_states` phones that are remembered, `rate_limit_tracking` those that were sent to.
    """
    return {
        "healthy": is_healthy,
        "metrics": {
            "queueLength": queue_length,
            "cacheSize": cache_size,
            "conversationStates": conversation_states,
            "rateLimitTracking": rate_limit_tracking,
        },
    }
