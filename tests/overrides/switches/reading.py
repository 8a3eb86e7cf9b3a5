"""Switches of what the consumer reads and delivers: gaps, seeks, deleted records, transactions, back-pressure."""

from tests.overrides.switches.switch import (
    BAD_INPUT,
    DELETED,
    FAILING_REQUESTS,
    FETCHING,
    GAPS,
    HUGE_BATCHES,
    OBSTACLES,
    REBALANCE,
    TRANSACTIONS,
    Switch,
)

CONSUMER_FILE = "consumer/consumer.py"
THREAD_FILE = "consumer/thread.py"

READING = (
    Switch(
        "a record after a gap is not delivered",
        CONSUMER_FILE,
        "if batch and not tracker.is_contiguous(batch.start_offset):",
        "if False:",
        (GAPS + "test_a_whole_batch_that_was_lost_is_read_again",),
    ),
    Switch(
        "a record that was lost on its way is read again",
        CONSUMER_FILE,
        "            self._skip_deleted(partition, tracker, earliest)\n"
        "            await self.seek(partition, tracker.next_offset)",
        "            self._skip_deleted(partition, tracker, earliest)",
        (GAPS + "test_a_whole_batch_that_was_lost_is_read_again",),
    ),
    Switch(
        "a record that comes twice is delivered once",
        CONSUMER_FILE,
        "if tracker.already_delivered(record.offset):",
        "if False:",
        (GAPS + "test_a_record_that_comes_twice_is_delivered_once",),
    ),
    Switch(
        "nothing is delivered before the seek",
        CONSUMER_FILE,
        "            return  # read again after the coming seek",
        "            tracker = self._trackers.setdefault(partition, OffsetTracker(batch.start_offset))",
        (REBALANCE + "test_records_fetched_before_the_seek_are_delivered_once",),
    ),
    Switch(
        "every source partition is sought",
        CONSUMER_FILE,
        "        for partition, tracker in trackers.items():\n"
        "            await self.seek(partition, tracker.next_offset)\n",
        "",
        (REBALANCE + "test_records_fetched_before_the_seek_are_delivered_once",),
    ),
    Switch(
        "a revocation during the seek",
        CONSUMER_FILE,
        "        if generation == self.app.consumer_generation_id:\n"
        "            self._trackers = trackers",
        "        if True:\n            self._trackers = trackers",
        (REBALANCE + "test_a_seek_that_a_revocation_overtook_delivers_nothing",),
    ),
    Switch(
        "deleted while down",
        CONSUMER_FILE,
        "        self._skip_deleted(partition, tracker, earliest)\n        return tracker",
        "        return tracker",
        (DELETED + "test_records_deleted_to_the_end_while_down_are_counted_at_once",),
    ),
    Switch(
        "deleted while running",
        CONSUMER_FILE,
        "            self._skip_deleted(partition, tracker, earliest)\n            await",
        "            await",
        (DELETED + "test_records_deleted_while_running_are_counted",),
    ),
    Switch(
        "a commit beyond the end of the log",
        CONSUMER_FILE,
        "if tracker.next_offset > end:",
        "if False:",
        (DELETED + "test_a_commit_beyond_the_end_of_the_log_ends_the_process",),
    ),
    Switch(
        "a flow that has stopped is left to the recovery",
        CONSUMER_FILE,
        "return (records, active) if self.flow_active else (None, None)",
        "return records, active",
        (REBALANCE + "test_a_batch_that_comes_when_the_flow_has_stopped_is_not_delivered",),
    ),
    Switch(
        "a partition full of bytes",
        CONSUMER_FILE,
        "if tracker is None or tracker.unacked_bytes >= MAX_UNACKED_BYTES:",
        "if tracker is None:",
        (FETCHING + "test_a_partition_full_of_bytes_is_not_read_further",),
    ),
    Switch(
        "a partition full of records",
        CONSUMER_FILE,
        "return self._get_queue(partition).qsize() >= MAX_QUEUED_RECORDS",
        "return False",
        (FETCHING + "test_a_partition_full_of_records_is_not_read_further",),
    ),
    Switch(
        "aborted transactions",
        THREAD_FILE,
        'consumer._isolation_level = "read_committed"',
        "pass",
        (TRANSACTIONS + "test_aborted_records_are_not_delivered_and_leave_no_lag",),
    ),
    Switch(
        "a fetch does not delay other requests",
        THREAD_FILE,
        "        consumer._fetch_max_wait_ms = _FETCH_MAX_WAIT_MS\n",
        "",
        (FETCHING + "test_a_fetch_does_not_delay_other_requests",),
    ),
    Switch(
        "a range that is known to be empty is not a gap",
        "consumer/fetch.py",
        "batch.start_offset = _merge_start(getattr(state, _EMPTY_RANGE_ATTRIBUTE, None), start)",
        "batch.start_offset = start",
        (TRANSACTIONS + "test_aborted_records_are_not_delivered_and_leave_no_lag",),
    ),
    Switch(
        "header names that are not UTF-8",
        "../kafka/reading/record_batches.py",
        "    fetcher.MemoryRecords = RecordBatches",
        "    RecordBatches",
        (BAD_INPUT + "test_a_header_name_that_is_not_text_stops_no_worker",),
    ),
    Switch(
        "a batch that unpacks to more than the memory",
        "../kafka/reading/record_batches.py",
        "start = huge_batches.unpack_if_huge(codec, self._data) if codec else None",
        "start = None",
        (HUGE_BATCHES + "test_every_record_of_a_huge_batch_is_delivered",),
    ),
    Switch(
        "a topic that may not be read does not end the process",
        THREAD_FILE,
        "        except TopicAuthorizationFailedError as error:\n"
        "            self._refused_s[str(error.args[0])] = time.monotonic()\n"
        "        except KafkaError as error:\n",
        "        except TopicAuthorizationFailedError:\n"
        "            raise\n"
        "        except KafkaError as error:\n",
        (OBSTACLES + "test_a_topic_that_may_not_be_read_is_named_and_read_later",),
    ),
    Switch(
        "a fetch that fails does not end the process",
        THREAD_FILE,
        "if consumer._closed or consumer._fetcher.error_future.done():",
        "if True:",
        (FAILING_REQUESTS + "test_a_fetch_that_fails_is_repeated",),
    ),
)
