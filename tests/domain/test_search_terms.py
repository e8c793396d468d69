"""What a search finds, in all scripts: the same function reads what was listed and what is asked."""

import unicodedata
from collections.abc import Iterator
from itertools import groupby, pairwise
from types import SimpleNamespace
from typing import Literal

import pytest

from actors.read_model.search_terms import LONGEST_TERM, MOST_TERMS, folded, search_terms


def finds(question: str, text: str) -> bool:
    return set(search_terms(question)) <= set(search_terms(text))


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("istanbul", "İstanbul"), ("İSTANBUL", "istanbul"), ("ISTANBUL", "İstanbul Arena"),
        ("diyarbakir", "Diyarbakır"),  # noqa: RUF001 - the letter in question
        ("beyonce", "Beyoncé"), ("BEYONCÉ", "Beyonce live"), ("strasse", "Straße"), ("straße", "STRASSE"),
        ("lodz", "Łódź"), ("koln", "Köln"), ("orsted", "Ørsted"), ("nguyen", "Nguyễn"), ("οδοσ", "ΟΔΌΣ"),
        ("елка", "Ёлка"),
        ("محمد", "مُحَمَّد"), ("احمد", "أحمد"), ("שלום", "שָׁלוֹם"), ("fin", "ﬁn"), ("カ", "ｶ"),
        ("ab12", "ＡＢ１２"),  # noqa: RUF001 - full width
        ("दिल्ली", "नई दिल्ली"), ("हिन्दी", "हिन्दी कवि सम्मेलन"), ("தமிழ்", "தமிழ் இசை"), ("한국", "한국 공연"),
        ("東京", "東京ドーム"), ("京", "東京"), ("ドーム", "東京ドーム公演"), ("dome", "東京Dome"),
        ("演唱会", "周杰伦演唱会上海站"),
        ("เสิร์ต", "คอนเสิร์ต"), ("คอน", "งานคอนเสิร์ตใหญ่"), ("ສະແດງ", "ການສະແດງດົນຕີ"), ("តន្ត្រី", "ការប្រគុំតន្ត្រី"),
        ("ဂီတ", "ဂီတဖျော်ဖြေပွဲ"),
    ],
)  # fmt: skip
def test_search_ignores_case_accents_and_form_and_finds_parts_where_no_spaces_are_written(
    question: str, text: str
) -> None:
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert finds(unicodedata.normalize(form, question), text)
        assert finds(question, unicodedata.normalize(form, text))
    assert finds(question.upper(), text.lower())


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("दिल", "दिल्ली"), ("zauber", "Zauberflöte"), ("か", "が"), ("京東", "東京"), ("கம", "கமல்"),
        ("istan", "İstanbul"), ("一", "二"),
    ],
)  # fmt: skip
def test_search_does_not_find_what_is_another_word(question: str, text: str) -> None:
    assert not finds(question, text)


def test_text_has_a_bounded_number_of_terms_and_its_beginning_counts() -> None:
    long = "".join(chr(0x4E00 + number) for number in range(5_000))
    terms = search_terms("Title", long, "never reached")
    assert len(terms) == MOST_TERMS
    assert terms[0] == "title"
    assert {len(term) for term in search_terms("x" * 5_000, "y" * 10)} == {LONGEST_TERM, 10}


@pytest.mark.parametrize(
    "text",
    [
        "e" + "\u0301\u0327" * 2_499, "क" + "\u094d\u093c" * 2_499, "क" + "\u094d\u093c\u0640" * 1_666,
        "क" + "\u094d\uff9e" * 2_499, "क" + "\u094d\u200d\u093c" * 1_666, "\ufdfa" * 5_000,
    ],
    ids=["accents", "vowel signs", "with letters that go", "with letters that become marks", "joined", "sentences"],
)  # fmt: skip
def test_normalised_text_is_short_and_has_few_combining_marks_in_a_row(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    normalised: list[str] = []

    def normalize(form: Literal["NFC", "NFD", "NFKC", "NFKD"], text: str) -> str:
        normalised.append(text)
        return unicodedata.normalize(form, text)

    monkeypatch.setattr(
        "actors.read_model.search_terms.unicodedata", SimpleNamespace(**{**vars(unicodedata), "normalize": normalize})
    )
    assert folded(text)
    assert max(map(len, normalised)) <= 10_000
    assert max(longest_run_of_marks(text) for text in normalised) <= 30


def longest_run_of_marks(text: str) -> int:
    runs = groupby(text, key=lambda character: unicodedata.combining(character) > 0)
    return max((len(list(run)) for is_mark, run in runs if is_mark), default=0)


def test_terms_are_made_until_there_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def pairs(run: str) -> Iterator[tuple[str, str]]:
        for pair in pairwise(run):
            made.append("".join(pair))
            yield pair

    monkeypatch.setattr("actors.read_model.search_terms.pairwise", pairs)
    few = "".join(chr(0x4E00 + number) for number in range(40))
    assert (
        len(search_terms(few + "".join(few[number % 40] + few[number % 39] for number in range(2_000)))) == MOST_TERMS
    )
    assert len(made) < 1_000
    assert len(search_terms(" ".join(f"é{number}" for number in range(900)))) == MOST_TERMS


def test_folding_twice_changes_nothing() -> None:
    for text in ("İstanbul", "Straße Ω", "दिल्ली", "東京 ドーム", "ﬁ Ⅷ ①", "a_b's"):
        assert folded(folded(text)) == folded(text)


def test_ascii_text_is_read_like_any_other() -> None:
    text = "Rock'n'Roll_2 (live) 10:30 -- a&b"
    assert folded(text) == folded(text + " \u00e9").removesuffix(" e")
