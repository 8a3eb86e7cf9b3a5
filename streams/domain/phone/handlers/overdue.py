"""A dispatch without an outcome, whose deadline is over or whose sender is lost: it is marked, and in the end given up.

The mark makes the resolver's answer exact (streams/dispatch/flights): once it is stored, the row's journal holds the
dispatch no longer, so its command is not published again. The resolver then reads the claims and publishes the
outcome. Giving up here is the last resort, if even the claims cannot be read: nothing is dispatched or
reconciled here.
"""

from msgspec.structs import replace

from streams.domain.accounts.routing import AccountCapacities
from streams.domain.errors import Error
from streams.domain.phone.events import FlightOverdue, Outcome, OutcomeUnknown, Sent
from streams.domain.phone.handlers import outcomes
from streams.domain.phone.state import InFlight
from streams.domain.phone.transition import Transition
from streams.domain.policy import Policy


def apply_flight_overdue(
    transition: Transition, event: FlightOverdue, accounts: AccountCapacities
) -> bool:
    """The first time, the flight is marked; after `unknown_after_s` it ends. A receipt ends it at once."""
    in_flight = transition.phone.in_flight
    if in_flight is None:
        return False
    if (in_flight.id, in_flight.dispatch_number) != (event.id, event.dispatch_number):
        return False
    message = transition.get_message(event.id)
    if message is not None and message.early_receipt is not None:
        return _end(transition, event, in_flight, Sent(at_s=transition.now_s), accounts)
    if not in_flight.overdue_since_s:
        transition.update_phone(in_flight=replace(in_flight, overdue_since_s=transition.now_s))
        return True
    if transition.now_s < give_up_at_s(in_flight, transition.policy):
        return False
    detail = f"account {in_flight.account} did not answer, and its claims could not be read"
    error = Error("outcome_unknown", detail)
    unknown = OutcomeUnknown(at_s=transition.now_s, error=error)
    return _end(transition, event, in_flight, unknown, accounts)


def give_up_at_s(in_flight: InFlight, policy: Policy) -> float:
    """When the flight ends as unknown. It counts from the mark: while everything stands still, nothing can answer."""
    return in_flight.overdue_since_s + policy.unknown_after_s


def _end(
    transition: Transition,
    event: FlightOverdue,
    in_flight: InFlight,
    result: Sent | OutcomeUnknown,
    accounts: AccountCapacities,
) -> bool:
    outcome = Outcome(
        phone=event.phone,
        id=event.id,
        dispatch_number=event.dispatch_number,
        account=in_flight.account,
        whatsapp_id=event.whatsapp_id,
        result=result,
    )
    return outcomes.apply_outcome(transition, outcome, accounts)
