"""The WhatsApp id of a message, chosen by us before it is sent and the same in every attempt.

Its form is that of WhatsApp Web's own ids: `3EB0` and 18 upper-case hex digits
(whatsmeow, `GenerateMessageID`). No underscore may occur in it: the page's keys are joined by them.
"""

import hashlib
import hmac
from typing import Final

PREFIX: Final = "3EB0"


def derive_whatsapp_id(namespace: str, account: str, phone: str, request_id: str) -> str:
    """The id of this request's message when this account sends it to this phone."""
    identity = "\x00".join((account, phone, request_id)).encode()
    digest = hmac.new(namespace.encode(), identity, hashlib.sha256).hexdigest()
    return PREFIX + digest[:18].upper()
