"""A Maven repository on the loopback, in place of Maven Central."""

import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Central:
    """A Maven repository with the jars of a folder. It can be set to misbehave for one jar."""

    def __init__(self, folder: Path) -> None:
        self.requests: Counter[str] = Counter()
        self.corrupt: dict[str, int] = {}  # jar: how many more times it is sent with wrong bytes
        self.resume = threading.Event()
        self.paused_jar: str | None = None  # half of this jar is sent, and the rest after `resume`
        self.is_halfway = threading.Event()
        central = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = self.path.rpartition("/")[2]
                central.requests[name] += 1
                if not name.endswith(".jar"):
                    self.send_error(404)
                    return
                body = central._body(name, (folder / name).read_bytes())
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: len(body) // 2])
                if name == central.paused_jar:
                    self.wfile.flush()
                    central.is_halfway.set()
                    central.resume.wait()
                self.wfile.write(body[len(body) // 2 :])

            def log_message(self, format: str, *args: object) -> None:
                """Log nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def _body(self, name: str, content: bytes) -> bytes:
        """The content, or as many wrong bytes."""
        if self.corrupt.get(name, 0) <= 0:
            return content
        self.corrupt[name] -= 1
        return b"x" * len(content)

    def __enter__(self) -> "Central":
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.resume.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def variables(self, config: Path) -> dict[str, str]:
        """The environment in which jgo fetches from here; `config` is the file that it reads."""
        config.write_text(f"[repositories]\ncentral = {self.url}\n")
        return {"JGO_CONFIG_FILE": str(config), "NO_PROXY": "127.0.0.1"}
