"""The driver of WPP_Whatsapp, as a caller who has read its guide would use it. It may not judge.

It runs in the client's own virtual environment, so it may import nothing of this project. The protocol
is that of lines.js.
"""

import json
import logging
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from WPP_Whatsapp import Create  # pyright: ignore[reportMissingImports]

_CALL_TIMEOUT_S = 30
_print_lock = threading.Lock()


def _print(message: dict[str, Any]) -> None:
    with _print_lock:
        sys.stdout.write(f"\n@peer {json.dumps(message, default=str)}\n")
        sys.stdout.flush()


def _emit(event: str, **fields: Any) -> None:
    _print({"event": event, **fields})


def _serialized(id_: Any) -> str:
    return id_.get("_serialized") or id_["id"] if isinstance(id_, dict) else str(id_)


def _bare(id_: Any) -> str:
    return id_["id"] if isinstance(id_, dict) else str(id_).split("_")[2]


class Driver:
    """The calls of the runner, each a method."""

    def __init__(self) -> None:
        self._creator: Any = None
        self._client: Any = None
        self._ids: dict[str, str] = {}  # the chats of numbers that were looked up

    def open(
        self, profile: str, executable: str, browser_args: list[str], phone: str | None = None
    ) -> None:
        """Start the client; it reports what follows as events."""
        self._creator = Create(
            session="peer",
            user_data_dir=profile,
            folderNameToken=profile + "-tokens",
            catchQR=lambda **qr: _emit("qr", qr=qr["urlCode"]),
            catchLinkCode=lambda code: _emit("code", code=code),
            onStateChange=lambda state: _emit("state", state=str(state)),
            wa_js_version="bundled",
            browser="chromium",
            channel=None,
            executable_path=executable,
            headless=True,
            args=browser_args,
            **({"phoneNumber": phone} if phone else {}),
        )
        threading.Thread(target=self._start, daemon=True).start()

    def _start(self) -> None:
        try:
            client = self._creator.start()
        except Exception as error:  # noqa: BLE001  # whatever ends the start is the client's report
            _emit("failed", reason=f"{type(error).__name__}: {error}")
            return
        self._client = client
        client.onAck(self._on_ack)
        client.onMessage(self._on_message)
        _emit("ready", me=_serialized(client.getWid()).partition("@")[0])

    def _on_ack(self, report: dict[str, Any]) -> None:
        for key in report.get("ids") or [report["id"]]:
            _emit("ack", id=_bare(key), ack=report["ack"])

    def _on_message(self, message: dict[str, Any]) -> None:
        quoted = message.get("quotedMsg") or {}
        _emit(
            "message",
            id=_serialized(message["id"]),
            body=message.get("body"),
            quoted=quoted.get("body"),
            **{"from": str(message["from"])},
        )

    def _resolve(self, number: str) -> str:
        if number not in self._ids:
            status = self._client.checkNumberStatus(f"{number}@c.us")
            if not status.get("numberExists"):
                raise LookupError(f"{number} is not on WhatsApp")
            self._ids[number] = _serialized(status["id"])
        return self._ids[number]

    def send(self, kind: str, to: str, **fields: Any) -> str:
        """Send one message of this kind. Returns its id."""
        answer = getattr(self, f"_send_{kind}")(self._resolve(to), **fields)
        return _serialized(answer["id"])

    def _send_text(self, to: str, text: str) -> Any:
        return self._client.sendText(to, text)

    def _send_reply(self, to: str, text: str, quoted: str) -> Any:
        return self._client.reply(to, text, quoted)

    def _send_mention(self, to: str, text: str, mentioned: str) -> Any:
        return self._client.sendMentioned(to, text, [self._resolve(mentioned)])

    def _send_location(self, to: str, lat: float, lng: float, name: str) -> Any:
        return self._client.sendLocation(to, {"lat": lat, "lng": lng, "name": name})

    def _send_contact(self, to: str, contact: str, name: str) -> Any:
        return self._client.sendContactVcard(to, self._resolve(contact), name)

    def _send_poll(self, to: str, name: str, options: list[str]) -> Any:
        return self._client.sendPollMessage(to, name, options)

    def _send_image(self, to: str, path: str, caption: str, **_: Any) -> Any:
        return self._client.sendImage(to, path, "picture.png", caption)

    def _send_document(self, to: str, path: str, **_: Any) -> Any:
        return self._client.sendFile(to, path, {"type": "document"})

    def _send_voice(self, to: str, path: str, **_: Any) -> Any:
        return self._client.sendPtt(to, path)

    def _send_video(self, to: str, path: str, caption: str, **_: Any) -> Any:
        return self._client.sendFile(to, path, {"type": "video", "caption": caption})

    def _send_sticker(self, to: str, path: str, **_: Any) -> Any:
        return self._client.sendImageAsSticker(to, path)

    def react(self, id: str, emoji: str) -> None:
        """React to a message."""
        self._client.sendReactionToMessage(id, emoji)

    def edit(self, id: str, text: str) -> None:
        """Give a message a new text."""
        self._client.editMessage(id, text)

    def revoke(self, id: str, to: str) -> None:
        """Delete a message for everyone."""
        self._client.deleteMessage(self._resolve(to), id)

    def is_on_whatsapp(self, number: str) -> bool:
        """Whether the number is on WhatsApp."""
        return bool(self._client.checkNumberStatus(f"{number}@c.us").get("numberExists"))

    def message_body(self, id: str) -> str:
        """The text of a message in the client's store."""
        return self._client.getMessageById(id)["body"]

    def state(self) -> str:
        """The client's word for its connection."""
        return self._client.getConnectionState()

    def logout(self) -> None:
        """Log out."""
        self._client.logout()

    def close(self) -> None:
        """End the client and its browser."""
        if self._creator is not None:
            self._creator.sync_close()


def _answer(driver: Driver, request: dict[str, Any]) -> None:
    try:
        value = getattr(driver, request["call"])(**request["args"])
        _print({"n": request["n"], "value": value})
    except Exception as error:  # noqa: BLE001  # the runner judges it
        first_line = str(error).partition("\n")[0]
        _print({"n": request["n"], "error": f"{type(error).__name__}: {first_line}"})


def main() -> None:
    """Answer the runner's calls until it closes its end. What the client logs goes to stderr."""
    logging.basicConfig(level=logging.INFO)
    driver = Driver()
    with ThreadPoolExecutor(4) as threads:
        for line in sys.stdin:
            threads.submit(_answer, driver, json.loads(line))
        threads.submit(driver.close).result(_CALL_TIMEOUT_S)


if __name__ == "__main__":
    main()
