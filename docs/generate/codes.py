"""The page of the words that statuses carry: statuses, reasons, error classes and error codes, out of their tables."""

from typing import Final, get_args

from docs.generate.markdown import code, page, table
from streams.contract.status import FINAL_STATUSES, Reason, Status
from streams.domain.errors import CODES, ErrorClass
from streams.runtime.exit_codes import ExitCode

# What the system does about an error; the table of the contract has it in more words.
_CONSEQUENCES: Final = {
    ErrorClass.INVALID: "`rejected`, dead letter",
    ErrorClass.PERMANENT: "`failed`, dead letter",
    ErrorClass.TRANSIENT: "retried; then `failed`, dead letter",
    ErrorClass.THROTTLED: "waits; no attempt is counted",
    ErrorClass.SESSION: "waits, or moves to another account; no attempt is counted",
    ErrorClass.RESTRICTED: "`failed`, dead letter, never retried",
    ErrorClass.UNKNOWN: "`unknown`, dead letter, never sent again by itself",
}
_STRANGERS_WAIT: Final = (
    "`failed`, dead letter, never retried; the account's other messages to people "
    "who never wrote to it wait, or move"
)
# Where a code differs from its class.
_EXCEPTIONS: Final = {
    "media_too_large": "`failed`, dead letter: it is noticed when the file is fetched or sent",
    "media_url_not_allowed": "`rejected`, or `failed` if its sender notices it; dead letter",
    "reachout_timelocked": _STRANGERS_WAIT,
    "new_chats_capped": _STRANGERS_WAIT,
    "spam_flagged": "`failed`, dead letter, never retried; the account pauses",
}
_INTRODUCTION: Final = """\
Every status, reason and error code that a status event can carry, and the exit codes of workers.
[The contract](../contract.md#status-event) explains them."""


def render_codes() -> str:
    """The page."""
    return page(
        "Codes",
        _INTRODUCTION,
        "## Statuses",
        table(
            ("status", "final"),
            ((code(word), "yes" if word in FINAL_STATUSES else "") for word in get_args(Status)),
        ),
        "## Reasons of `queued`",
        ", ".join(code(word) for word in get_args(Reason)),
        "## Error codes",
        table(
            ("code", "class", "title", "what happens"),
            (
                (code(name), code(class_), title, _EXCEPTIONS.get(name, _CONSEQUENCES[class_]))
                for name, (class_, title) in CODES.items()
            ),
        ),
        "## Exit codes of workers",
        table(("code", "name"), ((str(item.value), code(item.name)) for item in ExitCode)),
    )
