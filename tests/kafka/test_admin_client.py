"""The admin client outlives a broker that does not answer, and a change of the controller."""

from typing import Any

import pytest
from aiokafka.admin import NewTopic
from aiokafka.errors import NodeNotReadyError, RequestTimedOutError, TopicAuthorizationFailedError

from streams.kafka import connection
from streams.settings import Settings

pytestmark = pytest.mark.broker


def _fail_first(client: Any, *errors: Exception) -> None:
    """The client's next requests raise these errors, one each."""
    pending, send = list(errors), client._client.send

    async def failing(*args: Any, **options: Any) -> Any:
        if pending:
            raise pending.pop(0)
        return await send(*args, **options)

    client._client.send = failing


async def test_a_request_is_sent_again(settings: Settings) -> None:
    """aiokafka would fail with the first broker that is frozen."""
    async with connection.admin_client(settings) as client:
        _fail_first(client, RequestTimedOutError(), NodeNotReadyError())
        assert isinstance(await client.list_topics(), list)


async def test_a_request_to_the_controller_is_sent_again(settings: Settings) -> None:
    """Another broker may be the controller by then."""
    topic = f"{settings.topic_prefix}.made"
    async with connection.admin_client(settings) as client:
        _fail_first(client, RequestTimedOutError())
        await client.create_topics([NewTopic(topic, 1, 1)])
        assert topic in await client.list_topics()


async def test_a_refusal_is_final(settings: Settings) -> None:
    """To ask again would not help."""
    async with connection.admin_client(settings) as client:
        _fail_first(client, TopicAuthorizationFailedError("refused"))
        with pytest.raises(TopicAuthorizationFailedError):
            await client._send_request(object())
