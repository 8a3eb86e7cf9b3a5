"""The document of `/health/whatsapp`, with the field names of the earlier service.

The names stay as they are because dashboards of the earlier service read them.
"""

from collections.abc import Iterable
from typing import Any

from streams.observability.account_status import AccountStatus


def health_document(
    *,
    is_ready: bool,
    queue_length: int,
    cache_size: int | None,
    conversation_states: int | None,
    rate_limit_tracking: int | None,
    dispatches_overdue: int = 0,
    under_replicated_topics: int = 0,
    accounts: Iterable[AccountStatus],
) -> dict[str, Any]:
    """The document without the uptime in seconds, which the server adds.

    It is healthy while the process `is_ready` and an account can send.

    `queue_length` counts the messages that wait or are in flight, `cache_size` the numbers with a cached
    look-up, `conversation_states` the conversations that are not forgotten yet, and `rate_limit_tracking` the
    recipients that were sent a message recently. `dispatches_overdue` counts the messages whose sender does not answer,
    and `under_replicated_topics` the topics of which a broker that is down, frozen or behind has a copy.
    None: after its start, the process has not counted that yet.
    """
    statuses = list(accounts)
    return {
        "healthy": is_ready and any(status.can_send for status in statuses),
        "accounts": {status.name: status.summarize() for status in statuses},
        "metrics": {
            "queueLength": queue_length,
            "cacheSize": cache_size,
            "conversationStates": conversation_states,
            "rateLimitTracking": rate_limit_tracking,
            "dispatchesOverdue": dispatches_overdue,
            "underReplicatedTopics": under_replicated_topics,
        },
    }
