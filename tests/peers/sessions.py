"""The life of a client: it links twice, is judged while it is linked, reconnects, restarts and logs out.

The first profile is linked by QR code and ends when the phone unlinks it; the second is linked by pairing
code and ends when the client logs out by itself.
"""

from collections.abc import Awaitable, Callable

from tests.peers.features import JUDGES
from tests.peers.peer import Peer
from tests.peers.process import Missed

_PHONE = "+905550000002"
_OUTAGE_S = 2
_LISTENING_ATTEMPTS = 3
_LINK_TIMEOUT_S = 60.0
_READY_TIMEOUT_S = 60.0
_UNLINKED_EVENTS = ("disconnected", "qr")
_UNLINKED_STATES = ("UNPAIRED", "UNPAIRED_IDLE", "disconnectedMobile", "notLogged")


class Report:
    """The result of each feature that the client offers: None if it works, else the reason."""

    def __init__(self, features: tuple[str, ...]) -> None:
        self._features = features
        self._results: dict[str, str | None] = {}

    @property
    def results(self) -> dict[str, str | None]:
        """In the order of the features; what was not reached has a reason too."""
        return {name: self._results.get(name, "not reached") for name in self._features}

    async def judge(self, name: str, run: Callable[[], Awaitable[None]]) -> bool:
        """Run the judge if the client offers the feature. Returns whether the client may go on."""
        if name not in self._features:
            return True
        try:
            await run()
        except Missed as error:
            self._results[name] = str(error)
        else:
            self._results[name] = None
        print(f"  {name}: {self._results[name] or 'ok'}", flush=True)
        return self._results[name] is None


async def run_sessions(peer: Peer) -> dict[str, str | None]:
    """Both lives of the client. Returns the results."""
    report = Report(peer.client.features)
    try:
        await _run_first(peer, report)
    finally:
        await peer.close()
    try:
        await _run_second(peer, report)
    finally:
        await peer.close()
    return report.results


async def _run_first(peer: Peer, report: Report) -> None:
    await peer.open("by-qr")
    await report.judge("next_qr", lambda: _next_qr(peer))
    if not await report.judge("link_qr", lambda: _link_by_qr(peer)):
        return
    await report.judge("own_number", lambda: _own_number(peer))
    for name, judge in JUDGES.items():
        await report.judge(name, lambda judge=judge: judge(peer))
    await report.judge("reconnect", lambda: _reconnect(peer))
    if await report.judge("restart", lambda: _restart(peer)):
        await report.judge("unlinked_by_phone", lambda: _unlinked_by_phone(peer))


async def _run_second(peer: Peer, report: Report) -> None:
    await peer.open("by-code", phone=_PHONE.removeprefix("+"))
    if await report.judge("link_code", lambda: _link_by_code(peer)):
        await report.judge("logout", lambda: _logout(peer))


async def _next_qr(peer: Peer) -> None:
    first = await peer.driver.wait_event("qr", timeout_s=_LINK_TIMEOUT_S)
    await peer.driver.wait_event("qr", lambda event: event["qr"] != first["qr"])


async def _link_by_qr(peer: Peer) -> None:
    await peer.driver.wait_event("qr", timeout_s=_LINK_TIMEOUT_S)
    qr = [event["qr"] for event in peer.driver.events if event["event"] == "qr"][-1]
    peer.number = await peer.control.scan(qr)
    await peer.driver.wait_event("ready", timeout_s=_READY_TIMEOUT_S)


async def _link_by_code(peer: Peer) -> None:
    event = await peer.driver.wait_event("code", timeout_s=_LINK_TIMEOUT_S)
    peer.number = await peer.control.enter_pairing_code(event["code"], _PHONE)
    await peer.driver.wait_event("ready", timeout_s=_READY_TIMEOUT_S)
    await JUDGES["text"](peer)


async def _own_number(peer: Peer) -> None:
    ready = await peer.driver.wait_event("ready")
    if ready["me"] != peer.number.removeprefix("+"):
        raise Missed(f"the client says that it is {ready['me']}")


async def _reconnect(peer: Peer) -> None:
    """A text is sent while the connection is down; it arrives, once, when the connection is back."""
    after_seq = await peer.last_seq()
    await peer.control.add_faults({"socket_down_s": _OUTAGE_S})
    await JUDGES["text"](peer)
    rows = [row for row in await peer.control.fetch_log(after_seq) if row["shown"]]
    if len(rows) != 1:
        raise Missed(f"the recipient sees {len(rows)} messages")
    state = await peer.call("state")
    if state != "CONNECTED":
        raise Missed(f"the client says that its state is {state}")


async def _restart(peer: Peer) -> None:
    await peer.close()
    await peer.open("by-qr")
    await peer.driver.wait_event("ready", timeout_s=_READY_TIMEOUT_S)
    await JUDGES["text"](peer)


async def _wait_until_listening(peer: Peer) -> None:
    """WPP_Whatsapp is ready before it listens, and does not survive a page that reloads in between."""
    for _ in range(_LISTENING_ATTEMPTS - 1):
        try:
            return await JUDGES["ack_delivered"](peer)
        except Missed as error:
            print(f"  still not listening: {error}", flush=True)
    await JUDGES["ack_delivered"](peer)


async def _unlinked_by_phone(peer: Peer) -> None:
    await _wait_until_listening(peer)
    events_before = len(peer.driver.events)
    await peer.control.add_faults({"logout": True}, account=peer.number)

    def is_report(event: dict[str, str]) -> bool:
        return event["event"] in _UNLINKED_EVENTS or event.get("state") in _UNLINKED_STATES

    await peer.driver.wait_any(events_before, is_report, "report that it is unlinked")


async def _logout(peer: Peer) -> None:
    """The page leaves as soon as it is unlinked, so the client's call may end with an error all the same."""
    after_seq = await peer.last_seq()
    answer = "no error"
    try:
        await peer.call("logout")
    except Missed as error:
        answer = str(error)
    try:
        await peer.wait_log(after_seq, lambda row: row["event"] == "unlinked", "unlinked device")
    except Missed as error:
        raise Missed(f"{error}; the client answered: {answer}") from None
