"""The calls of `WhatsApp` that change what was requested, or that are about a recipient. Part of that class.

Each produces one record and returns its id. Nothing here reads an answer.
"""

from streams.client.producing import RequestProducer
from streams.client.requests import (
    EncodedRequest,
    encode_cancel,
    encode_change,
    encode_consent,
    encode_forget,
)


class RecipientCalls:
    """The connection that has these calls gives the producer."""

    _producer: RequestProducer

    async def cancel(
        self,
        to: str | None = None,
        id: str | None = None,
        *,
        batch_id: str | None = None,
        request_id: str | None = None,
    ) -> str:
        """Cancel one message (`to` and `id`), all that wait for a recipient (`to`), or a batch (`batch_id`).

        Returns the cancel's own id once Kafka has it. If nothing can be cancelled, a status `rejected` has this id.

        Raises:
            RequestInvalid, TopicNotFound, TopicForbidden: as `send`.
        """
        return await produce(self, encode_cancel(to, id, batch_id, request_id))

    async def edit(self, to: str, id: str, body: str, *, request_id: str | None = None) -> str:
        """Give a message that was sent another text. Returns the edit's own id; raises as `send`."""
        return await produce(self, encode_change(to, id, body, request_id))

    async def revoke(self, to: str, id: str, *, request_id: str | None = None) -> str:
        """Delete a sent message for everyone, or cancel a waiting one. Returns the revoke's own id."""
        return await produce(self, encode_change(to, id, None, request_id))

    async def set_consent(self, to: str, consent: str, *, request_id: str | None = None) -> str:
        """Set whether a recipient gets marketing messages: `opted_out` or `opted_in`.

        Returns the request's own id once Kafka has it. With `opted_out`, marketing messages that wait are rejected.

        Raises:
            RequestInvalid, TopicNotFound, TopicForbidden: as `send`.
        """
        return await produce(self, encode_consent(to, consent, request_id))

    async def forget(
        self, to: str, *, keep_opt_out: bool = False, request_id: str | None = None
    ) -> str:
        """Forget a recipient: cancel what waits, and remove everything that is stored of it, and its chats.

        Returns the request's own id once Kafka has it. `keep_opt_out`: an opt-out is kept under a hash of the number.
        `wa-streams forget` also reports how far it is, and what stays until when.

        Raises:
            RequestInvalid, TopicNotFound, TopicForbidden: as `send`.
        """
        request = encode_forget(to, keep_opt_out=keep_opt_out, request_id=request_id)
        return await produce(self, request)


async def produce(connection: RecipientCalls, request: EncodedRequest) -> str:
    """Produce a request that was encoded before the connection was opened, and return its id. Raises as `send`.

    For our own commands: what is wrong with a request is wrong without a broker too, and they need its id first.
    """
    await connection._producer.produce(request)
    return request.id
