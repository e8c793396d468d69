"""What a search finds: the terms of a text, the same for tickets and for questions, in all scripts.

Case, accents, width and Unicode form do not matter (Unicode Standard Annex 15; UAX 29 for what is a word).
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import pairwise

# So many terms a text are kept: half of what the longest English description has, and more than any question.
MOST_TERMS = 500
LONGEST_TERM = 64

# Marks that are accents or optional vowel points; those of other scripts make another letter, like vowel signs.
_ACCENTS = (
    (0x0300, 0x036F), (0x0483, 0x0487), (0x0591, 0x05BD), (0x05BF, 0x05C7), (0x0610, 0x061A), (0x0640, 0x0640),
    (0x064B, 0x065F), (0x0670, 0x0670), (0x06D6, 0x06ED), (0x0730, 0x074A), (0x1AB0, 0x1AFF), (0x1DC0, 0x1DFF),
    (0x20D0, 0x20FF), (0xFE00, 0xFE0F), (0xFE20, 0xFE2F), (0xE0100, 0xE01EF),
)  # fmt: skip
# Letters that have no decomposition and that many keyboards lack.
_PLAIN = {
    "ø": "o", "ł": "l", "đ": "d", "ð": "d", "ħ": "h", "\u0131": "i", "ŧ": "t", "æ": "ae", "œ": "oe", "þ": "th",
}  # fmt: skip
# Scripts that are written without spaces: Thai, Lao, Myanmar, Khmer, Kana, Bopomofo and Han, with their marks.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\ua9e0-\ua9ff\uaa60-\uaa7f"
    "\u3005-\u3007\u3021-\u302f\u3031-\u3035\u303b\u3040-\u312f\u31a0-\u31bf\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U0001aff0-\U0001b16f\U00020000-\U0003ffff"
)
_ASCII_WORD = re.compile(r"\w+")
_RUN = re.compile(f"[{_UNSPACED}]+|[^{_UNSPACED}]+")
_IS_UNSPACED = re.compile(f"[{_UNSPACED}]")


# Characters in a row that are no letters: marks are put in order in time that grows with the square of their number.
# Thirty are more than any language needs (Unicode Standard Annex 15, "Stream-Safe Text Format").
_MANY_MARKS = re.compile(r"[^\w\s!-~]{31,}")
_MOST_MARKS = 30
# Twice the longest text: some characters stand for a whole sentence of eighteen.
_LONGEST_FOLDED = 10_000


class _Folds(dict[int, str | int]):
    """What becomes of each character, found out when it is first met: at most some 15 MB, with all there are."""

    def __missing__(self, code: int) -> str | int:
        if unicodedata.category(chr(code)) in {"Cn", "Co", "Cs"}:
            return _plain(chr(code))  # not remembered: these are a million
        fold = _fold(chr(code))
        # A number takes no room of its own.
        self[code] = code if fold == chr(code) else fold
        return self[code]


def _fold(character: str) -> str:
    lower = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", character).casefold())
    return unicodedata.normalize("NFC", "".join(map(_plain, lower)))


def _plain(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Cf" or any(first <= ord(character) <= last for first, last in _ACCENTS):
        return ""
    if category[0] in "LMN" or category == "Pc":
        return _PLAIN.get(character, character)
    return " "


_FOLDS = _Folds()


def folded(text: str) -> str:
    """Return the words of the text, one space between them, without what does not matter.

    Of more than 30 marks in a row the first 30 count, and of what is folded the first 10,000 characters.
    """
    if text.isascii():
        return " ".join(_ASCII_WORD.findall(text.lower()))
    plain = " ".join(text.translate(_FOLDS)[:_LONGEST_FOLDED].split())
    return unicodedata.normalize("NFC", _MANY_MARKS.sub(lambda marks: marks[0][:_MOST_MARKS], plain))


def search_terms(*texts: str | None) -> list[str]:
    """Return the terms that a search finds, each once, at most 500; what comes first counts first.

    A term is a word, or where no spaces are written each character and each two that follow each other: so parts of
    such a run are found.
    """
    terms: dict[str, None] = {}
    for term in _terms_of(texts):
        terms[term] = None
        if len(terms) == MOST_TERMS:
            break
    return [term[:LONGEST_TERM] for term in terms]


def _terms_of(texts: Iterable[str | None]) -> Iterator[str]:
    for text in texts:
        for word in folded(text or "").split():
            if word.isascii():
                yield word
                continue
            for run in _RUN.findall(word):
                if _IS_UNSPACED.match(run):
                    yield from (character for character in run if character.isalnum())
                    yield from map("".join, pairwise(run))
                else:
                    yield run
