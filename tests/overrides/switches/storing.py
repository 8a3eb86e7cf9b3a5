"""Switches of the local stores."""

from tests.overrides.switches.switch import DAMAGE, STALE, Switch

STORE_FILE = "store/local_store.py"

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
        "                check_record(message.key, message.value, self.check_row)\n",
        "                pass\n",
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
        "parts/recovery.py",
        "                await self._discard_stale(consumer, behind, destination)\n",
        "",
        (STALE + "test_a_deleted_row_does_not_come_back[43260.0-True]",),
    ),
)
