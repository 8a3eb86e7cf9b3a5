"""A sender forgets a recipient: its claims, its place among the new recipients, and its chat."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self, cast
from unittest.mock import AsyncMock

import pytest
from msgspec.structs import replace

from streams.domain.errors import Error
from streams.domain.forgetting import ForgetAnswer, ForgetInstruction, encode
from streams.domain.phone.events import Failed, Outcome, OutcomeUnknown, Sent
from streams.domain.sending.claim import Claim, decide
from streams.domain.sending.claim_times import claim_expires_at_s
from streams.domain.sending.forgotten import is_to_forget, make_remainder
from streams.kafka.view import OnChange, ViewRecord
from streams.sender.conclusion import PendingDispatch, ResultWriter
from streams.sender.forgetting import instructions as instructions_module
from streams.sender.forgetting.forgetter import Forgetter
from streams.sender.forgetting.instructions import ForgetInstructions, PendingInstruction
from streams.sender.inbound.media_store import MediaStore
from streams.sender.pace.recipient_log import RecipientLog
from streams.settings import load
from streams.whatsapp.driver import Phase
from tests.sender.fast import FastSender, Record, make_command

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


async def test_a_reused_id_has_a_true_answer_before_the_account_has_forgotten() -> None:
    """The page is not ready, so the row is still there. Nothing is sent, and the outcome names its message."""
    sender = FastSender()
    await sender.open()
    await sender.send(make_command("a", accepted_offset=5))
    instruction = ForgetInstruction(account="main", request_id="f", phone=PHONE, before_offset=7)
    sender.is_to_forget = PendingInstruction(b"key", instruction, 9e9).covers
    await sender.send(make_command("a", accepted_offset=5))
    await sender.send(make_command("a", accepted_offset=9))
    sent, repeated, refused = (event for event in sender.events if isinstance(event, Outcome))
    assert (sent.result, sent.accepted_offset) == (repeated.result, -1)
    assert repeated.accepted_offset == 5
    assert isinstance(refused.result, Failed)
    assert (refused.result.error.code, refused.accepted_offset) == ("id_already_used", 9)
    assert len(sender.driver.submissions) == 1
    await sender.close()


async def test_a_recipient_is_forgotten_while_a_result_is_stored() -> None:
    """The outcome names its message: without that, it could end a later one with the same id."""
    sender, outcomes = FastSender(), list[Outcome]()
    await sender.open()
    instruction = ForgetInstruction(account="main", request_id="f", phone=PHONE, before_offset=7)

    def forget(*_: object) -> None:
        sender.is_to_forget = PendingInstruction(b"key", instruction, 9e9).covers

    async def publish(published: Sequence[Outcome]) -> None:
        outcomes.extend(published)

    results = ResultWriter(
        account="main",
        claim_store=sender.claims,
        publish=publish,
        on_concluded=forget,
        now_s=sender.get_now_s,
    )
    dispatch = PendingDispatch(Record(None), make_command("a", accepted_offset=5), "wa-a")
    await results.write([(dispatch, Sent(at_s=sender.now_s))])
    assert [outcome.accepted_offset for outcome in outcomes] == [5]
    await sender.close()


class FakeView:
    """The topic's last records."""

    def __init__(self) -> None:
        self.last: dict[bytes, ViewRecord] = {}
        self.on_change: OnChange = lambda *_: None

    def open(self, *_: object, on_change: OnChange) -> Self:
        """It is followed."""
        self.on_change = on_change
        return self

    def put(self, key: bytes, value: bytes) -> None:
        """A record is read."""
        self.last[key] = ViewRecord(key, value, NOW_S)
        self.on_change(key, value, NOW_S)

    def records(self) -> list[ViewRecord]:
        """See `CompactedView`."""
        return list(self.last.values())


def test_an_instruction_counts_until_it_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of this account's, and for the claims that it names."""
    view = FakeView()
    monkeypatch.setattr(instructions_module, "CompactedView", view.open)
    instructions = ForgetInstructions(load({"WA_CONFIG": ""}), "main", "t", AsyncMock())
    claim = Claim(phone=PHONE, id="a", dispatch_number=1, claimed_at_s=NOW_S)
    for account in ("other", "main"):
        assert not instructions.covers(claim)
        instruction = ForgetInstruction(account=account, request_id="f", phone=PHONE)
        view.put(f"account/{account}/ref".encode(), encode(instruction))
    assert instructions.covers(claim)
    assert not instructions.covers(replace(claim, phone="+60111111111"))
    view.put(b"account/main/ref", encode(ForgetAnswer(account="main", request_id="f")))
    assert not instructions.covers(claim)


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
