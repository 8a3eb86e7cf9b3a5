"""An account cannot write to a group: it is not a member, or only administrators write. Another account may be one.

    another account that may have the message     what becomes of it
    -------------------------------------------   -------------------------------------------------------
    is ready                                      it is handed over at once
    exists, but is not ready now                  the message waits for it (`no_account`)
    has refused as well, or there is none         the message has failed; the next one asks each account again

The account of the refusal is closed to the group for the time for which a number that is not on WhatsApp is not
looked up: somebody may add it to the group meanwhile.
"""

from typing import Final

from streams.domain.accounts.routing import AccountCapacities
from streams.domain.errors import Error
from streams.domain.phone.closures import close_to_group, open_to_group, release_to_others
from streams.domain.phone.state import Message
from streams.domain.phone.transition import Transition

MIN_CLOSED_S: Final = 60.0  # without it, two accounts would hand a message to each other for ever


def hand_over(
    transition: Transition,
    message: Message,
    account: str,
    error: Error,
    accounts: AccountCapacities,
) -> Message | None:
    """The message, which waits for another account; None: there is no other, or the group is not the reason."""
    if not error.is_refused_by_group:
        return None
    closed_s = max(transition.policy.lookup_cache_s, MIN_CLOSED_S)
    close_to_group(transition, account, until_s=transition.now_s + closed_s)
    if not _is_any_left(transition, message, accounts):
        open_to_group(transition)
        return None
    return transition.put_message(release_to_others(message))


def _is_any_left(transition: Transition, message: Message, accounts: AccountCapacities) -> bool:
    closures = transition.phone.closures
    return any(
        message.account in (None, name)
        and not capacity.is_removed
        and not (name in closures and closures[name].is_by_group)
        for name, capacity in accounts.items()
    )
