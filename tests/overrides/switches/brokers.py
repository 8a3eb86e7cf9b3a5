"""Switches of what clients do about a broker that is silent (streams/kafka)."""

from tests.overrides.switches.switch import ADMIN_CLIENT, TIMEOUTS, Switch

TIMEOUTS_FILE = "../kafka/timeouts.py"
ADMIN_CLIENT_FILE = "../kafka/admin_client.py"

BROKERS = (
    Switch(
        "a broker that is silent is given up",
        TIMEOUTS_FILE,
        "    ak_conn.AIOKafkaConnection = BoundedConnection",
        "    pass",
        (TIMEOUTS + "test_a_broker_that_is_silent_is_given_up",),
    ),
    Switch(
        "a broker that is silent is asked last",
        TIMEOUTS_FILE,
        "    AIOKafkaClient.get_random_node = _get_random_node",
        "    pass",
        (TIMEOUTS + "test_a_silent_broker_is_asked_last",),
    ),
    Switch(
        "nobody waits for a broker that was given up",
        TIMEOUTS_FILE,
        "        silent_brokers.add_connection(self._address, self)\n",
        "",
        (TIMEOUTS + "test_nobody_waits_for_a_broker_that_was_given_up",),
    ),
    Switch(
        "a broker that was given up is probed",
        TIMEOUTS_FILE,
        "            self._start_probe()\n",
        "",
        (TIMEOUTS + "test_nobody_waits_for_a_broker_that_was_given_up",),
    ),
    Switch(
        "a request without an answer is no proof",
        TIMEOUTS_FILE,
        "if not await self._is_answering_probe() and not answer.done():",
        "if not answer.done():",
        (TIMEOUTS + "test_a_request_without_an_answer_is_no_proof",),
    ),
    Switch(
        "an administrative request is sent again",
        ADMIN_CLIENT_FILE,
        "        return await self._retry(lambda: send(request, node_id))",
        "        return await send(request, node_id)",
        (ADMIN_CLIENT + "test_a_request_is_sent_again",),
    ),
    Switch(
        "a request to the controller is sent again",
        ADMIN_CLIENT_FILE,
        "        return await self._retry(lambda: self._send_to_current_controller(request))",
        "        return await self._send_to_current_controller(request)",
        (ADMIN_CLIENT + "test_a_request_to_the_controller_is_sent_again",),
    ),
)
