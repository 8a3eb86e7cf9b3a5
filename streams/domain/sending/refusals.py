"""What a refusal by WhatsApp's server means: from its code to an error. Pure: a table and one look-up.

The code is the `error` of the server's ack, which the page reads as a number and reports as
`ackErrorCode` (source: WAWebSendMsgCommonApi, WAWebHandleMsgError and WAWebSendMsgRecordAction of the
build 1044822804). What the page itself knows of a code:

    429  the rate limit of every other request (WASmaxInPrivacyIQErrorRateOverlimitMixin and its like)
    475  `NewChatMessagesCapped` in `NackReason` (WAWebCreateNackFromStanza)
    479  `SMAX_INVALID`, "Invalid stanza sent" (WABackendHandleError, WAHandleErrorStanzaProtocol)

463 and 404 have no name in the page; what they mean was observed by other clients. `NackReason` has more
codes, but those are what a client answers to the server, or concern groups (421). A code that is not in
the table is a `server_error` that names the number.

A page that is reloaded forgets the code of a refusal that it has not reported. It may be one that concerns the account,
so the account pauses for a short time: the next submit of the message gets the code again.
"""

from types import MappingProxyType
from typing import Final

from streams.domain.errors import Error, error_for

INVALID_CODE: Final = 479
LOST_CODE: Final = 0  # an earlier page got the refusal
CODES_BY_SERVER_CODE: Final = MappingProxyType(
    {
        404: "recipient_not_on_whatsapp",
        429: "account_rate_limited",
        463: "reachout_timelocked",
        475: "new_chats_capped",
        INVALID_CODE: "account_rate_limited",
        LOST_CODE: "account_rate_limited",
    }
)


def error_for_refusal(server_code: int, detail: str = "") -> Error:
    """The error of a message that the server refused with this code."""
    name = "the code is lost" if server_code == LOST_CODE else str(server_code)
    named = f"{name}: {detail}" if detail else name
    return Error(CODES_BY_SERVER_CODE.get(server_code, "server_error"), named)


def is_about_message(server_code: int) -> bool:
    """Whether the account pauses although the message itself may be the reason, each time."""
    return server_code == INVALID_CODE


def error_before_submit(code: str, detail: str, *, is_too_late: bool) -> Error:
    """The error of a message that never left the page. The page is not at fault if the deadline came."""
    error = error_for(code, detail)
    return Error("deadline_exceeded", detail) if error.is_timeout and is_too_late else error
