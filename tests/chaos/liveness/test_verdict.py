"""What the verdict of this suite counts as late. No process runs here."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

from tests.chaos.liveness.flow import Requested
from tests.chaos.liveness.verdict import Run
from tests.support.verdict import Verdict

FAULT_AT_S = 1000.0
DELAYS_S = {"early": 0.2, "usual": 0.2, "on its way": 10.0, "afterwards": 8.0}
REQUESTED_AT_S = {"early": 998.0, "usual": 999.0, "on its way": 999.9, "afterwards": 1001.0}


def test_a_message_on_its_way_at_the_fault_is_judged() -> None:
    """A message that was requested just before the fault and arrives long after it is late, and no baseline."""
    run = _make_run()
    late_s = run._get_late_s({"phone"})
    assert {id: round(late, 1) for id, late in late_s.items()} == {
        "on its way": 9.8,
        "afterwards": 7.8,
    }


def _make_run() -> Run:
    requested = [Requested(id, "phone", at_s) for id, at_s in REQUESTED_AT_S.items()]
    shown = {
        id: [{"at": datetime.fromtimestamp(at_s + DELAYS_S[id], UTC).isoformat()}]
        for id, at_s in REQUESTED_AT_S.items()
    }
    flow = cast(Any, SimpleNamespace(requested=requested))
    return Run(cast(Any, None), flow, fault_at_s=FAULT_AT_S, verdict=Verdict(shown, 0))
