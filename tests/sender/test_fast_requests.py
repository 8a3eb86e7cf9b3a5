"""A sender whose account a person pauses, resumes or removes."""

import pytest

from streams.domain.accounts.requests import AccountRequest, RequestedState
from streams.domain.errors import Error
from streams.domain.phone.events import Deferred, Sent
from streams.whatsapp.driver import Phase
from tests.sender.fast import FastSender, make_command, until


def request(sender: FastSender, requested: RequestedState) -> None:
    """A person requests this now."""
    at_s = sender.now_s
    sender.restrictions.apply_request(
        AccountRequest(account="main", requested=requested, by="me", at_s=at_s)
    )


def get_state(sender: FastSender) -> tuple[str, str | None]:
    """The account as its sender describes it, and why."""
    record = sender.account_publisher.make_record(sender.session.state)
    return record.state, record.reason


@pytest.mark.parametrize(
    ("requested", "state"), [("paused", ("paused", "requested")), ("removed", ("stopped", "removed"))]
)  # fmt: skip
async def test_nothing_is_sent_while_a_person_holds_the_account(
    sender: FastSender, requested: RequestedState, state: tuple[str, str]
) -> None:
    """A command that comes all the same is handed back, for another account."""
    request(sender, requested)
    assert get_state(sender) == state
    result = await sender.send(make_command("a"))
    assert isinstance(result, Deferred)
    assert result.error == Error("account_restricted", requested)
    assert not result.in_doubt
    assert sender.driver.sent == []
    request(sender, "active")
    assert get_state(sender)[0] == "ready"
    assert isinstance(await sender.send(make_command("a", number=2)), Sent)


async def test_to_resume_lifts_a_restriction(sender: FastSender) -> None:
    """Only one that began before: the request is read again at each start."""
    restricted = await sender.restrictions.restrict(
        Error("spam_flagged"), sender.session.state.link, sender.now_s
    )
    old = AccountRequest(account="main", requested="active", by="me", at_s=restricted.since_s - 1)
    sender.restrictions.apply_request(old)
    assert get_state(sender)[0] == "restricted"
    sender.advance(10)
    request(sender, "active")
    assert get_state(sender)[0] == "ready"
    successor = FastSender(driver=sender.driver, disk=sender.disk)
    await sender.claims.flush()
    successor.now_s = sender.now_s
    successor.restrictions.load()
    link = sender.session.state.link
    assert successor.restrictions.get_active("everything", link, sender.now_s) is None


async def ban(sender: FastSender, until_s: float | None = None) -> None:
    """WhatsApp bans the account, and then the session is connected again before the ban is over."""
    for phase, reason in ((Phase.RESTRICTED, "temporarily_banned"), (Phase.READY, None)):
        sender.driver.set_phase(phase, reason=reason, until_s=until_s if reason else None)
        await until(lambda phase=phase: sender.session.state.phase is phase)


async def test_a_ban_without_a_known_end_is_ended_by_a_person(sender: FastSender) -> None:
    """A connection does not lift it, nor does time or a restart; `accounts resume` does."""
    await ban(sender)
    sender.now_s = sender.session.state.since_s + 365 * 86_400
    assert get_state(sender) == ("restricted", "temporarily_banned")
    assert sender.account_publisher.make_record(sender.session.state).until is None
    result = await sender.send(make_command("a"))
    assert isinstance(result, Deferred)
    assert result.error == Error("account_restricted", "temporarily_banned")
    assert sender.driver.sent == []
    await sender.claims.flush()
    successor = FastSender(driver=sender.driver, disk=sender.disk)
    successor.restrictions.load()
    link = sender.session.state.link
    assert successor.restrictions.get_active("everything", link, sender.now_s) is not None
    request(sender, "active")
    assert get_state(sender)[0] == "ready"
    assert isinstance(await sender.send(make_command("a", number=2)), Sent)


async def test_a_ban_with_a_known_end_ends_then(sender: FastSender) -> None:
    """Whatever the session says before, and without a person."""
    end_s = sender.now_s + 900
    await ban(sender, end_s)
    assert get_state(sender) == ("restricted", "temporarily_banned")
    sender.now_s = end_s + 1
    assert get_state(sender)[0] == "ready"


async def test_a_restriction_goes_on_under_the_link_of_a_standby(sender: FastSender) -> None:
    """Its own profile was linked before. Only a link that is made now is a new beginning."""
    link = sender.session.state.link
    await sender.restrictions.restrict(Error("spam_flagged"), link, sender.now_s)
    await sender.claims.flush()
    standby = FastSender(disk=sender.disk)
    standby.driver.link_account()  # long ago
    await standby.open()
    standby_link = standby.session.state.link
    assert standby_link != link
    assert get_state(standby) == ("restricted", "spam_flagged")
    standby.driver.link_account()
    await until(lambda: standby.session.state.link not in (None, standby_link))
    await until(lambda: get_state(standby)[0] == "ready")
    await standby.close()


async def test_the_same_ban_does_not_begin_again_after_a_person_has_resumed(
    sender: FastSender,
) -> None:
    """The session shows it still, and a later change of the session is no news of it."""
    sender.driver.set_phase(Phase.RESTRICTED, reason="tos_block")
    await until(lambda: sender.session.state.phase is Phase.RESTRICTED)
    sender.now_s = sender.session.state.since_s + 1
    request(sender, "active")
    sender.restrictions.record_session(sender.session.state)
    link = sender.session.state.link
    assert sender.restrictions.get_active("everything", link, sender.now_s) is None
