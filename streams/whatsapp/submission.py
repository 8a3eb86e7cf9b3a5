"""A message for WhatsApp's page, and what may come of it. Values only; driver.py says what a submit does.

A caller that must avoid a second message on the recipient's phone has to distinguish the results.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Submission:
    """One message for WhatsApp, under an id that the caller has chosen.

    `content` is the content of the request as JSON. Its file is in `data`, or at `media_path` until the result. After
    `submit_before_mono_s` (of time.monotonic()) nothing may leave the page any more, also if it was frozen meanwhile.
    From the submit on, the driver waits `ack_timeout_s` for the ack. Without `is_new_chat_allowed` it may go only to
    somebody who has written to the account before.

    `after`: the WhatsApp id of a message that the page has already. This one is submitted as soon as the server accepts
    that one. If it does not, or not within `after_timeout_s`, nothing is done (`NotBegun`).
    """

    whatsapp_id: str
    chat_id: str
    content: Mapping[str, object]
    submit_before_mono_s: float
    reply_to: str | None
    ack_timeout_s: float
    is_new_chat_allowed: bool = True
    media_path: Path | None = None
    after: str | None = None
    after_timeout_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ServerAccepted:
    """WhatsApp's server has the message. `at_s` is the time when the ack was seen, never earlier."""

    at_s: float


@dataclass(frozen=True, slots=True)
class NotSubmitted:
    """It is certain that nothing left the page, and that nothing will.

    `until_s` (epoch): the same would happen before then.
    """

    code: str
    detail: str
    until_s: float | None = None


@dataclass(frozen=True, slots=True)
class NotBegun:
    """The message that `Submission.after` names was not accepted in time.

    Nothing left the page, and nothing will.
    """


@dataclass(frozen=True, slots=True)
class ServerRefused:
    """WhatsApp's server refused the message with this code (`ackErrorCode` in the page)."""

    server_code: int
    detail: str = ""


@dataclass(frozen=True, slots=True)
class InDoubt:
    """The message may or may not have left: call `find_message` before anything else is done.

    With the code of a `NotSubmitted`, an earlier attempt is in doubt and this one sent nothing. `until_s`
    (epoch): the same would happen before then.
    """

    code: str
    detail: str
    until_s: float | None = None


SubmitResult: TypeAlias = ServerAccepted | NotSubmitted | NotBegun | ServerRefused | InDoubt
