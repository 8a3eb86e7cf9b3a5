"""Receives webhooks after the Standard Webhooks specification.

    WEBHOOK_SECRET=whsec_… python webhook_receiver.py PORT

Only the standard library. It accepts what is signed with the secret within five minutes, and handles each id once. It
answers 204 after it has handled a webhook, 401 to what is not signed, 411 to what has no length, and 413 to what is
too long.
"""

import base64
import hashlib
import hmac
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MAX_AGE_S = 300  # of the specification: an old webhook may be a copied one
MAX_BYTES = 1_048_576


def is_signed(secret: str, headers: dict[str, str], body: bytes, now_s: float) -> bool:
    """Whether a signature of the header is that of this secret over id, timestamp and body."""
    webhook_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not webhook_id or not timestamp.isdecimal() or abs(now_s - int(timestamp)) > MAX_AGE_S:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = b".".join([webhook_id.encode(), timestamp.encode(), body])
    expected = b"v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256))
    # Several, divided by spaces, while the sender changes its secret. Compared in constant time.
    given = headers.get("webhook-signature", "").encode().split(b" ")
    return any(hmac.compare_digest(signature, expected) for signature in given)


class Receiver(BaseHTTPRequestHandler):
    """One request. A real program keeps the ids in its database, in the transaction that handles the event."""

    handled_ids: set[str] = set()  # noqa: RUF012 shared by all requests

    def do_POST(self) -> None:
        """Check, handle once, and answer."""
        length = self.headers.get("content-length", "")
        if not length.isdecimal():  # a negative one would read without end
            return self._answer(411)
        if len(length) > 9 or int(length) > MAX_BYTES:
            return self._answer(413)
        body = self.rfile.read(int(length))
        headers = {name.lower(): value for name, value in self.headers.items()}
        if not is_signed(os.environ["WEBHOOK_SECRET"], headers, body, time.time()):
            return self._answer(401)
        if headers["webhook-id"] not in self.handled_ids:
            print(json.dumps(json.loads(body)), flush=True)
            self.handled_ids.add(headers["webhook-id"])
        return self._answer(204)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: the address of a webhook may contain a secret."""

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver)
    print(f"listening on {server.server_port}", flush=True)
    server.serve_forever()
