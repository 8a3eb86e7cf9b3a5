"""Switches of joining, leaving and rebalancing."""

from tests.overrides.switches.switch import (
    APP,
    FREE_TOPIC,
    MEMBER,
    PROCESSES,
    REBALANCE,
    TABLE,
    Switch,
)

CONSUMER_FILE = "consumer/consumer.py"
COORDINATOR_FILE = "consumer/coordinator.py"
APP_FILE = "app.py"

MEMBERSHIP = (
    Switch(
        "queues are not emptied",
        APP_FILE,
        "        self.flow_control = QueueKeepingFlowControl()\n",
        "",
        (REBALANCE + "test_resuming_keeps_the_queued_records",),
    ),
    Switch(
        "events of an earlier assignment are skipped",
        CONSUMER_FILE,
        "        await super().on_partitions_revoked(revoked)\n        self.start_generation()\n",
        "        await super().on_partitions_revoked(revoked)\n",
        (REBALANCE + "test_every_assignment_has_a_number_of_its_own",),
    ),
    Switch(
        "every assignment has a number",
        CONSUMER_FILE,
        "    RebalanceListener = RebalanceListener\n",
        "",
        (REBALANCE + "test_every_assignment_has_a_number_of_its_own",),
    ),
    Switch(
        "a standby is ready",
        CONSUMER_FILE,
        "        if not assigned:",
        "        if False:",
        (MEMBER + "test_a_worker_without_partitions_stands_by",),
    ),
    Switch(
        "a worker that stops leaves its group for a standby",
        COORDINATOR_FILE,
        "            await self._leave_group()\n",
        "            pass\n",
        (MEMBER + "test_a_standby_takes_over_as_soon_as_a_worker_has_stopped",),
    ),
    Switch(
        "a worker that comes back waits for its predecessor",
        CONSUMER_FILE,
        "        await self.app.fence.wait_for_predecessor()\n",
        "",
        (MEMBER + "test_a_worker_that_comes_back_waits_for_its_predecessor",),
    ),
    Switch(
        "a worker that reads other topics is another member",
        APP_FILE,
        'self.conf.consumer_group_instance_id = f"{self._member_id}-{digest}"',
        "self.conf.consumer_group_instance_id = self._member_id",
        (MEMBER + "test_a_worker_that_reads_other_topics_than_before_becomes_ready",),
    ),
    Switch(
        "a member's address is not its machine's",
        APP_FILE,
        '        self.conf.canonical_url = URL(f"http://{self._member_id}-{digest}")\n',
        "",
        (PROCESSES + "test_a_worker_may_come_back_on_a_machine_of_another_name",),
    ),
    Switch(
        "a start does not sleep",
        APP_FILE,
        "Table=Table, TableManager=TableManager, **options",
        "Table=Table, **options",
        (APP + "test_a_start_does_not_sleep",),
    ),
    Switch(
        "a worker that stops keeps its partitions until its events are done",
        APP_FILE,
        "            await self._last_event_done.wait()\n",
        "            pass\n",
        (REBALANCE + "test_a_worker_that_stops_keeps_its_partitions_until_its_events_are_done",),
    ),
    Switch(
        "a worker that stops releases its partitions when its events are done",
        APP_FILE,
        "            self._last_event_done.set()\n",
        "            pass\n",
        (REBALANCE + "test_a_worker_that_stops_keeps_its_partitions_until_its_events_are_done",),
    ),
    Switch(
        "a revocation waits for the callbacks of a recovery",
        APP_FILE,
        "            await table.wait_for_recovery_callbacks()\n",
        "            pass\n",
        (APP + "test_no_partition_is_revoked_during_a_recovery_callback",),
    ),
    Switch(
        "tables are closed when partitions are revoked",
        APP_FILE,
        "            await table.close()\n",
        "            pass\n",
        (TABLE + "test_writes_from_anywhere_are_safe_while_partitions_move",),
    ),
    Switch(
        "callbacks run before partitions are revoked",
        APP_FILE,
        "        for callback in self._before_revocation:\n            await callback()\n",
        "",
        (APP + "test_callbacks_run_in_order",),
    ),
    Switch(
        "callbacks run after the last event",
        APP_FILE,
        "        for callback in self._after_last_event:\n            await callback()\n",
        "",
        (APP + "test_callbacks_run_in_order",),
    ),
    Switch(
        "a topic with any number of partitions is assigned by itself",
        "factory.py",
        '        "PartitionAssignor": PartitionAssignor,\n',
        "",
        (FREE_TOPIC + "test_the_users_topic_is_assigned_by_itself",),
    ),
)
