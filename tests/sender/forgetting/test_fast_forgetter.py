"""A sender forgets a recipient: its claims, its place among the new recipients, and its chat."""

from pathlib import Path
from typing import cast

import pytest

from streams.domain.errors import Error
from streams.domain.forgetting import ForgetAnswer, ForgetInstruction
from streams.domain.phone.events import Failed, OutcomeUnknown, Sent
from streams.domain.sending.claim import Claim, decide
from streams.domain.sending.claim_times import claim_expires_at_s
from streams.domain.sending.forgotten import is_to_forget, make_remainder
from streams.sender.forgetting.forgetter import Forgetter
from streams.sender.forgetting.instructions import ForgetInstructions, PendingInstruction
from streams.sender.inbound.media_store import MediaStore
from streams.sender.pace.recipient_log import RecipientLog
from streams.whatsapp.driver import Phase
from tests.sender.fast import FastSender, make_command

PHONE, CHAT = "+60123456789", "60123456789@c.us"
NOW_S = 1_000_000.0


class FakeInstructions:
    """The topic, as one account sees it."""

    def __init__(self, *pending: PendingInstruction) -> None:
        self.pending = list(pending)
        self.answers: list[ForgetAnswer] = []

    def list_pending(self) -> list[PendingInstruction]:
        """What is not answered."""
        return self.pending

    async def answer(self, key: bytes, answer: ForgetAnswer) -> None:
        """It is done."""
        self.answers.append(answer)


def make_forgetter(
    sender: FastSender, instructions: FakeInstructions, media_store: str | Path = "/nowhere"
) -> Forgetter:
    """A forgetter on the rows and the page of this sender."""
    driver = sender.driver
    return Forgetter(
        "main",
        instructions=cast("ForgetInstructions", instructions),
        claim_store=sender.claims,
        recipients=RecipientLog(sender.claims, sender.clock),
        media_store=MediaStore(media_store),
        get_page=lambda: driver if driver.session.phase is Phase.READY else None,
        on_forgotten=lambda _: None,
        clock=sender.clock,
    )


async def test_claims_and_chat_go() -> None:
    """The answer says what there was; no row names the recipient, and the same command sends nothing again."""
    sender = FastSender()
    await sender.open()
    command = make_command("a")
    await sender.send(command)
    instruction = ForgetInstruction(account="main", request_id="f", phone=command.phone)
    instructions = FakeInstructions(PendingInstruction(b"key", instruction, 9e9))
    forgetter = make_forgetter(sender, instructions)
    sender.driver.set_phase(Phase.RECONNECTING)
    assert not await forgetter.run_once(), "only a ready page can delete a chat"
    sender.driver.set_phase(Phase.READY)
    assert await forgetter.run_once()
    (answer,) = instructions.answers
    assert (answer.claims, answer.has_chat) == (1, True)
    claims = [claim async for _, claim in sender.claims.scan_all()]
    assert [(c.phone, c.id, c.chat_id, c.is_forgotten) for c in claims] == [("", "", None, True)]
    assert await forgetter.run_once()
    assert len(instructions.answers) == 1, "the topic is read a moment later"
    await sender.close()


@pytest.mark.parametrize("address", ["{folder}", "file://{folder}", "memory://media"])
async def test_received_files_go(address: str, tmp_path: Path) -> None:
    """Those of the chat, whether WhatsApp showed the number or not; nobody else's."""
    sender = FastSender()
    await sender.open()
    store = MediaStore(address.format(folder=tmp_path / "media"))
    own, hidden, others = "+60123456789", "77@lid", "+60123456780"
    for chat, key in ((own, "1"), (own, "2"), (hidden, "3"), (others, "4")):
        async with store.create("main", chat, key, "image/png") as writer:
            await writer.write(b"picture")
            await writer.finish()
    instruction = ForgetInstruction(account="main", request_id="f", phone=own, chat_id=hidden)
    instructions = FakeInstructions(PendingInstruction(b"key", instruction, 9e9))
    forgetter = make_forgetter(sender, instructions, address.format(folder=tmp_path / "media"))
    sender.driver.set_phase(Phase.READY)
    assert await forgetter.run_once()
    assert instructions.answers[0].files == 3
    assert [await store.remove_chat("main", chat) for chat in (own, hidden, others)] == [0, 0, 1]
    await sender.close()


async def test_a_store_that_cannot_be_emptied_is_tried_again(tmp_path: Path) -> None:
    """The recipient is not forgotten before its files are gone."""
    sender = FastSender()
    await sender.open()
    instruction = ForgetInstruction(account="main", request_id="f", phone=PHONE)
    instructions = FakeInstructions(PendingInstruction(b"key", instruction, 9e9))
    forgetter = make_forgetter(sender, instructions, "nosuchscheme://bucket")
    sender.driver.set_phase(Phase.READY)
    assert not await forgetter.run_once()
    assert instructions.answers == []
    await sender.close()


@pytest.mark.parametrize(
    ("result", "is_kept"),
    [
        (None, True),
        (Sent(at_s=NOW_S), True),
        (OutcomeUnknown(at_s=NOW_S, error=Error("outcome_unknown")), True),
        (Failed(error=Error("media_rejected")), False),
    ],
)
def test_what_is_left_of_a_claim(result: Sent | None, is_kept: bool) -> None:
    """A message that may have left is never opened again, and what is left expires after a day."""
    claim = Claim(
        phone=PHONE,
        id="a",
        dispatch_number=1,
        chat_id=CHAT,
        claimed_at_s=NOW_S,
        result=result,
        concluded_at_s=NOW_S if result else 0.0,
    )
    remainder = make_remainder(claim, NOW_S + 5)
    assert (remainder is not None) == is_kept
    if remainder is not None:
        assert decide(make_command("a"), remainder, NOW_S).__class__.__name__ == "Conclude"
        assert PHONE not in str(remainder)
        assert claim_expires_at_s(remainder, 604_800.0) == NOW_S + 86_400
    assert make_remainder(claim, NOW_S + 90_000) is None


def test_a_newer_claim_stays() -> None:
    """It is of a message to a recipient that was never seen before."""
    claim = Claim(phone=PHONE, id="a", dispatch_number=1, claimed_at_s=NOW_S)
    assert is_to_forget(claim, PHONE, NOW_S)
    assert not is_to_forget(claim, PHONE, NOW_S - 1)
    assert not is_to_forget(claim, "+60111111111", NOW_S)
