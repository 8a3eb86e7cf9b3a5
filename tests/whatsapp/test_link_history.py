"""When the link of a profile is still the same one. Under another link, no message in doubt is submitted again."""

import json
from pathlib import Path
from typing import Any

import pytest

from streams.whatsapp.driver import Phase
from streams.whatsapp.web.browser.profile import Profile
from streams.whatsapp.web.session import PageState
from streams.whatsapp.web.session_tracker import SessionTracker
from streams.whatsapp.web.whatsapp_web import WhatsAppWeb
from tests.support.browser import MakeDriver, wait_for_phase
from tests.support.sandbox import SandboxControl
from tests.whatsapp.web.test_session import LINKED, UNLINKED

NO_DEVICE = {**LINKED, "device": None}


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    """A profile without a browser."""
    profile = Profile(tmp_path / "main")
    profile.state_dir.mkdir(parents=True)
    return profile


def run_browser(profile: Profile, *states: dict[str, Any]) -> list[str | None]:
    """The link in each state of the page of a browser that is started on the profile."""
    tracker = SessionTracker(profile)
    tracker.start()
    links: list[str | None] = []
    for state in states:
        tracker.on_state(PageState.parse(state))
        links.append(tracker.session.link)
    return links


def test_the_same_device_is_the_same_link(profile: Profile) -> None:
    """In this browser and in the next one, also if the connection was lost in between."""
    lost = {**LINKED, "stream": "DISCONNECTED"}
    links = run_browser(profile, LINKED, lost, LINKED) + run_browser(profile, LINKED)
    assert len(set(links)) == 1


def test_another_device_of_the_same_phone_is_another_link(profile: Profile) -> None:
    """Somebody has linked the profile again while no sender ran, and nobody has seen it without a login."""
    [first] = run_browser(profile, LINKED)
    second, same = run_browser(profile, {**LINKED, "device": 2}, {**LINKED, "device": 2})
    assert second not in {None, first}
    assert same == second


def test_a_device_that_is_not_told_is_another_one_in_each_browser(profile: Profile) -> None:
    """Nothing proves that the profile was not linked again. While one browser runs, it is watched."""
    [known] = run_browser(profile, LINKED)
    first = run_browser(profile, NO_DEVICE, UNLINKED, NO_DEVICE)
    second = run_browser(profile, NO_DEVICE, NO_DEVICE)
    assert len(set(first)) == len(set(second)) == 1
    assert len({known, first[0], second[0]}) == 3


def test_a_device_that_is_not_told_any_more_stays_while_it_is_watched(profile: Profile) -> None:
    """A symbol that goes missing in a page that runs changes nothing about its link."""
    known, unknown = run_browser(profile, LINKED, NO_DEVICE)
    assert known == unknown
    assert run_browser(profile, LINKED) == [known]


def test_a_link_of_an_earlier_version_counts_as_another_one(profile: Profile) -> None:
    """Its file names no device, so it may be that of before or not."""
    old = {"id": "old", "phone": LINKED["phone"], "logout_reason": None}
    (profile.state_dir / "link.json").write_text(json.dumps(old))
    [now, later] = run_browser(profile, LINKED, LINKED)
    assert now == later != "old"
    assert run_browser(profile, LINKED) == [now]


@pytest.mark.browser
async def test_a_profile_that_was_linked_again_unseen(
    linked_driver: WhatsAppWeb, make_driver: MakeDriver, control: SandboxControl
) -> None:
    """The page tells another device, although the profile's file is that of the first link."""
    first, profile = linked_driver.session, linked_driver._profile
    file = profile.state_dir / "link.json"
    before = file.read_bytes()
    await linked_driver.logout()
    shown = await wait_for_phase(linked_driver, Phase.LINKING)
    await control.scan(shown.qr or "", first.phone)
    await wait_for_phase(linked_driver, Phase.READY)
    await linked_driver.stop()
    file.write_bytes(before)
    driver = make_driver()
    await driver.start()
    ready = await wait_for_phase(driver, Phase.READY)
    assert (ready.phone, ready.link == first.link) == (first.phone, False)
    devices = [json.loads(content)["device"] for content in (before, file.read_bytes())]
    assert devices == [1, 2]
    await driver.stop()
    again = make_driver()
    await again.start()
    assert (await wait_for_phase(again, Phase.READY)).link == ready.link
    await again.stop()
