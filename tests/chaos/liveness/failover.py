"""How long the recipients of a lost account wait for another one. Nothing is harmed here, and nothing is judged.

A delay counts from the loss, or from the request if it came later, to the moment at which WhatsApp's server has the
message. A message whose attempt was in doubt waits for its own account; it is counted, and has no delay.
"""

import time
from dataclasses import dataclass
from datetime import datetime

from tests.chaos.liveness.flow import Requested
from tests.chaos.liveness.service import MAIN, SECOND
from tests.chaos.liveness.verdict import Run


@dataclass
class Loss:
    """One loss of the account `main`. `end`: how many messages were requested until its recipients had moved."""

    name: str
    at_s: float
    end: int = 0


def begin_loss(name: str) -> Loss:
    """The account is lost from now on."""
    return Loss(name, time.time())


async def wait_until_moved(run: Run, loss: Loss) -> None:
    """Wait until the other account has sent to each recipient of the lost one."""
    await run.wait_until_moved(run.flow.phones[MAIN], SECOND)
    loss.end = len(run.flow.requested)


def report(run: Run, loss: Loss) -> float:
    """Print the figures of a loss, once the run is finished; returns the longest delay."""
    events = run.service.caller.status_events()
    in_doubt = {event["id"] for event in events if event.get("reason") == "attempt_in_doubt"}
    affected = [r for r in run.flow.requested[: loss.end] if r.phone in run.flow.phones[MAIN]]
    delays_s = sorted(
        _read_arrival_s(run, requested) - max(requested.at_s, loss.at_s)
        for requested in affected
        if requested.id not in in_doubt and _read_arrival_s(run, requested) > loss.at_s
    )
    doubtful_count = sum(r.id in in_doubt and r.at_s > loss.at_s - 30.0 for r in affected)
    print(
        f"\n{loss.name}: {len(delays_s)} messages of its recipients took {delays_s[-1]:.1f} s at most,"
        f" {delays_s[len(delays_s) // 2]:.1f} s in the middle; {doubtful_count} were in doubt",
        flush=True,
    )
    return delays_s[-1]


def _read_arrival_s(run: Run, requested: Requested) -> float:
    rows = run.verdict.shown.get(requested.id)
    return datetime.fromisoformat(rows[0]["at"]).timestamp() if rows else float("inf")
