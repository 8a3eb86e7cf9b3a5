"""The end of forgetting a recipient: everything of its row that names a person goes, and the senders are instructed.

Also how far it is, for whoever has requested it. Messages are not looked at here (forgetting.py).
"""

from typing import Final, Literal

from msgspec.structs import replace

from streams.domain.accounts.routing import AccountCapacities
from streams.domain.consent.state import is_opted_out
from streams.domain.forgetting import ForgetReport, ForgetState
from streams.domain.phone.effects import (
    ForwardEvent,
    InstructForget,
    PublishConsent,
    PublishForgetReport,
)
from streams.domain.phone.transition import Transition
from streams.domain.phone.values.forgetting import ForgetRequested, Forgetting, Forgotten

_MAX_REQUESTS: Final = 8  # whose reports are remembered


def get(transition: Transition) -> Forgetting:
    """How far it is."""
    forgetting = transition.phone.forgetting
    assert forgetting is not None, "it goes on"
    return forgetting


def finish(transition: Transition, accounts: AccountCapacities) -> None:
    """Nothing is left but what the idempotency and the limit need for a while."""
    forgetting, phone = get(transition), transition.phone
    request, chat = forgetting.request, phone.chat
    names = tuple(sorted(name for name, each in accounts.items() if not each.is_removed))
    for name in names:
        chat_id = None if chat is None else chat.chat_id
        transition.emit(
            InstructForget(
                request_id=request.request_id,
                account=name,
                chat_id=chat_id,
                before_offset=forgetting.before_offset,
            )
        )
    consent = _forget_consent(transition, keep_opt_out=request.keep_opt_out)
    forward(transition, request)  # it may have become an alias meanwhile
    report(transition, forgetting, "done", consent=consent, accounts=names)
    earlier_ids = phone.forgotten.request_ids if phone.forgotten is not None else ()
    request_ids = dict.fromkeys((*earlier_ids, *forgetting.replaced_ids, request.request_id))
    transition.update_phone(
        account=None,
        conversation=None,
        closures={},
        chat=None,
        alias=None,
        other_numbers=(),
        forgetting=None,
        forgotten=Forgotten(
            at_s=transition.append_s, request_ids=tuple(request_ids)[-_MAX_REQUESTS:]
        ),
    )


def _forget_consent(
    transition: Transition, *, keep_opt_out: bool
) -> Literal["none", "removed", "kept_as_hash"]:
    consent = transition.get_consent()
    if consent is None:
        return "none"
    transition.put_consent(None)
    transition.emit(PublishConsent(consent=None))
    if keep_opt_out and is_opted_out(consent):
        transition.keep_opt_out(consent)
        return "kept_as_hash"
    return "removed"


def _list_other_numbers(transition: Transition, request: ForgetRequested) -> tuple[str, ...]:
    phone = transition.phone
    alias = () if phone.alias is None else (phone.alias.phone,)
    path = (phone.phone, *request.path)
    return tuple(dict.fromkeys(n for n in (*alias, *phone.other_numbers) if n not in path))


def forward(transition: Transition, request: ForgetRequested) -> None:
    """The other numbers of the chat are forgotten too."""
    others = _list_other_numbers(transition, request)
    for number in others:
        path = (*request.path, transition.phone.phone, *(n for n in others if n != number))
        transition.emit(ForwardEvent(event=replace(request, phone=number, path=path)))


def report(
    transition: Transition,
    forgetting: Forgetting,
    state: ForgetState,
    *,
    consent: Literal["none", "removed", "kept_as_hash"] = "none",
    accounts: tuple[str, ...] = (),
    replaced_by: str = "",
) -> None:
    """Say how far it is."""
    request = forgetting.request
    forget_report = ForgetReport(
        request_id=request.request_id,
        state=state,
        messages=forgetting.message_count,
        cancelled=forgetting.cancelled_count,
        unfinished=len(forgetting.unfinished_ids),
        consent=consent,
        accounts=accounts,
        other_numbers=len(_list_other_numbers(transition, request)),
        replaced_by=replaced_by,
    )
    transition.emit(PublishForgetReport(request_id=request.request_id, report=forget_report))
