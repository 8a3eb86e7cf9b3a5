"""The phase that follows from a page's state. No browser.

The states are those of the real page: its mode says MAIN whatever the socket does (sources:
WAWebStreamModel, WAWebSocketModel), and only events tell of a ban (WAWebHandleFailure).
"""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.whatsapp.driver import NewChatQuota, Phase, TimeLock
from streams.whatsapp.web.session import PageBan, PageState, PhaseInfo, derive_phase, is_unlinked

LINKED: dict[str, Any] = {
    "authenticated": True,
    "mode": "MAIN",
    "socket": "CONNECTED",
    "stream": "CONNECTED",
    "accepted": True,
    "has_synced": True,
    "delivery_ended": True,
    "complete": True,
    "phone": "+905550000001",
    "device": 1,
    "missing": [],
}
UNLINKED: dict[str, Any] = {"authenticated": False, "mode": "QR", "socket": "UNPAIRED"}
BAN = {"reason": "temporarily_banned", "remaining_s": 60.0}
RECONNECTING = PhaseInfo(Phase.RECONNECTING, "disconnected")


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (LINKED, PhaseInfo(Phase.READY)),
        ({**LINKED, "stream": "DISCONNECTED"}, RECONNECTING),
        ({**LINKED, "socket": "OPENING", "stream": "DISCONNECTED"}, RECONNECTING),
        (
            {**LINKED, "socket": "OPENING", "retry_at_s": 1234.5},
            PhaseInfo(Phase.RECONNECTING, "disconnected", 1234.5),
        ),
        (
            {**LINKED, "mode": "OFFLINE", "socket": "OPENING", "has_synced": False},
            RECONNECTING,
        ),
        (
            {**LINKED, "mode": "SYNCING", "stream": "DISCONNECTED", "has_synced": False},
            PhaseInfo(Phase.SYNCING),
        ),
        (
            {**LINKED, "delivery_ended": False, "progress": 41},
            PhaseInfo(Phase.SYNCING, progress=41),
        ),
        ({**LINKED, "accepted": False}, RECONNECTING),
        ({**LINKED, "complete": False}, PhaseInfo(Phase.SYNCING)),
        ({**LINKED, "missing": ["Cmd"]}, PhaseInfo(Phase.SYNCING, "page_unreadable")),
        ({**LINKED, "socket": ""}, PhaseInfo(Phase.RECONNECTING, "page_unreadable")),
        (
            {**LINKED, "accepted": False, "service_unavailable": True},
            PhaseInfo(Phase.RECONNECTING, "service_unavailable"),
        ),
        (
            {**LINKED, "stream": "DISCONNECTED", "update_forced": True, "stopped": True},
            PhaseInfo(Phase.RECONNECTING, "update_required"),
        ),
        ({**LINKED, "ban": BAN}, PhaseInfo(Phase.RESTRICTED, "temporarily_banned")),
        (
            {**LINKED, "stream": "DISCONNECTED", "stopped": True},
            PhaseInfo(Phase.RESTRICTED, "replaced"),
        ),
        ({**LINKED, "mode": "TOS_BLOCK"}, PhaseInfo(Phase.RESTRICTED, "tos_block")),
        (
            {**LINKED, "logging_out": True, "logout_reason": "account_locked"},
            PhaseInfo(Phase.LOGGED_OUT, "account_locked"),
        ),
        ({**UNLINKED, "qr": "2@x,a,b,c"}, PhaseInfo(Phase.LINKING)),
        ({**UNLINKED, "pairing_code": "ABCD1234"}, PhaseInfo(Phase.LINKING)),
        ({**UNLINKED, "idle": True}, PhaseInfo(Phase.LINKING, "qr_expired")),
        (
            {**UNLINKED, "qr": "2@x,a,b,c", "storage_broken": True},
            PhaseInfo(Phase.LOGGED_OUT, "storage_failed"),
        ),
        (UNLINKED, PhaseInfo(Phase.STARTING)),
    ],
)
def test_phase(state: dict[str, Any], expected: PhaseInfo) -> None:
    """Each state of the real page has one phase, with its reason, end and progress."""
    assert derive_phase(PageState.parse(state)) == expected


STATES = st.fixed_dictionaries(
    {
        "authenticated": st.booleans(),
        "mode": st.sampled_from(["QR", "MAIN", "SYNCING", "OFFLINE", "CONFLICT", ""]),
        "socket": st.sampled_from(
            ["OPENING", "PAIRING", "CONNECTED", "CONFLICT", "UNLAUNCHED", "UNPAIRED", ""]
        ),
        "stream": st.sampled_from(["CONNECTED", "DISCONNECTED", "SYNCING", "RESUMING", ""]),
        "accepted": st.booleans(),
        "has_synced": st.booleans(),
        "delivery_ended": st.booleans(),
        "complete": st.booleans(),
        "given_up": st.booleans(),
        "stopped": st.booleans(),
        "ban": st.sampled_from([None, BAN]),
        "service_unavailable": st.booleans(),
        "update_forced": st.booleans(),
        "logging_out": st.booleans(),
        "qr": st.sampled_from([None, "2@x,a,b,c"]),
        "storage_broken": st.booleans(),
        "missing": st.lists(st.sampled_from(["Cmd", "Socket", "MsgStore"]), unique=True),
    }
)


@given(STATES)
def test_ready_needs_everything(state: dict[str, Any]) -> None:
    """A session is ready only if nothing at all speaks against it."""
    phase = derive_phase(PageState.parse(state)).phase
    is_open = state["socket"] == state["stream"] == "CONNECTED" and state["mode"] == "MAIN"
    is_usable = state["authenticated"] and state["delivery_ended"] and state["complete"]
    is_usable = is_usable and state["accepted"]
    faults = ("given_up", "stopped", "ban", "logging_out")
    is_faulty = any(state[fault] for fault in faults)
    is_readable = not {"Cmd", "Socket"} & set(state["missing"])
    assert (phase is Phase.READY) == (is_open and is_usable and is_readable and not is_faulty)


@pytest.mark.parametrize(
    "name", [name for name in LINKED if name not in {"phone", "device", "missing"}]
)
def test_what_cannot_be_read_is_not_ready(name: str) -> None:
    """A value that the adapter does not tell never makes a session ready, except a mere flag of the past."""
    state = {key: value for key, value in LINKED.items() if key != name}
    is_ready = derive_phase(PageState.parse(state)).phase is Phase.READY
    assert is_ready == (name == "has_synced")


def test_only_a_page_that_could_get_on_can_be_stuck() -> None:
    """Ready, linking and restricted may last for ever, backing off for an hour, anything else for minutes."""
    lasting = (
        LINKED,
        {**UNLINKED, "qr": "2@x"},
        {**LINKED, "ban": BAN},
    )
    backing_off = (
        {**LINKED, "socket": "OPENING", "stream": "DISCONNECTED"},
        {**LINKED, "accepted": False, "service_unavailable": True},
    )
    passing = (
        UNLINKED,
        {**UNLINKED, "idle": True},
        {**LINKED, "delivery_ended": False},
        {**LINKED, "socket": "UNLAUNCHED", "stream": "DISCONNECTED"},
    )
    for state, is_lasting in itertools.chain(
        ((state, True) for state in lasting), ((state, False) for state in passing)
    ):
        info = derive_phase(PageState.parse(state))
        assert (info.is_lasting, info.is_backing_off) == (is_lasting, False), state
    for state in backing_off:
        info = derive_phase(PageState.parse(state))
        assert (info.is_lasting, info.is_backing_off) == (False, True), state


def test_no_code_is_no_proof_of_a_lost_link() -> None:
    """A starting page is unauthenticated for a moment, so the link is kept until a code could be shown."""
    assert not is_unlinked(PageState.parse(UNLINKED))
    assert is_unlinked(PageState.parse({**UNLINKED, "qr": "2@x,a,b,c"}))
    assert is_unlinked(PageState.parse({**UNLINKED, "idle": True}))


def test_a_broken_storage_is_no_proof_of_a_lost_link() -> None:
    """While IndexedDB cannot be opened, the page cannot know whether it is linked."""
    assert not is_unlinked(PageState.parse({**UNLINKED, "qr": "2@x,a,b,c", "storage_broken": True}))


def test_degraded_names_what_is_missing() -> None:
    """Missing symbols and a needed update are listed, in a fixed order."""
    state = PageState.parse({**LINKED, "missing": ["MsgStore", "ACK"], "needs_update": True})
    assert state.degraded == ("ACK", "MsgStore", "needs_update")


def test_limits_are_parsed() -> None:
    """The time lock, the quota and the ban become the driver's values."""
    quota = {"total": 10, "used": 3, "resets_at_s": 5.0, "is_used_up": False}
    state = PageState.parse(
        {**LINKED, "time_lock": {"until_s": 9.0, "kind": "DEFAULT"}, "new_chat_quota": quota}
    )
    assert state.time_lock == TimeLock(9.0, "DEFAULT")
    assert state.new_chat_quota == NewChatQuota(10, 3, 5.0, is_used_up=False)
    assert PageState.parse({**LINKED, "ban": BAN}).ban == PageBan("temporarily_banned", 60.0)
