"""The WhatsApp id of a message: chosen before the message is sent, and the same in every attempt.

Because the id does not change, a message that may have left can be looked for, and WhatsApp drops a
second copy. The id depends on four things only:

* the namespace (the topic prefix), so that two installations do not share ids,
* the account, because each account is another sender for WhatsApp,
* the recipient's phone,
* the id of the request.

Its form is that of WhatsApp Web's own ids: `3EB0` and 18 upper-case hex digits (whatsmeow,
`GenerateMessageID`). An id must not contain an underscore: the page joins its keys with underscores.
"""

import hashlib
import hmac
from typing import Final

PREFIX: Final = "3EB0"
_DIGITS: Final = 18


def derive_whatsapp_id(namespace: str, account: str, phone: str, request_id: str) -> str:
    """The id of this request's message when this account sends it to this phone.

    It is computed again for every attempt and never stored apart from the row that it names.
    """
    # The separator keeps `ab` + `c` apart from `a` + `bc`.
    identity = "\x00".join((account, phone, request_id)).encode()
    digest = hmac.new(namespace.encode(), identity, hashlib.sha256).hexdigest()
    return PREFIX + digest[:_DIGITS].upper()
