"""A topic whose records do not have the broker's times: no dispatcher works with it."""

import pytest
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from streams.kafka import connection, topics
from streams.operations.errors import UsageError
from streams.runtime.exit_codes import ExitCode
from tests.support.caller import Caller
from tests.support.system import SystemUnderTest
from tests.support.waiting import wait_until

pytestmark = pytest.mark.broker


async def test_a_topic_that_stamps_no_append_times_is_refused(dispatcher: SystemUnderTest) -> None:
    """An operator changes one: the dispatcher ends, and one that starts does too; both say what to do."""
    [running] = dispatcher.workers
    async with Caller(dispatcher.settings).open() as caller:
        topic = caller.names.status
        async with connection.admin_client(dispatcher.settings) as client:
            config = {topics.TIMESTAMP_TYPE: "CreateTime"}
            await client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, config)])
        await caller.request({"id": "m1", "to": "+905551234567", "text": "hello"})
        await wait_until(lambda: not running.is_alive)
    assert running.process.returncode == ExitCode.TOPIC_MISCONFIGURED
    remedy = f"--topic {topic} --add-config {topics.TIMESTAMP_TYPE}={topics.APPEND_TIME}"
    assert running.log.read_text().count(remedy) == 1
    restarted = dispatcher.start_dispatcher()
    await wait_until(lambda: not restarted.is_alive)
    assert restarted.process.returncode == UsageError.exit_code
    assert restarted.log.read_text().count(remedy) == 2
