"""Switches of what ends a process that does not move: the watchdog, and the worker's stop timer."""

from tests.overrides.switches.switch import CALLS, GAPS, PROCESSES, Switch

WORKER_FILE = "worker.py"
WATCHDOG_FILE = "watchdog.py"

WATCHDOG = (
    Switch(
        "a call to a thread that has ended",
        "consumer/calls.py",
        "        self.parent_loop.call_soon_threadsafe(self._end_calls)\n",
        "",
        (CALLS + "test_a_call_ends_with_its_thread",),
    ),
    Switch(
        "a stop that hangs",
        WORKER_FILE,
        "        stop_timer.start()\n",
        "",
        (PROCESSES + "test_an_event_that_never_ends_does_not_prevent_a_stop",),
    ),
    Switch(
        "tables that are ahead of their changelog",
        WORKER_FILE,
        "if isinstance(self.crash_reason, ConsistencyError):",
        "if False:",
        (PROCESSES + "test_a_recreated_changelog_ends_the_process",),
    ),
    Switch(
        "an event loop that is stuck",
        "app.py",
        "        self.watchdog.start()\n",
        "",
        (PROCESSES + "test_an_event_loop_that_is_stuck_ends_the_process",),
    ),
    Switch(
        "an event that never ends",
        WATCHDOG_FILE,
        "        if stalled_s > self.timeouts.partition_timeout_s:",
        "        if False:",
        (PROCESSES + "test_an_event_that_never_ends_ends_the_process",),
    ),
    Switch(
        "the last record of a partition",
        WATCHDOG_FILE,
        "            await self._app.typed_consumer.resync(partition)",
        "            pass",
        (GAPS + "test_the_last_record_of_a_partition_is_not_lost_either",),
    ),
)
