"""Switches of the local stores, and of what clients do about a broker that is silent."""

from tests.overrides.switches.switch import DAMAGE, STALE, TIMEOUTS, Switch

STORE_FILE = "store/local_store.py"
TIMEOUTS_FILE = "../kafka/timeouts.py"

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
        "a store that may have missed a deletion is rebuilt",
        "parts/recovery.py",
        "            await self._discard_stale(consumer, behind, destination)\n",
        "",
        (STALE + "test_a_deleted_row_does_not_come_back",),
    ),
    Switch(
        "a broker that is silent is given up",
        TIMEOUTS_FILE,
        "    ak_conn.AIOKafkaConnection = BoundedConnection",
        "    pass",
        (TIMEOUTS + "test_every_client_gets_past_a_silent_address",),
    ),
    Switch(
        "a broker that is silent is asked last",
        TIMEOUTS_FILE,
        "    AIOKafkaClient.get_random_node = _get_random_node",
        "    pass",
        (TIMEOUTS + "test_a_silent_broker_is_asked_last",),
    ),
)
