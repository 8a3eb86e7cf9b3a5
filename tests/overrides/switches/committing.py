"""Switches of what is committed, and of events that did not end."""

from tests.overrides.switches.switch import (
    APP,
    FAILING_REQUESTS,
    PROCESSES,
    REBALANCE,
    TRANSACTIONS,
    Switch,
)

CONSUMER_FILE = "consumer/consumer.py"
PARTS_FILE = "parts/faust_parts.py"

COMMITTING = (
    Switch(
        "commits go up to the oldest unacknowledged record",
        CONSUMER_FILE,
        "        tracker = self._apply_acks(tp)\n"
        "        return (\n"
        "            None\n"
        "            if tracker is None\n"
        "            else tracker.committable_offset(self._thread.last_empty_range(tp))\n"
        "        )",
        "        return super()._new_offset(tp)",
        (REBALANCE + "test_events_may_be_acknowledged_in_any_order",),
    ),
    Switch(
        "control records at the end are not lag",
        CONSUMER_FILE,
        "tracker.committable_offset(self._thread.last_empty_range(tp))",
        "tracker.committable_offset(None)",
        (TRANSACTIONS + "test_aborted_records_are_not_delivered_and_leave_no_lag",),
    ),
    Switch(
        "partitions without acknowledgements commit too",
        CONSUMER_FILE,
        "    def _filter_tps_with_pending_acks(",
        "    def _unused(",
        (TRANSACTIONS + "test_aborted_records_are_not_delivered_and_leave_no_lag",),
    ),
    Switch(
        "what was acknowledged before a revocation counts",
        CONSUMER_FILE,
        "            self._apply_acks(partition)  #",
        "            pass  #",
        (REBALANCE + "test_events_acknowledged_at_the_last_moment_are_not_processed_again",),
    ),
    Switch(
        "acknowledgements of an earlier assignment",
        CONSUMER_FILE,
        "if message.generation_id == self.app.consumer_generation_id:",
        "if True:",
        (APP + "test_an_acknowledgement_after_a_nack_has_no_effect",),
    ),
    Switch(
        "an agent that raises",
        PARTS_FILE,
        "            terminate(\n"
        '                ExitCode.EVENT_INTERRUPTED, f"agent {self.name} raised {type(error).__name__}"\n'
        "            )",
        "            raise",
        (PROCESSES + "test_an_event_that_was_not_finished_is_not_committed[raise-80]",),
    ),
    Switch(
        "an agent that is cancelled",
        PARTS_FILE,
        "            if stream.current_event is not None:",
        "            if False:",
        (PROCESSES + "test_an_event_that_was_not_finished_is_not_committed[crash-80]",),
    ),
    Switch(
        "an event whose partition was revoked",
        PARTS_FILE,
        "except (PartitionRevoked, AppStopped) as error:",
        "except () as error:",
        (PROCESSES + "test_an_event_that_was_not_finished_is_not_committed[revoked-1]",),
    ),
    Switch(
        "an event that is abandoned is not committed",
        PARTS_FILE,
        "            self.app.abandon(stream.current_event)\n",
        "",
        (PROCESSES + "test_an_event_that_was_not_finished_is_not_committed[revoked-1]",),
    ),
    Switch(
        "a recovery callback whose partition was revoked",
        "table.py",
        "    except (PartitionRevoked, AppStopped) as error:",
        "    except () as error:",
        (APP + "test_a_callback_of_a_recovery_may_find_its_partition_gone",),
    ),
    Switch(
        "a commit that fails does not end the process",
        "consumer/thread.py",
        "    async def _commit(",
        "    async def _unused(",
        (FAILING_REQUESTS + "test_a_commit_that_fails_is_repeated",),
    ),
    Switch(
        "a commit that failed is repeated",
        CONSUMER_FILE,
        "    async def _commit_offsets(",
        "    async def _unused(",
        (FAILING_REQUESTS + "test_a_commit_that_fails_is_repeated",),
    ),
)
