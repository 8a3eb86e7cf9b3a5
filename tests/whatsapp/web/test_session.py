"""Phases out of what a page says. No browser."""

import pytest

from streams.whatsapp.driver import Phase
from streams.whatsapp.web.session import PageState, derive_phase, is_unlinked

LINKED = {
    "authenticated": True,
    "mode": "MAIN",
    "socket": "CONNECTED",
    "online": True,
    "needs_update": False,
    "phone": "+905550000001",
    "qr": None,
    "pairing_code": None,
    "missing": [],
}
UNLINKED = {**LINKED, "authenticated": False, "mode": "QR", "socket": "UNPAIRED", "phone": None}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (LINKED, (Phase.READY, None)),
        ({**LINKED, "mode": "SYNCING"}, (Phase.SYNCING, None)),
        ({**LINKED, "mode": "OFFLINE"}, (Phase.RECONNECTING, "disconnected")),
        ({**LINKED, "online": False}, (Phase.RECONNECTING, "disconnected")),
        ({**LINKED, "mode": "CONFLICT"}, (Phase.RECONNECTING, "conflict")),
        ({**LINKED, "mode": "TOS_BLOCK"}, (Phase.RESTRICTED, "tos_block")),
        ({**LINKED, "socket": "SMB_TOS_BLOCK"}, (Phase.RESTRICTED, "tos_block")),
        ({**LINKED, "socket": "DEPRECATED_VERSION"}, (Phase.RESTRICTED, "deprecated_version")),
        ({**UNLINKED, "qr": "2@x,a,b,c"}, (Phase.LINKING, None)),
        ({**UNLINKED, "pairing_code": "ABCD1234"}, (Phase.LINKING, None)),
        (UNLINKED, (Phase.STARTING, None)),
    ],
)
def test_phase(said: dict[str, object], expected: tuple[Phase, str | None]) -> None:
    """Only linked, MAIN and online is ready; a QR screen that calls itself ready is not."""
    assert derive_phase(PageState.parse(said)) == expected


def test_no_code_is_no_proof_of_a_lost_link() -> None:
    """A page that starts is unauthenticated for a moment: the link is kept until a code is shown."""
    assert not is_unlinked(PageState.parse(UNLINKED))
    assert is_unlinked(PageState.parse({**UNLINKED, "qr": "2@x,a,b,c"}))


def test_degraded_names_what_is_missing() -> None:
    """Missing symbols and a wanted update are told, in a fixed order."""
    state = PageState.parse({**LINKED, "missing": ["MsgStore", "ACK"], "needs_update": True})
    assert state.degraded == ("ACK", "MsgStore", "needs_update")
