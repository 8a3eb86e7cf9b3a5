"""What a recipient, or a person for it, has decided about marketing messages, and what may change that.

Consent belongs to the recipient, whichever account was written to. It is stored apart from the recipient's row, and no
retention removes it. The order of the log decides. Only what a person has written may come late, because its account
was away; then the time at which it was written counts:

    the message says   it changes something unless
    ----------------   ------------------------------------------------------------------------
    opt out            the recipient has written later that it opts in
    opt in             the recipient has not opted out, or that was decided after it was written

So nothing that comes late, or again, ends an opt-out. There is no clock here.
"""

from typing import Final, Literal, TypeAlias

from msgspec.structs import replace

from streams.domain.stored import Codec, Stored

ConsentStatus: TypeAlias = Literal["opted_out", "opted_in"]
ConsentSource: TypeAlias = Literal["message", "operator"]

MAX_REMEMBERED: Final = 16  # decisions that are recognised if they come again


class Consent(Stored, frozen=True):
    """The last decision."""

    status: ConsentStatus
    source: ConsentSource
    at_s: float  # when it was appended to the log
    written_at_s: float  # when the person wrote it, in WhatsApp's time; of an operator as `at_s`
    account: str | None = None  # to which the person wrote
    request_id: str | None = None  # of the operator's request
    recent_ids: tuple[str, ...] = ()  # what was decided on, the newest last


def is_opted_out(consent: Consent | None) -> bool:
    """Whether marketing messages must not be sent."""
    return consent is not None and consent.status == "opted_out"


def is_repeat(consent: Consent | None, decision_id: str) -> bool:
    """Whether this message or request was decided on already."""
    return consent is not None and decision_id in consent.recent_ids


def after_message(
    consent: Consent | None,
    status: ConsentStatus,
    *,
    account: str,
    at_s: float,
    written_at_s: float,
) -> Consent | None:
    """The consent after such a word; None: it changes nothing. `written_at_s` 0: not known."""
    written_at_s = min(written_at_s, at_s) if written_at_s else at_s
    if not _changes(consent, status, min(written_at_s, at_s), at_s):
        return None
    return Consent(
        status=status, source="message", at_s=at_s, written_at_s=written_at_s, account=account
    )


def _changes(
    consent: Consent | None, status: ConsentStatus, written_at_s: float, at_s: float
) -> bool:
    if consent is None:
        return status == "opted_out"
    # The broker's clock may have been set back since.
    is_late = written_at_s < min(consent.written_at_s, at_s)
    if consent.status == status:
        return False
    if status == "opted_in":
        return not is_late
    return not (is_late and consent.source == "message")


def after_request(status: ConsentStatus, request_id: str, at_s: float) -> Consent:
    """The consent that an operator sets. It is a decision, also if it changes nothing."""
    return Consent(
        status=status, source="operator", at_s=at_s, written_at_s=at_s, request_id=request_id
    )


def merge(consent: Consent | None, other: Consent) -> Consent:
    """The consent of two numbers of one chat: the later one. If they are equally late, an opt-out counts."""
    if consent is None:
        return other
    is_other = (other.at_s, other.status == "opted_out") > (consent.at_s, is_opted_out(consent))
    recent_ids = (*other.recent_ids, *consent.recent_ids)[-MAX_REMEMBERED:]
    return replace(other if is_other else consent, recent_ids=recent_ids)


def remember(consent: Consent, before: Consent | None, decision_id: str) -> Consent:
    """The consent, with this decision and the ones before it recognised from now on."""
    earlier = before.recent_ids if before is not None else ()
    return replace(consent, recent_ids=(*earlier, decision_id)[-MAX_REMEMBERED:])


_codec: Codec[Consent] = Codec(Consent)


def encode(consent: Consent) -> bytes:
    """The consent as it is stored."""
    return _codec.encode(consent)


def decode(data: bytes) -> Consent:
    """A stored consent."""
    return _codec.decode(data)
