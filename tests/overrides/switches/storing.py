"""Switches of the local stores."""

from tests.overrides.switches.switch import DAMAGE, RECOVERY, STALE, Switch

STORE_FILE = "store/local_store.py"
RECOVERY_FILE = "recovery/service.py"
CHANGELOGS_FILE = "recovery/changelogs.py"

STORING = (
    Switch(
        "the stores are ours",
        "app.py",
        "Agent=Agent, Table=Table, ",
        "Agent=Agent, ",
        (DAMAGE + "test_a_store_that_does_not_open_is_rebuilt_at_once",),
    ),
    Switch(
        "a store that does not open is rebuilt",
        STORE_FILE,
        "            self._set_aside(partition, str(error))\n",
        "            raise\n",
        (DAMAGE + "test_a_store_that_does_not_open_is_rebuilt_at_once",),
    ),
    Switch(
        "a scan does not end where it cannot be read",
        "table.py",
        "        cursor.status()  # raises if the rows ended because they cannot be read\n",
        "",
        (DAMAGE + "test_a_corrupt_file_is_noticed_by_a_read[scan]",),
    ),
    Switch(
        "what is not a row is not recovered",
        STORE_FILE,
        "                row = check_record(key, value, self.check_row)\n",
        "                row = None\n",
        (DAMAGE + "test_what_is_not_a_row_is_not_recovered",),
    ),
    Switch(
        "an offset that cannot be read is damage",
        STORE_FILE,
        "    def persisted_offset(",
        "    def _unused(",
        (DAMAGE + "test_an_offset_that_cannot_be_read_is_damage",),
    ),
    Switch(
        "a store that may have missed a deletion is rebuilt",
        RECOVERY_FILE,
        "                await self._discard_stale(consumer, behind, destination)\n",
        "",
        (STALE + "test_a_deleted_row_does_not_come_back[43260.0-True]",),
    ),
    Switch(
        "changelogs are checked for gaps too",
        CHANGELOGS_FILE,
        "            if records and not self._is_next(tracker, records):",
        "            if False:",
        (RECOVERY + "test_records_that_were_lost_on_their_way_are_read_again[lose_beginning-2]",),
    ),
    Switch(
        "aborted records are not rows",
        CHANGELOGS_FILE,
        '            isolation_level="read_committed",\n',
        "",
        (RECOVERY + "test_records_of_aborted_transactions_are_not_rows",),
    ),
    Switch(
        "a recovery writes only for its own assignment",
        RECOVERY_FILE,
        "        if generation != self.app.consumer_generation_id:\n"
        "            raise RebalanceAgain  # the store may be another process's by now\n",
        "",
        (RECOVERY + "test_a_rebalance_in_the_middle_begins_the_recovery_anew",),
    ),
    Switch(
        "what was loaded is in files before anything is written",
        "table.py",
        "            self._store.make_durable()\n",
        "",
        (RECOVERY + "test_what_was_loaded_survives_a_kill",),
    ),
)
