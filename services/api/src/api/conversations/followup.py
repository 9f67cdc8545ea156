"""Recognises questions that only make sense after what was said before."""

from __future__ import annotations

import re
import unicodedata

_ENGLISH = re.compile(
    r"^(?:and|but|so|or|then|also)\b|^(?:what|how) about\b|^(?:tell me more|more|go on|really)\b"
    r"|\b(?:it|its|they|them|their|he|him|his|she|her|hers)\b"
    r"|\b(?:about|like|of|after|before|do|did|was|is|with|for|and)\s+(?:that|this|those|these)\b(?!\s+(?:day|week|month|year|morning|time))",
    re.IGNORECASE,
)
_KOREAN = re.compile(
    r"^(?:그리고|그런데|근데|그럼|그러면|그래서|그건|그게|그거|또|더|나머지|이건|이게|이거|저건)"
    r"|(?:^|\s)(?:그(?:는|가|를|의|에게|한테|와|\s)|그것|이것|그녀|걔|그분|그들|그때|그날|거기|그곳|그중|방금|아까|위에서|앞에서)"
)
# A verb that ends in a question and little else: "뭐라고 했어?", "누가 왔지?"
_SHORT_WORDS = 2
_NAMES = re.compile(r"\b[A-Z][a-z]+\b|\d{2,}")


def depends_on_history(question: str) -> bool:
    """Whether a question leans on the one before: it points back (it, then, 그때) or says too little by itself."""
    text = unicodedata.normalize("NFKC", question).strip()
    if _ENGLISH.search(text) or _KOREAN.search(text):
        return True
    words = re.findall(r"\w+", text)
    return len(words) <= _SHORT_WORDS and not _NAMES.search(text[1:])


def joined_query(previous: str, question: str) -> str:
    """A search query for a question that leans on the one before, made without a model."""
    return f"{previous.strip()}\n{question.strip()}"


def normalised(question: str) -> str:
    """The same for questions that differ in case, width, spaces or final punctuation only."""
    text = unicodedata.normalize("NFKC", question).casefold()
    return " ".join(text.split()).rstrip("?!. ")


def language_of(text: str) -> str:
    """`ko` when there is Hangul in it, else `en`."""
    return "ko" if re.search(r"[가-힣ㄱ-ㅎ]", text) else "en"
