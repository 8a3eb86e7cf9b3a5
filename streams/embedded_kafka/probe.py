"""Requests a broker's metadata over a bare socket. Uses neither asyncio nor a client's retries.

An open port says little: a broker that has just started accepts connections before it can serve. So the probe sends
a request that only a broker in service answers with a broker.
"""

import socket
import struct
from io import BytesIO

from aiokafka.protocol.metadata import MetadataRequest_v1

_CORRELATION_ID = 1
_TIMEOUT_S = 2.0
_NO_TOPICS: list[str] = []  # version 1: an empty list asks for none


def is_ready(host: str, port: int) -> bool:
    """Whether a Kafka broker in service listens there: its metadata names a broker and a controller."""
    request = MetadataRequest_v1(_NO_TOPICS)
    header = request.build_request_header(_CORRELATION_ID, "wa-streams-probe")
    payload = header.encode() + request.encode()
    try:
        with socket.create_connection((host, port), timeout=_TIMEOUT_S) as connection:
            connection.sendall(struct.pack(">i", len(payload)) + payload)
            (length,) = struct.unpack(">i", _read_exactly(connection, 4))
            response = BytesIO(_read_exactly(connection, length))
    except OSError:
        return False
    request.parse_response_header(response)
    metadata = request.RESPONSE_TYPE.decode(response).to_object()
    return bool(metadata["brokers"]) and metadata["controller_id"] >= 0


def _read_exactly(connection: socket.socket, length: int) -> bytes:
    data = bytearray()
    while len(data) < length:
        chunk = connection.recv(length - len(data))
        if not chunk:
            raise ConnectionError(
                "the other side closed the connection in the middle of a response"
            )
        data += chunk
    return bytes(data)
