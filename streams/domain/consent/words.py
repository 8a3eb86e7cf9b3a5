"""Opt-out and opt-in words: a received message is one only if it is nothing but the word.

Case, white space, invisible marks and punctuation around the word do not matter, so "¡Alto!" and " stop. " are
opt-outs, and "please stop calling me" is not. There is no guessing: what a longer text means is not decided here.
"""

# ruff: noqa: RUF001 - the words are in the scripts of their languages

import unicodedata
from collections.abc import Collection, Iterable
from typing import Final

from streams.domain.consent.state import ConsentStatus

MAX_CHARACTERS: Final = 64  # of a word, and of a received text that can be one

# English: the words that carriers and SMS services require (AWS End User Messaging "Required opt-out keywords", Twilio
# and Braze "Opt-in and opt-out keywords"); ARRET and TD are on AWS's list too. The other languages have no such list:
# these are the words for "stop" and "unsubscribe" that advertisers there write under their messages, as far as the
# authors of wa-streams know them. YES, which SMS services take for an opt-in, is left out: it answers any question.
DEFAULT_OPT_OUT_WORDS: Final = (
    *("STOP", "STOPALL", "STOP ALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REMOVE"),
    *("OPTOUT", "OPT-OUT", "OPT OUT"),
    *("ARRET", "ARRÊT", "ARRÊTER", "DÉSABONNER"),  # French
    *("ALTO", "BAJA", "PARAR", "CANCELAR"),  # Spanish; PARAR and CANCELAR: Portuguese too
    *("SAIR", "DESCADASTRAR"),  # Portuguese
    *("STOPP", "ABMELDEN", "ABBESTELLEN"),  # German
    *("BASTA", "CANCELLAMI", "DISISCRIVIMI"),  # Italian
    *("BERHENTI", "HENTIKAN"),  # Indonesian, Malay
    *("СТОП", "ОТПИСАТЬСЯ", "ОТПИСКА"),  # Russian
    *("توقف", "إيقاف", "ايقاف", "إلغاء الاشتراك", "الغاء الاشتراك"),  # Arabic
    *("रोकें", "बंद करें"),  # Hindi
    *("停止", "退订", "退訂", "取消订阅", "取消訂閱", "TD"),  # Chinese; 停止: Japanese too
    *("İPTAL", "DURDUR"),  # Turkish
    *("配信停止", "解除"),  # Japanese
)
DEFAULT_OPT_IN_WORDS: Final = (
    *("START", "UNSTOP", "SUBSCRIBE", "OPTIN", "OPT-IN", "OPT IN"),
    *("REPRENDRE", "ALTA", "INICIAR", "VOLTAR", "ANMELDEN", "INIZIA", "MULAI", "MULA"),
    *("СТАРТ", "ПОДПИСАТЬСЯ", "ابدأ", "اشتراك", "शुरू करें", "订阅", "訂閱", "BAŞLAT", "再開"),
)


def normalize(text: str) -> str:
    """The text without what does not matter; empty if nothing is left."""
    visible = "".join(c for c in unicodedata.normalize("NFKC", text) if not _is_invisible(c))
    words = " ".join(visible.split())
    # Folded, the Turkish capital İ is an i with a dot above it.
    folded = unicodedata.normalize("NFC", words.casefold()).replace("i\u0307", "i")
    start, end = 0, len(folded)
    while start < end and _is_around(folded[start]):
        start += 1
    while start < end and _is_around(folded[end - 1]):
        end -= 1
    return folded[start:end]


def normalize_all(words: Iterable[str]) -> frozenset[str]:
    """The words as `find_change` compares them."""
    return frozenset(filter(None, map(normalize, words)))


def find_change(
    text: str | None, opt_out_words: Collection[str], opt_in_words: Collection[str]
) -> ConsentStatus | None:
    """What the person wants, if the text is one of these words (normalized); None: it is not about consent."""
    if text is None or len(text) > MAX_CHARACTERS:
        return None
    word = normalize(text)
    if word in opt_out_words:
        return "opted_out"
    return "opted_in" if word in opt_in_words else None


def _is_invisible(character: str) -> bool:
    """Direction marks, joiners and variation selectors, which keyboards add."""
    return (unicodedata.category(character) in ("Cf", "Cc", "Cs") and not character.isspace()) or (
        "\ufe00" <= character <= "\ufe0f"
    )


def _is_around(character: str) -> bool:
    return character.isspace() or unicodedata.category(character).startswith("P")
