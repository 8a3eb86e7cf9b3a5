"""The account's pace at each moment: its pacers, and what their limits follow from.

Decides nothing: streams/domain/accounts/pace_rules.py does. The day on which a number was first linked under this name
is a row of the table, so that neither a restart nor a new link of the same number begins the warm-up again. Another
number begins its own.
"""

import logging
import random
from collections.abc import Callable
from typing import Final

from streams.domain.accounts import warm_up
from streams.domain.accounts.pace_rules import AccountLimits, PaceRules, limits_at
from streams.domain.accounts.pacing import MINUTE_S, CurrentPace, Pace, Pacer
from streams.domain.accounts.warm_up import FirstLink, parse_ladder
from streams.sender.claim_store import ClaimStore
from streams.sender.clock import Clock
from streams.sender.pace.delivery_watch import DeliveryWatch
from streams.sender.pace.recipient_log import RecipientLog
from streams.sender.restrictions import RestrictionStore
from streams.settings import Settings
from streams.whatsapp.driver import Phase, SessionState

MAX_EVEN_INTERVAL_S: Final = 2.0  # more than that has to be asked for

log = logging.getLogger(__name__)


class AccountPace:
    """`pacer` is for all messages, `stranger_pacer` for those to people who never wrote to the account."""

    def __init__(
        self,
        rules: PaceRules,
        *,
        claim_store: ClaimStore,
        restrictions: RestrictionStore,
        clock: Clock,
        random_fraction: Callable[[], float] = random.random,
    ) -> None:
        self._rules = rules
        self._claim_store = claim_store
        self._restrictions = restrictions
        self._clock = clock
        self.random_fraction = random_fraction
        self.recipients = RecipientLog(claim_store, clock)
        self._session = SessionState(Phase.STARTING)
        self.delivery_watch = DeliveryWatch(
            claim_store=claim_store,
            restrictions=restrictions,
            max_percent=rules.max_undelivered_percent,
            get_session=lambda: self._session,
            clock=clock,
        )
        self._phone: str | None = None
        self._linked_mono_s: float | None = None  # None: no number is linked yet
        self.pacer = Pacer(
            rules.pace,
            pace_at=lambda now_mono_s: self._pace_at(now_mono_s, is_stranger=False),
            max_per_day=rules.ladder.max_messages,
        )
        self.stranger_pacer = Pacer(
            Pace(rules.new_chat_interval_s, rules.pace.per_minute),
            pace_at=lambda now_mono_s: self._pace_at(now_mono_s, is_stranger=True),
        )

    def load(self) -> None:
        """Read the new recipients from the table, once the table is recovered."""
        self.recipients.load()
        now_mono_s = self._clock.monotonic_s()
        for at_mono_s in self.recipients.list_since(now_mono_s - MINUTE_S):
            self.stranger_pacer.record_sent(at_mono_s)

    def update_session(self, session: SessionState) -> None:
        """The session is now in this state. A ready one tells the account's number."""
        self._session = session
        if session.phase is not Phase.READY or session.phone in (None, self._phone):
            return
        self._phone = session.phone
        self.recipients.account_phone = session.phone
        first_link = self._find_first_link(session.phone)
        self._linked_mono_s = self._clock.monotonic_s() - self._clock.age_s(first_link.at_s)

    def _find_first_link(self, phone: str) -> FirstLink:
        """A time that the broker's clock has not reached, because it was set back, is corrected for good."""
        key, now_s = f"first-link:{phone}".encode(), self._clock.now_s()
        data = self._claim_store.read(key)
        first_link = None if data is None else warm_up.decode(data)
        if first_link is not None and first_link.at_s <= now_s:
            return first_link
        log.info("day 1 of the account's warm-up: no earlier link of its number is known")
        first_link = FirstLink(at_s=now_s)
        self._claim_store.write_buffered(key, warm_up.encode(first_link))
        return first_link

    # -- the limits

    def get_limits(self) -> AccountLimits:
        """What holds for the account at this moment."""
        return self._limits_at(self._clock.monotonic_s())

    def _limits_at(self, now_mono_s: float) -> AccountLimits:
        linked_mono_s = now_mono_s if self._linked_mono_s is None else self._linked_mono_s
        return limits_at(
            self._rules,
            age_s=now_mono_s - linked_mono_s,
            restrictions=self._restrictions.restrictions,
            now_s=self._clock.to_broker_s(now_mono_s),
        )

    def _pace_at(self, now_mono_s: float, *, is_stranger: bool) -> CurrentPace:
        """The new recipients of a day are counted one by one (RecipientLog), and not by a pacer."""
        limits = self._limits_at(now_mono_s)
        strangers = limits.strangers
        stranger_pace = Pace(strangers.interval_s, strangers.per_minute, jitter=strangers.jitter)
        pace = stranger_pace if is_stranger else limits.messages
        return CurrentPace(pace, now_mono_s + limits.changes_in_s)


def make_pace_rules(settings: Settings) -> PaceRules:
    """How fast the account may send."""
    per_minute, new_chat_ms = settings.account_rate_per_minute, settings.new_chat_interval_ms
    even_interval_s = min(MAX_EVEN_INTERVAL_S, MINUTE_S / per_minute) if per_minute else 0.0
    return PaceRules(
        pace=Pace(
            interval_s=settings.send_interval_ms / 1000,
            per_minute=per_minute,
            per_day=settings.account_daily_cap,
            jitter=settings.send_jitter_percent / 100,
        ),
        new_chat_interval_s=even_interval_s if new_chat_ms is None else new_chat_ms / 1000,
        ladder=parse_ladder(settings.warm_up),
        has_slow_return=settings.slow_return,
        max_undelivered_percent=settings.max_undelivered_percent,
    )
