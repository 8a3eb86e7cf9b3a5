"""The link of a profile as the page reports it: when it ended and why, and when a new one was made.

Nothing here may publish or call the page. A link that is thought lost costs messages: every attempt in
doubt becomes `unknown`. So it counts as lost only when the page shows that it has no login, or that it is another
device of the phone: somebody may have linked the profile again while nobody watched it. A link that is thought the
same although it is another one sends messages twice. So one that cannot be told from another is another one.
"""

from typing import Final

from streams.whatsapp.reasons import STORAGE_REASONS
from streams.whatsapp.web.browser.profile import Link, Profile
from streams.whatsapp.web.session import PageState, is_unlinked

# What the page of a new document still knows about the logout before it (source:
# WAWebLogoutReasonConstants, LOGOUT_REASON_CODE).
_REASONS_BY_CODE: Final = {
    "0": "storage_failed",
    "1": "sync_failed",
    "2": "history_sync_timeout",
    "3": "account_locked",
}
_UNKNOWN_REASON: Final = "unlinked"


class LinkHistory:
    """Writes the profile's link. `logout_reason` is why the last link ended, until there is a new one."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._was_unlinked = False
        self._followed: str | None = (
            None  # the link that this browser has had from its first login on
        )
        self._announced_reason: str | None = None
        self.logout_reason: str | None = None

    def start(self) -> None:
        """A browser is about to be started: what was done with the profile before, nobody has seen."""
        self._followed = None

    def update(self, state: PageState) -> Link | None:
        """Follow the page. Returns the link if it has just ended."""
        if state.logout_reason:
            self._announced_reason = state.logout_reason
        link = self._profile.load_link()
        if is_unlinked(state):
            return self._end(link, state)
        if state.authenticated and state.phone:
            self._begin(link, state.phone, state.device)
        return None

    def _end(self, link: Link, state: PageState) -> Link | None:
        is_first = not self._was_unlinked
        self._was_unlinked = True
        if not is_first:
            return None
        reason = self._announced_reason or _REASONS_BY_CODE.get(state.logout_code or "")
        if link.phone is None:
            self.logout_reason = reason or link.logout_reason  # also after a restart
            return None
        self.logout_reason = reason or _UNKNOWN_REASON
        if self.logout_reason not in STORAGE_REASONS:
            self._profile.create_link(None, self.logout_reason)
        return link

    def _begin(self, link: Link, phone: str, device: int | None) -> None:
        if self._was_unlinked or not self._is_same(link, phone, device):
            link = self._profile.create_link(phone, device=device)
            self._was_unlinked = False
            self._announced_reason = self.logout_reason = None
        self._followed = link.id

    def _is_same(self, link: Link, phone: str, device: int | None) -> bool:
        """Each link has a device number of its own. Without it, only one that was watched all the time is the same."""
        if phone != link.phone:
            return False
        return link.id == self._followed if device is None else device == link.device
