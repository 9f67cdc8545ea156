"""Terms of a text for lexical search in Korean and English.

Hangul runs become overlapping bigrams, which match through particles and endings without any dictionary. Where an
analyser is given, its content morphemes are added with the prefix ``k:``. Other words become Snowball stems without
stop words; parts joined by a hyphen or a slash are also kept as one term, so that "IL-6" is more than "il" and "6".
"""

from __future__ import annotations

import re
import threading
import unicodedata
from typing import TYPE_CHECKING, cast

from shared.text.words import word_set

if TYPE_CHECKING:
    from shared.text.morphology import Morphology

TOKENISER_VERSION = "1"
MORPHEME_PREFIX = "k:"

_WORD = re.compile(r"[가-힣]+|[\u1100-\u11ff]+|[一-鿿]+|[ぁ-ヿ]+|[^\W_가-힣\u1100-\u11ff一-鿿ぁ-ヿ]+")
_HANGUL = re.compile(r"[가-힣]")
_UNSPACED = re.compile(r"[가-힣一-鿿ぁ-ヿ]")
_JOINED = re.compile(r"(?<![0-9a-z])[0-9a-z]++(?:[-‐‑–/][0-9a-z]++)++")
_JOINER = re.compile(r"[-‐‑–/]")
_CLITIC = re.compile(r"(?<=[a-z])['’](?:s|t|re|ve|ll|d|m)\b")
_LONGEST_WORD = 64

STOP_WORDS = word_set(
    """
    a about an and are as at be been being both but by can could did do does each for from had has have having he her
    him his how i if in into is it its may me might more most must my no not of on or our ours she should some such
    than that the their them then there these they this those through to us was we were what when where which while
    who whom whose why will with would you your
    """
)

_stemmers = threading.local()


def normalise(text: str) -> str:
    """NFKC and lower case, the form in which terms are compared."""
    return unicodedata.normalize("NFKC", text).lower()


def has_hangul(text: str) -> bool:
    """Whether any syllable of the text is Korean."""
    return _HANGUL.search(text) is not None


def terms(text: str, *, morphology: Morphology | None) -> list[str]:
    """All terms of a text, repeated as often as they occur; without an analyser the ``k:`` terms are missing."""
    normal = normalise(text)
    plain = _CLITIC.sub("", normal)
    found = [term for word in _WORD.findall(plain) for term in _word_terms(word)]
    found.extend(_JOINER.sub("", joined) for joined in _JOINED.findall(plain) if len(joined) <= _LONGEST_WORD)
    if morphology is not None and has_hangul(normal):
        found.extend(_morpheme_terms(normal, morphology))
    return found


def stem(word: str) -> str:
    """The Snowball stem of a lower-case English word."""
    stemmer = getattr(_stemmers, "english", None)
    if stemmer is None:
        import Stemmer

        stemmer = _stemmers.english = Stemmer.Stemmer("english")
    return cast("str", stemmer.stemWord(word))


def _word_terms(word: str) -> list[str]:
    if _UNSPACED.match(word):
        return [word] if len(word) == 1 else [word[i : i + 2] for i in range(len(word) - 1)]
    if word in STOP_WORDS or len(word) > _LONGEST_WORD:
        return []
    return [stem(word)]


def _morpheme_terms(normal: str, morphology: Morphology) -> list[str]:
    found = []
    for morpheme in morphology.morphemes(normal):
        if not morpheme.is_content:
            continue
        form = morpheme.form.lower()
        if morpheme.tag == "SL":
            if form in STOP_WORDS:
                continue
            form = stem(form)
        found.append(MORPHEME_PREFIX + form)
    return found
