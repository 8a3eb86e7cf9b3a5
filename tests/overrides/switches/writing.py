"""Switches of the producer and of the durable tables."""

from tests.overrides.switches.switch import OUTAGES, PROCESSES, PRODUCER, PUBLISHER, Switch

PRODUCER_FILE = "producer.py"
TABLE_FILE = "table.py"

WRITING = (
    Switch(
        "a record whose response was lost is written once",
        PRODUCER_FILE,
        '{"acks": "all", "enable_idempotence": True}',
        '{"acks": "all"}',
        (OUTAGES + "test_a_record_whose_response_was_lost_is_written_once",),
    ),
    Switch(
        "all replicas have it",
        PRODUCER_FILE,
        '{"acks": "all", "enable_idempotence": True}',
        '{"acks": 1, "enable_idempotence": False}',
        (OUTAGES + "test_it_waits_for_all_replicas",),
    ),
    Switch(
        "nothing expires in an outage",
        PRODUCER_FILE,
        "        client._message_accumulator._batch_ttl = math.inf\n",
        "",
        (OUTAGES + "test_nothing_expires_in_an_outage",),
    ),
    Switch(
        "a refused record leaves no gap in the sequence numbers",
        PRODUCER_FILE,
        "                _reset_producer_id(sender._txn_manager)",
        "                pass",
        (PUBLISHER + "test_a_record_too_large_for_the_broker_is_reported_and_harms_no_other",),
    ),
    Switch(
        "a dead producer ends the process",
        PRODUCER_FILE,
        "        client._sender.sender_task.add_done_callback(_on_sender_ended)\n",
        "",
        (OUTAGES + "test_a_producer_that_dies_ends_the_process",),
    ),
    Switch(
        "the broker has a row before reads see it",
        TABLE_FILE,
        "            appended = await self._changelog_writer.write(partition, changes)\n"
        "            self._apply(partition, changes, appended)",
        "            self._apply(partition, changes, Appended(None, False))\n"
        "            appended = await self._changelog_writer.write(partition, changes)",
        (OUTAGES + "test_an_outage_delays_and_loses_nothing",),
    ),
    Switch(
        "a topic that was recreated",
        TABLE_FILE,
        "        elif stored_id != topic_id:",
        "        elif False:",
        (PROCESSES + "test_a_recreated_topic_ends_the_process",),
    ),
    Switch(
        "a request has a limited size",
        PRODUCER_FILE,
        "for part in _split_batches(batches):",
        "for part in [batches]:",
        (PRODUCER + "test_a_request_has_a_limited_size",),
    ),
    Switch(
        "append times are reported",
        PRODUCER_FILE,
        "                self._report_responses(part, sent_mono_s)\n",
        "",
        (PRODUCER + "test_every_append_time_is_reported",),
    ),
)
