"""Orphans: adopted, and reaped once they have been dead for a while."""

import subprocess
import sys

ADOPTING_PROGRAM = """
import os, subprocess, sys, time
from streams.supervisor.orphans import OrphanReaper, adopt_orphans
adopt_orphans()
child = "import subprocess; print(subprocess.Popen(['sleep', '0.5']).pid)"
orphan = int(subprocess.run([sys.executable, '-c', child], stdout=subprocess.PIPE).stdout)
while open(f'/proc/{orphan}/stat').read().split()[2] != 'Z':
    time.sleep(0.01)
reaper = OrphanReaper()
reaper.reap()
print(os.path.exists(f'/proc/{orphan}'))
reaper.reap()
print(os.path.exists(f'/proc/{orphan}'))
"""


def test_dead_orphans_are_reaped() -> None:
    """Only at the second call, so that the code that started a process can collect its exit code first."""
    ended = subprocess.run(
        [sys.executable, "-c", ADOPTING_PROGRAM], capture_output=True, text=True, check=True
    )
    assert ended.stdout.split() == ["True", "False"]
