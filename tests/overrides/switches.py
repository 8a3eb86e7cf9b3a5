"""What `streams/kafka` overrides in Faust and aiokafka, how to switch each off, and who must notice.

A switch replaces a piece of our source by what the behaviour would be without it. `python -m tests.overrides`
does so in a copy, one at a time, and runs the tests named here on a real broker: each must fail. A switch whose
text is not in its file, or whose test does not exist, fails `test_switches.py`, which is quick.

Not here, since no test could fail but by the clock or a look at the log: that the producer lets others in before
each request, and that Faust's own watch over partitions and its spinner are silent.
"""

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Switch:
    """`old` stands once in `file` (of streams/kafka); with `new` in its place the `tests` fail."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]  # as pytest names them

    @property
    def path(self) -> Path:
        """The file, below the root."""
        return Path("streams/kafka") / self.file

    def off(self, source: str) -> str:
        """The source without it. Raises ValueError if its text does not stand there once."""
        if source.count(self.old) != 1:
            raise ValueError(
                f"{self.name}: its text stands {source.count(self.old)} times in {self.path}"
            )
        return source.replace(self.old, self.new)


APP = "tests/runtime/test_app.py::"
BAD_INPUT = "tests/dispatch/test_bad_input.py::"
CONSUMER = "tests/runtime/consumer/test_consumer.py::"
DURABLE = "tests/runtime/test_table.py::"
PROCESSES = "tests/runtime/test_processes.py::"
PRODUCER = "tests/runtime/test_producer.py::"
REBALANCE = "tests/runtime/consumer/test_rebalance.py::"

READING = (
    Switch(
        "a record out of turn is not handed out",
        "safe_consumer.py",
        "if not turn.reaches(self._since[partition, message.offset]):",
        "if False:",
        (
            CONSUMER + "test_a_record_that_was_lost_on_its_way_is_read_again",
            CONSUMER + "test_a_whole_answer_that_was_lost_is_read_again",
        ),
    ),
    Switch(
        "what was lost on its way is read again",
        "safe_consumer.py",
        "            self._skip_deleted(partition, turn, earliest)\n"
        "            await self.seek(partition, turn.next)",
        "            self._skip_deleted(partition, turn, earliest)",
        (CONSUMER + "test_a_record_that_was_lost_on_its_way_is_read_again",),
    ),
    Switch(
        "changelogs are held to their turn too",
        "safe_consumer.py",
        "            turn = self._turn(partition)\n            if turn is None or",
        "            if partition in self._replays:\n"
        "                yield partition, message\n"
        "                continue\n"
        "            turn = self._turn(partition)\n            if turn is None or",
        (DURABLE + "test_a_changelog_record_that_was_lost_on_its_way_is_read_again",),
    ),
    Switch(
        "what comes twice is handed out once",
        "safe_consumer.py",
        "if turn is None or turn.is_past(message.offset):",
        "if turn is None:",
        (CONSUMER + "test_what_comes_twice_is_handed_out_once",),
    ),
    Switch(
        "nothing is handed out before the seek",
        "safe_consumer.py",
        "            turn = self._turn(partition)\n            if turn is None or",
        "            turn = self._turn(partition)\n"
        "            if turn is None:\n"
        "                yield partition, message\n"
        "                continue\n"
        "            if turn is None or",
        (REBALANCE + "test_what_was_fetched_before_the_seek_is_handed_out_once",),
    ),
    Switch(
        "every source partition is sought",
        "safe_consumer.py",
        "        for partition, turn in turns.items():\n"
        "            await self.seek(partition, turn.next)\n",
        "",
        (REBALANCE + "test_what_was_fetched_before_the_seek_is_handed_out_once",),
    ),
    Switch(
        "a revocation during the seek",
        "safe_consumer.py",
        "        if generation == self.app.consumer_generation_id:\n            self._turns = turns",
        "        if True:\n            self._turns = turns",
        (REBALANCE + "test_a_seek_that_a_revocation_overtook_hands_nothing_out",),
    ),
    Switch(
        "deleted while down",
        "safe_consumer.py",
        "        self._skip_deleted(partition, turn, earliest)\n        return turn",
        "        return turn",
        (CONSUMER + "test_what_was_deleted_to_the_end_while_down_is_counted_at_once",),
    ),
    Switch(
        "deleted while running",
        "safe_consumer.py",
        "            self._skip_deleted(partition, turn, earliest)\n            await",
        "            await",
        (CONSUMER + "test_what_was_deleted_unread_while_running_is_counted",),
    ),
    Switch(
        "a commit beyond the end of the log",
        "safe_consumer.py",
        "if turn.next > end:",
        "if False:",
        (CONSUMER + "test_a_commit_beyond_the_end_of_the_log_ends_the_process",),
    ),
    Switch(
        "a flow that has stopped is left to the recovery",
        "safe_consumer.py",
        "return (records, active) if self.flow_active else (None, None)",
        "return records, active",
        (REBALANCE + "test_an_answer_that_comes_when_the_flow_has_stopped_seeks_nothing",),
    ),
    Switch(
        "a partition full of bytes",
        "safe_consumer.py",
        "return turn is not None and turn.open_bytes >= OPEN_BYTES",
        "return False",
        (CONSUMER + "test_a_partition_full_of_bytes_is_not_read_further",),
    ),
    Switch(
        "aborted transactions",
        "safe_thread.py",
        'consumer._isolation_level = "read_committed"',
        "pass",
        (CONSUMER + "test_aborted_records_are_not_seen_and_no_lag_is_left",),
    ),
    Switch(
        "a fetch does not hold up other questions",
        "safe_thread.py",
        "        consumer._fetch_max_wait_ms = _FETCH_WAIT_MS\n",
        "",
        (CONSUMER + "test_a_fetch_does_not_hold_up_other_questions",),
    ),
    Switch(
        "what is known to be empty is no hole",
        "safe_fetch.py",
        "answer.start = _joined(getattr(state, _EMPTY, None), start)",
        "answer.start = start",
        (CONSUMER + "test_aborted_records_are_not_seen_and_no_lag_is_left",),
    ),
    Switch(
        "names of headers that are no text",
        "safe_install.py",
        "    ak_fetcher.MemoryRecords = safe_records.Records",
        "    safe_records.Records",
        (BAD_INPUT + "test_a_header_whose_name_is_no_text_stops_nobody",),
    ),
)

COMMITTING = (
    Switch(
        "commits go up to the oldest open record",
        "safe_consumer.py",
        "        turn = self._settle(tp)\n"
        "        return None if turn is None else turn.committable(self._thread.known_empty(tp))",
        "        return super()._new_offset(tp)",
        (REBALANCE + "test_events_may_be_acknowledged_in_any_order",),
    ),
    Switch(
        "control records at the end are no lag",
        "safe_consumer.py",
        "turn.committable(self._thread.known_empty(tp))",
        "turn.committable(None)",
        (CONSUMER + "test_aborted_records_are_not_seen_and_no_lag_is_left",),
    ),
    Switch(
        "partitions without acknowledgements commit too",
        "safe_consumer.py",
        "    def _filter_tps_with_pending_acks(",
        "    def _unused(",
        (CONSUMER + "test_aborted_records_are_not_seen_and_no_lag_is_left",),
    ),
    Switch(
        "what was acknowledged before a revocation counts",
        "safe_consumer.py",
        "            self._settle(partition)  # what comes next forgets what was acknowledged\n",
        "            pass\n",
        (REBALANCE + "test_what_was_acknowledged_at_the_last_moment_is_not_done_again",),
    ),
    Switch(
        "acknowledgements of an earlier assignment",
        "safe_consumer.py",
        "if message.generation_id == self.app.consumer_generation_id:",
        "if True:",
        (APP + "test_an_acknowledgement_that_comes_after_giving_back_says_nothing",),
    ),
    Switch(
        "Faust's books on holes do not grow",
        "safe_consumer.py",
        "    async def _add_gap(",
        "    async def _unused(",
        (CONSUMER + "test_holes_leave_nothing_in_memory",),
    ),
    Switch(
        "an agent that raises",
        "safe_faust.py",
        '            leave(Exit.EVENT_INTERRUPTED, f"agent {self.name} raised {type(error).__name__}")',
        "            raise",
        (PROCESSES + "test_an_event_that_was_not_finished_is_not_committed[raise]",),
    ),
    Switch(
        "an agent that is cancelled",
        "safe_faust.py",
        "if aref.stream.get_active_stream().current_event is not None:",
        "if False:",
        (PROCESSES + "test_an_event_that_was_not_finished_is_not_committed[crash]",),
    ),
)

MEMBERSHIP = (
    Switch(
        "queues are not emptied",
        "safe_faust.py",
        "        self.flow_control = KeepQueues()\n",
        "",
        (REBALANCE + "test_resuming_keeps_what_was_handed_out_since",),
    ),
    Switch(
        "events of an earlier assignment are skipped",
        "safe_consumer.py",
        "        await super().on_partitions_revoked(revoked)\n        self.begin_generation()\n",
        "        await super().on_partitions_revoked(revoked)\n",
        (REBALANCE + "test_every_assignment_has_a_number_of_its_own",),
    ),
    Switch(
        "every assignment has a number",
        "safe_consumer.py",
        "    RebalanceListener = RebalanceListener\n",
        "",
        (REBALANCE + "test_every_assignment_has_a_number_of_its_own",),
    ),
    Switch(
        "one that stands by is ready",
        "safe_consumer.py",
        "            self.handing_out = True  # it stands by",
        "            pass  # it stands by",
        (APP + "test_a_worker_without_partitions_stands_by",),
    ),
    Switch(
        "who comes back waits for its predecessor",
        "safe_consumer.py",
        "        await self.app.fence.outwait_predecessor()\n",
        "",
        (APP + "test_who_comes_back_waits_until_its_predecessor_can_do_nothing_more",),
    ),
    Switch(
        "who reads other topics is another member",
        "safe_faust.py",
        'self.conf.consumer_group_instance_id = f"{self._member_id}-{digest}"',
        "self.conf.consumer_group_instance_id = self._member_id",
        (APP + "test_a_worker_that_reads_something_else_than_before_becomes_ready",),
    ),
    Switch(
        "a member's address is not its machine's",
        "safe_faust.py",
        '        self.conf.canonical_url = URL(f"http://{self._member_id}-{digest}")\n',
        "",
        (PROCESSES + "test_a_worker_may_come_back_on_a_machine_of_another_name",),
    ),
    Switch(
        "a start does not sleep",
        "safe_faust.py",
        "Agent=Agent, TableManager=TableManager, **options",
        "Agent=Agent, **options",
        (APP + "test_a_start_does_not_sleep",),
    ),
    Switch(
        "who stops keeps its partitions until it is done",
        "safe_faust.py",
        "            await self._last_event_done.wait()\n",
        "            pass\n",
        (REBALANCE + "test_who_stops_keeps_its_partitions_until_its_events_are_done",),
    ),
    Switch(
        "who stops gives its partitions back when it is done",
        "safe_faust.py",
        "            self._last_event_done.set()\n",
        "            pass\n",
        (REBALANCE + "test_who_stops_keeps_its_partitions_until_its_events_are_done",),
    ),
    Switch(
        "what follows a recovery is waited for",
        "safe_faust.py",
        "            await table.settled()\n",
        "            pass\n",
        (APP + "test_partitions_are_not_given_back_in_the_middle_of_what_follows_a_recovery",),
    ),
    Switch(
        "tables are closed when partitions go",
        "safe_faust.py",
        "            await table.close()\n",
        "            pass\n",
        (DURABLE + "test_writes_from_anywhere_are_safe_while_partitions_move",),
    ),
    Switch(
        "who builds on it is told before partitions go",
        "safe_faust.py",
        "        for callback in self._before_giving_back:\n            await callback()\n",
        "",
        (APP + "test_those_who_build_on_it_are_called_in_turn",),
    ),
    Switch(
        "who builds on it is told after the last event",
        "safe_faust.py",
        "        for callback in self._after_last_event:\n            await callback()\n",
        "",
        (APP + "test_those_who_build_on_it_are_called_in_turn",),
    ),
)

FENCE = (
    Switch(
        "heartbeats are noticed",
        "safe_coordinator.py",
        "            self._fence.answered(asked_s)",
        "            pass",
        (PRODUCER + "test_nothing_is_written_while_heartbeats_are_old",),
    ),
    Switch(
        "a lost generation is noticed",
        "safe_coordinator.py",
        "            self._fence.generation_lost()",
        "            pass",
        (PROCESSES + "test_who_was_frozen_and_lost_its_partitions_says_not_another_word",),
    ),
    Switch(
        "the fence is open between two assignments",
        "safe_coordinator.py",
        "        await super()._on_join_prepare(previous_assignment)\n        self._fence.handed_back()",
        "        await super()._on_join_prepare(previous_assignment)",
        (PRODUCER + "test_who_has_nothing_may_write_while_the_group_regroups",),
    ),
    Switch(
        "the fence is open after the last event",
        "safe_coordinator.py",
        "        finally:\n            self._fence.handed_back()",
        "        finally:\n            pass",
        (PRODUCER + "test_who_has_left_may_write_its_last",),
    ),
    Switch(
        "the fence shuts when partitions come",
        "safe_coordinator.py",
        "        self._fence.joined()\n",
        "",
        (PRODUCER + "test_the_fence_shuts_as_soon_as_partitions_come",),
    ),
    Switch(
        "each app has its own fence",
        "safe_thread.py",
        "token = fence_of_the_app.set(self.app.fence)",
        "token = fence_of_the_app.set(None)",
        (APP + "test_apps_of_one_process_have_their_own_fences",),
    ),
    Switch(
        "the producer asks the fence",
        "safe_producer.py",
        "            await before_write()\n",
        "            pass\n",
        (PRODUCER + "test_nothing_is_written_while_heartbeats_are_old",),
    ),
)

WRITING = (
    Switch(
        "a record whose answer was lost is written once",
        "safe_producer.py",
        '{"acks": "all", "enable_idempotence": True}',
        '{"acks": "all"}',
        (PRODUCER + "test_a_record_whose_answer_was_lost_is_written_once",),
    ),
    Switch(
        "all replicas have it",
        "safe_producer.py",
        '{"acks": "all", "enable_idempotence": True}',
        '{"acks": 1, "enable_idempotence": False}',
        (PRODUCER + "test_it_waits_for_all_replicas",),
    ),
    Switch(
        "nothing expires in an outage",
        "safe_producer.py",
        "        client._message_accumulator._batch_ttl = math.inf\n",
        "",
        (PRODUCER + "test_nothing_expires_in_an_outage",),
    ),
    Switch(
        "a refused record leaves no hole in the numbers",
        "safe_producer.py",
        "                _ask_for_new_producer_id(sender._txn_manager)",
        "                pass",
        (DURABLE + "test_what_the_broker_refuses_for_its_size_is_said_and_hurts_nobody",),
    ),
    Switch(
        "a dead producer ends the process",
        "safe_producer.py",
        "        client._sender.sender_task.add_done_callback(_ended)\n",
        "",
        (PRODUCER + "test_a_producer_that_dies_ends_the_process",),
    ),
    Switch(
        "the broker has a row before reads see it",
        "durable.py",
        "            self._apply(partition, changes, await self._log(partition, changes))",
        "            self._apply(partition, changes, -1)\n"
        "            await self._log(partition, changes)",
        (PRODUCER + "test_an_outage_delays_and_loses_nothing",),
    ),
    Switch(
        "a topic that was made anew",
        "durable.py",
        "        elif known != topic_id:",
        "        elif False:",
        (PROCESSES + "test_a_topic_that_was_made_anew_ends_the_process",),
    ),
)

WATCHDOG = (
    Switch(
        "a stop that hangs",
        "worker.py",
        "        deadline.start()\n",
        "",
        (PROCESSES + "test_an_event_that_never_ends_does_not_keep_a_worker_that_is_to_stop",),
    ),
    Switch(
        "tables that are ahead of their changelog",
        "worker.py",
        "if isinstance(self.crash_reason, ConsistencyError):",
        "if False:",
        (PROCESSES + "test_a_changelog_that_was_made_anew_ends_the_process",),
    ),
    Switch(
        "an event loop that is stuck",
        "safe_faust.py",
        "        self.watchdog.start()\n",
        "",
        (PROCESSES + "test_an_event_loop_that_is_stuck_ends_the_process",),
    ),
    Switch(
        "an event that never ends",
        "watchdog.py",
        "        if still_s > self._patience.partition_s:",
        "        if False:",
        (PROCESSES + "test_an_event_that_never_ends_ends_the_process",),
    ),
    Switch(
        "the last record of a partition",
        "watchdog.py",
        "            await self._app.safe_consumer.look_again(partition)",
        "            pass",
        (CONSUMER + "test_the_last_record_of_a_partition_is_not_lost_either",),
    ),
)

SWITCHES = (*READING, *COMMITTING, *MEMBERSHIP, *FENCE, *WRITING, *WATCHDOG)
