"""The table of error codes: what went wrong, and what the system does about it.

A code is a word of the contract and never changes its meaning. Its class decides what the system does
about it. The few decisions that depend on one code alone go through a predicate of `Error`; no other
code of this program compares the code of an `Error`.
"""

from enum import StrEnum
from typing import Final

import msgspec


class ErrorClass(StrEnum):
    """What the system does about an error."""

    INVALID = "invalid"  # never enters the queue: rejected, dead letter
    PERMANENT = "permanent"  # a retry cannot help: failed, dead letter
    TRANSIENT = "transient"  # retried with growing gaps, then failed, dead letter
    THROTTLED = "throttled"  # waits; no attempt is counted
    SESSION = "session"  # waits or moves to another account; no attempt is counted
    RESTRICTED = "restricted"  # never retried; the account pauses
    UNKNOWN = "unknown"  # nothing can tell whether it went out: unknown, dead letter


MAX_DETAIL_CHARACTERS: Final = 1000


class Error(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that went wrong: a code of the table, and what is particular to this case."""

    code: str
    detail: str = (
        ""  # cut: a page may answer with megabytes, and everything that follows must be writable
    )

    def __post_init__(self) -> None:
        """Cut the detail."""
        if len(self.detail) > MAX_DETAIL_CHARACTERS:
            msgspec.structs.force_setattr(self, "detail", self.detail[:MAX_DETAIL_CHARACTERS])

    @property
    def error_class(self) -> ErrorClass:
        """What the system does about it."""
        return CODES[self.code][0]

    @property
    def title(self) -> str:
        """The code in plain words."""
        return CODES[self.code][1]

    @property
    def is_timeout(self) -> bool:
        """Whether the page took too long, and the message was not submitted."""
        return self.code == "timeout_before_submit"

    @property
    def is_deadline_exceeded(self) -> bool:
        """Whether the dispatch reached its sender too late, or was overtaken by its deadline there."""
        return self.code == "deadline_exceeded"

    @property
    def is_only_late(self) -> bool:
        """Whether the message, or its file, did not come in time for this dispatch; no limit is reached."""
        return self.code in ("deadline_exceeded", "media_pending")

    @property
    def is_not_on_whatsapp(self) -> bool:
        """Whether WhatsApp answered that the number has no account."""
        return self.code == "recipient_not_on_whatsapp"

    @property
    def is_lookup_failed(self) -> bool:
        """Whether WhatsApp did not say whether the number, or the chat that it had, exists."""
        return self.code == "lookup_failed"

    @property
    def is_new_chat_refused(self) -> bool:
        """Whether only this account must not write to this recipient now; another account may."""
        return self.code == "new_chats_restricted"

    @property
    def is_refused_by_group(self) -> bool:
        """Whether only this account cannot write to the group; another account may."""
        return self.code in ("not_in_group", "group_admins_only")

    @property
    def is_about_new_chats(self) -> bool:
        """Whether WhatsApp forbids the account new chats, and nothing else."""
        return self.code in ("reachout_timelocked", "new_chats_capped")

    @property
    def is_time_lock(self) -> bool:
        """Whether WhatsApp refused the message because of the reach-out time lock."""
        return self.code == "reachout_timelocked"

    @property
    def is_account_pause(self) -> bool:
        """Whether the account has to pause for a short time."""
        return self.code == "account_rate_limited"

    @property
    def is_account_pace(self) -> bool:
        """Whether the account's own pace or cap holds the message; another account may have it."""
        return self.code in ("account_rate_limited", "account_daily_cap")


_INVALID, _PERMANENT, _TRANSIENT = ErrorClass.INVALID, ErrorClass.PERMANENT, ErrorClass.TRANSIENT
_THROTTLED, _SESSION = ErrorClass.THROTTLED, ErrorClass.SESSION
_RESTRICTED, _UNKNOWN = ErrorClass.RESTRICTED, ErrorClass.UNKNOWN

CODES: Final[dict[str, tuple[ErrorClass, str]]] = {
    "malformed_json": (_INVALID, "The record is not JSON"),
    "schema_violation": (_INVALID, "The request does not have the form that the contract requires"),
    "invalid_phone": (_INVALID, "The phone number cannot exist"),
    "unknown_account": (_INVALID, "There is no such account"),
    "unknown_template": (_INVALID, "There is no such template"),
    "invalid_template": (_INVALID, "The template cannot be used"),
    "missing_parameter": (_INVALID, "A parameter of the template is missing"),
    "record_too_large": (_INVALID, "The record is larger than WA_MAX_REQUEST_BYTES allows"),
    "media_too_large": (_INVALID, "The media are larger than WhatsApp allows"),
    "media_url_not_allowed": (_INVALID, "The URL of the media may not be fetched"),
    "queue_full": (_INVALID, "Too many messages wait for this phone"),
    "unknown_request": (_INVALID, "There is no such message to cancel or to change"),
    "not_sent_yet": (_INVALID, "The message has not been sent yet"),
    "too_late_to_edit": (_INVALID, "WhatsApp does not allow to edit the message any more"),
    "too_late_to_revoke": (_INVALID, "WhatsApp does not allow to revoke the message any more"),
    "too_late_to_cancel": (_INVALID, "The message can no longer be cancelled"),
    "recipient_opted_out": (_INVALID, "The recipient does not want these messages"),
    "id_already_used": (_PERMANENT, "The id is that of an earlier message, which was forgotten"),
    "no_sending_hours": (_PERMANENT, "The quiet hours leave no time for this recipient"),
    "recipient_not_on_whatsapp": (_PERMANENT, "The number is not on WhatsApp"),
    "not_in_group": (_PERMANENT, "No account that may send this is in the group"),
    "group_admins_only": (_PERMANENT, "Only administrators may write to the group"),
    "media_rejected": (_PERMANENT, "The media cannot be sent as this kind of message"),
    "content_refused": (_PERMANENT, "WhatsApp Web refused the message before it was sent"),
    "internal_error": (_PERMANENT, "wa-streams failed on this message, before it was sent"),
    "blocked_by_recipient": (_PERMANENT, "The recipient has blocked the account"),
    "timeout_before_submit": (_TRANSIENT, "The page took too long before the message was sent"),
    "page_crashed": (_TRANSIENT, "The page was lost before the message was sent"),
    "page_incomplete": (_TRANSIENT, "WhatsApp's page does not offer what is needed to send this"),
    "server_error": (_TRANSIENT, "WhatsApp's server answered with an error"),
    "media_fetch_failed": (_TRANSIENT, "The media could not be fetched"),
    "media_upload_failed": (_TRANSIENT, "The media could not be uploaded to WhatsApp"),
    "lookup_failed": (_TRANSIENT, "WhatsApp did not say whether the number exists"),
    "rate_limited": (_THROTTLED, "The recipient's limit is reached"),
    "media_pending": (_THROTTLED, "The media are still being fetched"),
    "account_rate_limited": (_THROTTLED, "The account's limit is reached"),
    "account_daily_cap": (_THROTTLED, "The account's daily cap is reached"),
    "deadline_exceeded": (_THROTTLED, "The sender got the message too late to submit it"),
    "not_logged_in": (_SESSION, "The account is not linked"),
    "disconnected": (_SESSION, "The account has no connection to WhatsApp"),
    "account_restricted": (_SESSION, "WhatsApp has restricted the account"),
    "new_chats_restricted": (_SESSION, "The account may open no new chats for a time"),
    "attempt_in_doubt": (_SESSION, "It is not known yet whether an earlier attempt was sent"),
    "reachout_timelocked": (_RESTRICTED, "WhatsApp forbids the account new chats for a time"),
    "new_chats_capped": (_RESTRICTED, "The account has used up its quota of new chats"),
    "spam_flagged": (_RESTRICTED, "WhatsApp took the message for spam"),
    "outcome_unknown": (_UNKNOWN, "Nothing can tell whether the message went out"),
}


def error_for(code: str, detail: str = "") -> Error:
    """The error of this code; a code that is not in the table becomes `server_error`, and is named in it."""
    if code in CODES:
        return Error(code, detail)
    return Error("server_error", f"{code}: {detail}" if detail else code)
