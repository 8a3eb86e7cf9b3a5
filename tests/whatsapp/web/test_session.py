"""The phase that follows from a page's state. No browser."""

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
    ("state", "expected"),
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
def test_phase(state: dict[str, object], expected: tuple[Phase, str | None]) -> None:
    """Only a page that is linked, MAIN and online is ready; a QR screen is not."""
    assert derive_phase(PageState.parse(state)) == expected


def test_no_code_is_no_proof_of_a_lost_link() -> None:
    """A starting page is unauthenticated for a moment, so the link is kept until a code is shown."""
    assert not is_unlinked(PageState.parse(UNLINKED))
    assert is_unlinked(PageState.parse({**UNLINKED, "qr": "2@x,a,b,c"}))


def test_degraded_names_what_is_missing() -> None:
    """Missing symbols and a needed update are listed, in a fixed order."""
    state = PageState.parse({**LINKED, "missing": ["MsgStore", "ACK"], "needs_update": True})
    assert state.degraded == ("ACK", "MsgStore", "needs_update")
