"""The modules of the simulated page have the names of the real one. No browser."""

import re
from pathlib import Path

import pytest

_MODULES_DIR = Path("streams/sandbox/page/modules")
# Source: the modules of revision 1044822804. Clients of others ask for some of them by name.
_REAL = [
    "WAWebAddonSendProcess",
    "WAWebApiContact",
    "WAWebChatMessageSearch",
    "WAWebChatModel",
    "WAWebContactStatusBridge",
    "WAWebDBMessageFindLocal",
    "WAWebDBProcessMessage",
    "WAWebDBUpdateMessageTable",
    "WAWebFindChatAction",
    "WAWebFrontendVcardUtils",
    "WAWebHandleDirectChatReceipt",
    "WAWebHandleGroupChatReceipt",
    "WAWebHandleStatusReceipt",
    "WAWebLidPnCache",
    "WAWebMedia",
    "WAWebMediaMmsV4Upload",
    "WAWebMediaOpaqueData",
    "WAWebMediaPrep",
    "WAWebMsgActionCapability",
    "WAWebMsgCollection",
    "WAWebMsgGetters",
    "WAWebMsgKey",
    "WAWebPresenceChatAction",
    "WAWebQueryExistsJob",
    "WAWebResendMsgAction",
    "WAWebRestoreChatsAndMessages",
    "WAWebSendMsgChatAction",
    "WAWebSendMsgJob",
    "WAWebSendMsgRecordAction",
    "WAWebSendReactionMsgAction",
    "WAWebUploadManager",
    "WAWebVcardParsingUtils",
]
_INVENTED = [
    "WAWebBaseCollectionClass",
    "WAWebChatPresence",
    "WAWebEncryptAndSendMsg",
    "WAWebGetMessageSearchContext",
    "WAWebHandleMsgSimpleReceipt",
    "WAWebOpaqueData",
    "WAWebProcessRawSticker",
    "WAWebUploadMedia",
    "WAWebUserPrefsLogin",
    "WAWebUserPrefsRegistration",
]


@pytest.fixture(scope="module")
def modules() -> set[str]:
    """The names of all modules."""
    texts = [file.read_text("utf-8") for file in _MODULES_DIR.rglob("*.js")]
    pattern = re.compile(r'^ *define(?:CommonJs|Stubs)?\(\s*"(\w+)"', re.MULTILINE)
    return {name for text in texts for name in pattern.findall(text)}


def test_real_names(modules: set[str]) -> None:
    """Source: the design, section 0 point 15, and the real modules of these names."""
    assert set(_REAL) - modules == set()


def test_no_name_that_the_real_page_does_not_have(modules: set[str]) -> None:
    """A client that works with such a name here would fail on the real page. Source: as above."""
    assert modules & set(_INVENTED) == set()
