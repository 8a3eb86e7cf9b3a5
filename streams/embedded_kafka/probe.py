"""Asks a broker for its metadata over a bare socket. Knows neither asyncio nor a client's retries.

An open port says little: a broker that has just started accepts connections before it can serve. So
the question is one that only a broker in service answers with a broker.
"""

import socket
import struct
from io import BytesIO

from aiokafka.protocol.metadata import MetadataRequest_v1

_CORRELATION = 1
_WITHIN_S = 2.0
_NO_TOPICS: list[str] = []  # version 1: an empty list asks for none


def answers(host: str, port: int) -> bool:
    """Whether a Kafka broker in service listens there: it names a broker and a controller."""
    request = MetadataRequest_v1(_NO_TOPICS)
    header = request.build_request_header(_CORRELATION, "wa-streams-probe")
    question = header.encode() + request.encode()
    try:
        with socket.create_connection((host, port), timeout=_WITHIN_S) as connection:
            connection.sendall(struct.pack(">i", len(question)) + question)
            (length,) = struct.unpack(">i", _exactly(connection, 4))
            answer = BytesIO(_exactly(connection, length))
    except OSError:
        return False
    request.parse_response_header(answer)
    metadata = request.RESPONSE_TYPE.decode(answer).to_object()
    return bool(metadata["brokers"]) and metadata["controller_id"] >= 0


def _exactly(connection: socket.socket, length: int) -> bytes:
    read = bytearray()
    while len(read) < length:
        piece = connection.recv(length - len(read))
        if not piece:
            raise ConnectionError("the other side hung up in the middle of an answer")
        read += piece
    return bytes(read)
