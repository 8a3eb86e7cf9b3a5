"""Why a session is in its phase: each reason, and what a person can do, in one sentence. No I/O."""

from types import MappingProxyType
from typing import Final

_STORAGE: Final = (
    "WhatsApp Web could not use its storage in the profile: free disk space, end every other browser on "
    "this profile, restart the sender, and link the account again if it asks for it."
)
_SYNC: Final = "WhatsApp Web could not synchronize with the phone: link the account again."
_MIGRATION: Final = (
    "WhatsApp Web could not migrate its chats: update WhatsApp on the phone, then link it again."
)
_REMOVED: Final = (
    "WhatsApp's server ended the link. The device was removed on the phone, or the phone was not used for "
    "14 days: open WhatsApp on the phone, then link the account again."
)
_NEW_LINK: Final = "The link has ended: link the account again."
_WAIT: Final = "It is tried again without end: nothing needs to be done."
_MIGRATION_REASONS: Final = (
    "lid_migration_split_thread_mismatch",
    "lid_migration_no_lid_available",
    "lid_migration_primary_mappings_obsolete",
    "lid_migration_peer_mapping_not_received",
    "lid_migration_state_discrepancy",
    "lid_migration_peer_mapping_malformed",
    "lid_migration_failed_to_parse_mapping",
    "lid_migration_companion_incompatible_killswitch",
    "lid_migration_one_on_one_thread_migration_internal_error",
    "lid_migration_unmigrated_primary",
    "lid_migration_unmigrated_companion",
    "lid_blocklist_pn_when_migrated",
    "lid_blocklist_chat_db_unmigrated",
)
# The page has lost its data: this proves nothing about the link itself.
STORAGE_REASONS: Final = frozenset(
    {
        "storage_failed",
        "storage_quota_exceeded",
        "cache_storage_open_failed",
        "web_fail_add_chat",
        "web_fail_offline_resume",
        "web_fail_storage_initialization",
        "web_fail_enc_salt",
    }
)
_SYNC_REASONS: Final = (
    "sync_failed",
    "syncd_failure",
    "syncd_timeout",
    "syncd_error_during_bootstrap",
    "critical_sync_timeout",
    "history_sync_timeout",
    "account_sync_timeout",
    "account_sync_error",
)

# The logout reasons are those of WAWebLogoutReasonConstants; `device_removed`, `login_rejected` and
# `unlinked` are the logouts for which WhatsApp names none.
REASONS: Final = MappingProxyType(
    {
        # logouts
        **dict.fromkeys(STORAGE_REASONS, _STORAGE),
        **dict.fromkeys(_SYNC_REASONS, _SYNC),
        **dict.fromkeys(_MIGRATION_REASONS, _MIGRATION),
        "user_initiated": "The account was logged out here: link it again to use it.",
        "logged_out": _NEW_LINK,
        "unlinked": _REMOVED,
        "device_removed": _REMOVED,
        "unknown_companion": _REMOVED,
        "login_rejected": (
            "WhatsApp's server refused the login, as it does with banned accounts: check the account on "
            "the phone before you link it again."
        ),
        "account_locked": (
            "WhatsApp has locked the account: open WhatsApp on the phone and follow what it says."
        ),
        "primary_identity_key_change": (
            "WhatsApp was installed anew on the phone, or moved to another one: link the account again."
        ),
        "md_opt_out": "The phone has left the version for linked devices: update WhatsApp on it.",
        "client_version_outdated": "WhatsApp Web is too old: restart the sender, then link it again.",
        "invalid_adv_status": _NEW_LINK,
        "missing_enc_salt": _STORAGE,
        "missing_screen_lock_salt": _STORAGE,
        # linking
        "other_number": (
            "The page is linked with another number than the account, so nothing is sent: link the account's "
            "own phone with `wa-streams accounts link`, or confirm the new number with `--confirm-number`."
        ),
        "number_in_use": (
            "Another account has this number already, so nothing is sent: link another phone, or remove the "
            "other account."
        ),
        "own_number_unknown": (
            "WhatsApp's page does not tell the number that it is linked with, so nothing is sent: install a newer "
            "version of wa-streams or wa-js."
        ),
        "pairing_refused": (
            "WhatsApp gave no pairing code: check the number, wait some minutes, or link by QR code."
        ),
        # requested by a person
        "requested": "A person has requested it: `wa-streams accounts resume` or `accounts link` undoes it.",
        "logout_requested": "A person has requested the logout: it follows as soon as the page can do it.",
        "qr_expired": "Nobody scanned the QR code; a new one comes by itself.",
        # restrictions
        "temporarily_banned": (
            "WhatsApp has banned the account for a time: nothing is sent until it ends; send less, and only "
            "to people who expect it."
        ),
        "replaced": (
            "Another WhatsApp Web uses this link, and WhatsApp has closed this one: end the other one, then "
            "restart the sender."
        ),
        "many_undelivered": (
            "Most messages of the last day did not arrive: people may have blocked the account, or WhatsApp hides "
            "it. Look at the phone; `wa-streams accounts resume` lets it write to strangers again."
        ),
        "warm_up": (
            "A new account may write to few new people a day (WA_WARM_UP): messages to others go on, and "
            "those to strangers wait or use another account."
        ),
        "tos_block": "WhatsApp has blocked the account for a breach of its terms: see the phone.",
        "proxy_block": "WhatsApp refuses the proxy: change the network's proxy.",
        # the connection
        "disconnected": f"WhatsApp Web has no connection and opens it anew. {_WAIT}",
        "service_unavailable": f"WhatsApp's service is unavailable. {_WAIT}",
        "update_required": f"WhatsApp refuses this version of its page, which loads a newer one. {_WAIT}",
        "whatsapp_unreachable": f"WhatsApp's page cannot be loaded: check the network. {_WAIT}",
        "page_incomplete": f"WhatsApp's page did not load completely: check the network. {_WAIT}",
        # the page and the machine
        "page_unreadable": (
            "WhatsApp's page has changed, so that its state cannot be read and nothing is sent: install a "
            "newer version of wa-streams or wa-js."
        ),
        "page_stuck": f"WhatsApp's page made no progress and is replaced. {_WAIT}",
        "page_hung": f"WhatsApp's page did not answer and is replaced. {_WAIT}",
        "page_lost": f"The browser or its page has died and is replaced. {_WAIT}",
        "page_navigated": f"WhatsApp's page has reloaded itself. {_WAIT}",
        "page_reloaded": f"The page is reloaded to free memory. {_WAIT}",
        "disk_full": (
            "There is too little free disk space, and a full disk costs the login: free space. The sender "
            "then starts by itself."
        ),
    }
)


def explain_reason(reason: str) -> str | None:
    """What a reason means, and what a person can do; None for a reason that is not in the table."""
    return REASONS.get(reason)


def describe_reason(reason: str) -> str:
    """The reason with its explanation, if it has one."""
    explanation = explain_reason(reason)
    return f"{reason}. {explanation}" if explanation else reason
