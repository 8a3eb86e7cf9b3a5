"""What we override in Faust and aiokafka (runtime, kafka), how to switch each off, and which tests must fail.

A switch replaces a piece of our source by what the behaviour would be without it. `python -m tests.overrides`
does so in a copy, one at a time, and runs the named tests on a real broker: each must fail. A switch whose
text is not in its file, or whose test does not exist, fails `test_switches.py`, which is quick.

Not listed, because a test could only fail by the clock or by reading the log: that the producer yields before each
request, that fetches pause, that requests are encoded faster, that aiokafka's complaints about missing topics and
Faust's own partition check and spinner are silent.
"""

from tests.overrides.switches.brokers import BROKERS
from tests.overrides.switches.committing import COMMITTING
from tests.overrides.switches.fence import FENCE
from tests.overrides.switches.membership import MEMBERSHIP
from tests.overrides.switches.reading import READING
from tests.overrides.switches.storing import STORING
from tests.overrides.switches.switch import ROOT, Switch
from tests.overrides.switches.watchdog import WATCHDOG
from tests.overrides.switches.writing import WRITING

__all__ = ["ROOT", "SWITCHES", "Switch"]

SWITCHES = (*READING, *COMMITTING, *MEMBERSHIP, *FENCE, *WRITING, *STORING, *WATCHDOG, *BROKERS)
