"""A file on disk through the real wa-js: it arrives whole, although neither Python nor the driver reads it.

All tests of this file share one linked driver; each has its own ids.
"""

import hashlib
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import ElementHandle

from streams.whatsapp.driver import NotSubmitted, ServerAccepted, Submission
from streams.whatsapp.web.whatsapp_web import WhatsAppWeb
from tests.support.browser import make_message
from tests.support.sandbox import SandboxControl

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

PDF: dict[str, object] = {"type": "document", "mime": "application/pdf", "filename": "bill 🧾.pdf"}
SIZE = 20 * 1024 * 1024 + 1


def make_file_message(whatsapp_id: str, path: Path, content: dict[str, object]) -> Submission:
    """A message whose file is at this path."""
    return replace(make_message(whatsapp_id, content, deadline_in_s=30.0), media_path=path)


def make_file(folder: Path, size: int) -> tuple[Path, dict[str, Any]]:
    """A new file, and what the log says of it when each byte has arrived."""
    data, path = os.urandom(size), folder / "0123abcd"
    path.write_bytes(data)
    path.chmod(0o600)
    return path, {"size": size, "filehash": hashlib.sha256(data).hexdigest()}


@pytest.mark.parametrize("size", [40, SIZE])
async def test_a_file_on_disk_arrives_whole(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl, tmp_path: Path, size: int
) -> None:
    """Its name and its type are those of the content, and not those on disk."""
    path, details = make_file(tmp_path, size)
    message = make_file_message(f"3EB0CE{size:08}", path, {**PDF, "caption": "your bill"})
    assert isinstance(await shared_driver.submit(message), ServerAccepted)
    (row,) = await shared_control.fetch_new_messages()
    assert (row["type"], row["body"]) == ("document", "your bill")
    named = {"mimetype": "application/pdf", "filename": "bill 🧾.pdf"}
    assert row["details"] == {**named, **details}


async def test_a_file_whose_upload_failed_is_sent_again(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl, tmp_path: Path
) -> None:
    """The second submit has the file again, and the recipient gets one message."""
    path, details = make_file(tmp_path, 60)
    await shared_control.add_faults({"upload_error": 500}, count=1)
    message = make_file_message("3EB0CE0A", path, PDF)
    result = await shared_driver.submit(message)
    assert isinstance(result, NotSubmitted)
    assert result.code == "media_upload_failed"
    repeat = make_file_message("3EB0CE0A", path, PDF)
    assert isinstance(await shared_driver.submit(repeat), ServerAccepted)
    (row,) = await shared_control.fetch_new_messages()
    assert row["details"]["filehash"] == details["filehash"]


async def test_a_file_that_changes_after_it_was_chosen(
    shared_driver: WhatsAppWeb,
    shared_control: SandboxControl,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Chromium does not read it. That passes: the next attempt chooses it again."""
    path, details = make_file(tmp_path, 80)
    dispose = ElementHandle.dispose

    async def change_and_dispose(element: ElementHandle) -> None:
        # Chromium notes the file's time some moment after it was chosen; once it has read of it, it has.
        await element.evaluate("input => input.files[0].slice(0, 1).arrayBuffer().then(() => null)")
        os.utime(path, (1, 1))
        await dispose(element)

    with monkeypatch.context() as patch:
        patch.setattr(ElementHandle, "dispose", change_and_dispose)
        result = await shared_driver.submit(make_file_message("3EB0CE0C", path, PDF))
    assert isinstance(result, NotSubmitted)
    assert result.code == "media_upload_failed"
    repeat = make_file_message("3EB0CE0C", path, PDF)
    assert isinstance(await shared_driver.submit(repeat), ServerAccepted)
    (row,) = await shared_control.fetch_new_messages()
    assert row["details"]["filehash"] == details["filehash"]


async def test_a_file_that_is_gone_is_not_submitted(
    shared_driver: WhatsAppWeb, shared_control: SandboxControl, tmp_path: Path
) -> None:
    """It is a definite answer, so that the message is tried again."""
    message = make_file_message("3EB0CE0B", tmp_path / "none", PDF)
    assert isinstance(await shared_driver.submit(message), NotSubmitted)
    assert await shared_control.fetch_new_ids() == []
