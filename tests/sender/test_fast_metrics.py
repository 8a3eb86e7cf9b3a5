"""What a sender counts of its dispatches: look-ups, and what the page answered."""

from streams.domain.phone.events import Sent
from tests.sender.fast import FastSender, make_command


def read(sender: FastSender, name: str, **labels: str) -> float | None:
    """The value of a series; None: there is none."""
    return sender.registry.get_sample_value(name, labels)


async def test_a_dispatch_counts_by_where_its_chat_came_from(sender: FastSender) -> None:
    """The dispatcher passes an earlier answer on; without one, WhatsApp is asked."""
    assert read(sender, "wa_sender_lookups_total", result="asked") == 0
    await sender.send(make_command("a", chat_id=None))
    await sender.send(make_command("b"))
    await sender.send(make_command("c"))
    assert read(sender, "wa_sender_lookups_total", result="asked") == 1
    assert read(sender, "wa_sender_lookups_total", result="cached") == 2


async def test_a_submit_counts_by_what_the_page_answered(sender: FastSender) -> None:
    """Each answer has a series from the start, and an ack has its time."""
    for result in ("accepted", "refused", "not_submitted", "in_doubt"):
        assert read(sender, "wa_sender_submits_total", result=result) == 0
    assert read(sender, "wa_sender_last_ack_timestamp_seconds") is None
    assert isinstance(await sender.send(make_command("a")), Sent)
    assert read(sender, "wa_sender_submits_total", result="accepted") == 1
    assert read(sender, "wa_sender_submits_total", result="in_doubt") == 0
    assert read(sender, "wa_sender_last_ack_timestamp_seconds")
