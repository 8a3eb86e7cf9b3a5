"""The results with which an attempt ends, apart from `Sent`: what each means, and when it is used. Pure.

A result that is not in doubt says that nothing was sent, so another account may get the message.
"""

from msgspec.structs import replace

from streams.domain.errors import Error, ErrorClass
from streams.domain.numbers import to_canonical
from streams.domain.phone.events import Deferred, Failed, Moved, OutcomeUnknown
from streams.domain.sending.command import SendCommand


def not_sent_result(error: Error, until_s: float = 0.0) -> Failed | Deferred:
    """The result of an attempt that certainly sent nothing; the class of the error says whether it waits."""
    if error.error_class in (ErrorClass.SESSION, ErrorClass.THROTTLED):
        return Deferred(error=error, until_s=until_s)
    return Failed(error=error)


def moved_result(command: SendCommand, whatsapp_phone: str | None) -> Moved | None:
    """The result if WhatsApp's number of the chat is another recipient; None: this one, or it does not say."""
    phone = to_canonical(whatsapp_phone) if whatsapp_phone is not None else None
    return None if phone in (None, command.phone) else Moved(phone=phone)


def already_used_result() -> Failed:
    """The result of a message with the id of a forgotten one: nothing was sent, and its recipient would drop it."""
    detail = (
        "an earlier message to this recipient had this id, and was sent or may have been, before the recipient was "
        "forgotten; nothing was sent for this one: request it with another id"
    )
    return Failed(error=Error("id_already_used", detail))


def in_doubt_result(detail: str, until_s: float = 0.0) -> Deferred:
    """The claim stays open, and the message is dispatched to this account again later.

    `until_s`: it is not worth looking for it before then; 0: as soon as the phone stage likes.
    """
    return Deferred(error=Error("attempt_in_doubt", detail), until_s=until_s, in_doubt=True)


def held_back_result(error: Error, until_s: float) -> Deferred:
    """In doubt, but nothing sends it: it would be submitted again, if this did not forbid it until then."""
    in_doubt = in_doubt_result(f"{error.code}: {error.detail}", until_s)
    return replace(in_doubt, is_held_back=until_s > 0)


def unknown_result(detail: str, now_s: float) -> OutcomeUnknown:
    """Given up: nothing can tell whether the message went out."""
    return OutcomeUnknown(at_s=now_s, error=Error("outcome_unknown", detail))
