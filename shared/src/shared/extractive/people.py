"""Who a text mentions: people already known by name, kin, and names that are announced by a title or a verb."""

from __future__ import annotations

import re
from collections.abc import Sequence

from shared.extractive.lexicon import words
from shared.text.words import word_set

_KOREAN_KIN = (
    "외할머니 외할아버지 할머니 할아버지 시어머니 시아버지 장모님 장인어른 어머니 아버지 엄마 아빠 언니 오빠 누나 남동생 여동생 동생 남편 "
    "아내 와이프 큰딸 작은딸 딸 큰아들 작은아들 아들 이모부 이모 고모부 고모 외삼촌 삼촌 숙모 사촌 조카 손녀 손자 며느리 사위 형수 처제 형"
)
_ENGLISH_KIN = (
    "grandmother grandfather grandma grandpa granny mother father mommy mummy daddy mom mum dad sister brother wife husband "
    "daughter son aunt uncle cousin niece nephew"
)
_PARTICLE = (
    r"(?=(?:이랑|에게서|한테서|에게|한테|께서|이가|이는|이를|이도|이의|이와|네가|네는|네|들이|들은|들과|들|은|는|이|가|을|를|의|에|와|과|도|만|랑|하고|께|야|아|님)?"
    r"(?![가-힣]))"
)
_KIN_KO = re.compile(r"(?<![가-힣])(" + "|".join(_KOREAN_KIN.split()) + ")" + _PARTICLE)
_KIN_EN = re.compile(r"\b(" + "|".join(_ENGLISH_KIN.split()) + r")(?:'s|’s|s)?\b", re.IGNORECASE)
_TITLED_KO = re.compile(
    r"(?<![가-힣])([가-힣]{2,4}?)\s?(씨|선생님|과장님?|부장님?|팀장님?|대리님?|차장님?|사장님?|대표님?|교수님?|원장님?|간호사님?)"
    + _PARTICLE
)
_TITLED_EN = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|Prof)\.?\s+([A-Z][a-z]+)")
_CUED_EN = re.compile(
    r"\b(?:with|met|meet|called|told|asked|thanked|hugged|visited|helped|missed|and|from|friend|colleague|neighbour|neighbor|boss|son|daughter|"
    r"sister|brother|cousin|named|cousin,|friend,)\s+([A-Z][a-z]{1,15})\b(?!\s+(?:Street|Road|Park|River|Station|University|Hospital))"
)
_SAYS = "said|says|told|asked|called|laughed|smiled|cried|hugged|thinks|thought|wants|wanted|came|visited|was born|showed|gave|helped"
_SPEAKING_EN = re.compile(rf"(?:^|[.!?]\s+|\b)([A-Z][a-z]{{1,15}})\s+(?:{_SAYS})\b")
_NO_NAMES_KO = word_set(
    "담임 우리 저희 그 이 저 제 내 옆 새 국어 수학 영어 과학 음악 미술 체육 학원 유치원 어린이집 학교 동네 회사 거래처 병원 아저 아가 날 솜 글 말 "
    "피아노 태권도 수영 담당 주치의 교감 교장"
)


def people(text: str, known_people: Sequence[str] = ()) -> list[str]:
    """Names as they are known or written, in the order of their first mention."""
    found: list[tuple[int, str]] = []
    for name in known_people:
        position = _mention_of(name.strip(), text)
        if position is not None:
            found.append((position, name.strip()))
    found.extend((match.start(), match.group(1)) for match in _KIN_KO.finditer(text))
    found.extend((match.start(), match.group(1).lower()) for match in _KIN_EN.finditer(text))
    found.extend(_titled(text))
    found.extend(_named(text))
    return _distinct(found)


def _mention_of(name: str, text: str) -> int | None:
    if not name:
        return None
    end = _PARTICLE if "가" <= name[-1] <= "힣" else r"(?:'s|’s)?(?!\w)"
    match = re.search(r"(?<!\w)" + re.escape(name) + end, text, re.IGNORECASE)
    return match.start() if match else None


def _titled(text: str) -> list[tuple[int, str]]:
    korean = [
        (match.start(), f"{match.group(1)} {match.group(2)}" if match.group(2) != "씨" else f"{match.group(1)} 씨")
        for match in _TITLED_KO.finditer(text)
        if match.group(1) not in _NO_NAMES_KO
    ]
    return korean + [(match.start(1), match.group(1)) for match in _TITLED_EN.finditer(text)]


def _named(text: str) -> list[tuple[int, str]]:
    common = words("common_words.txt", "english_people") | frozenset(_ENGLISH_KIN.split())
    return [
        (match.start(1), match.group(1))
        for pattern in (_CUED_EN, _SPEAKING_EN)
        for match in pattern.finditer(text)
        if match.group(1).lower() not in common
    ]


def _distinct(found: list[tuple[int, str]]) -> list[str]:
    first: dict[str, str] = {}
    for _, name in sorted(found):
        first.setdefault(name.casefold(), name)
    return list(first.values())
