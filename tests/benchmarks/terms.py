"""What a generated bundle is made of: words, vocabularies, domains, classes and kinds of relationships.

Numbers and shares are like those of a default download from Athena; the words are made of syllables.
"""

from collections.abc import Iterator
from itertools import accumulate, product
from random import Random
from typing import NamedTuple

VOCABULARIES = (
    "RxNorm Extension", "NDC", "SNOMED", "RxNorm", "SPL", "dm+d", "LOINC", "ICD10CM", "ICD10PCS", "OSM",
    "UB04 Typ bill", "Nebraska Lexicon", "CVX", "GGR", "BDPM", "AMT", "DPD", "ATC", "ICD10", "ICD9CM",
    "ICDO3", "NAACCR", "HCPCS", "MeSH", "Read", "OPCS4", "Multum", "Gemscript", "NDFRT", "VA Product",
    "VA Class", "GCN_SEQNO", "ETC", "Indication", "ICD9Proc", "KCD7", "EDI", "JMDC", "OXMIS", "PCORNet",
    "Provider", "Race", "Ethnicity", "Gender", "Visit", "UCUM", "Type Concept", "Note Type", "Episode",
    "Cancer Modifier", "OncoTree", "HemOnc", "CTD", "CIViC", "ClinVar", "CAP", "Relationship", "Domain",
    "Concept Class", "Vocabulary", "Medicare Specialty", "None",
)  # fmt: skip

DOMAINS = (
    "Condition", "Drug", "Measurement", "Procedure", "Observation", "Device", "Spec Anatomic Site",
    "Meas Value", "Unit", "Metadata", "Gender", "Race", "Ethnicity", "Visit", "Type Concept", "Language",
    "Route", "Specimen", "Geography", "Provider", "Episode", "Cost", "Currency", "Payer", "Plan", "Sponsor",
    "Relationship", "Note", "Note Type", "Meas Value Operator", "Condition/Device", "Condition/Meas",
    "Condition/Obs", "Condition/Procedure", "Device/Drug", "Device/Procedure", "Drug/Procedure",
    "Measurement/Obs", "Meas/Procedure", "Obs/Procedure", "Regimen", "Revenue Code",
)  # fmt: skip

CLASSES = (
    "Undefined", "Clinical Drug", "Branded Drug", "Quant Branded Drug", "Marketed Product", "11-digit NDC",
    "Clinical Finding", "Disorder", "Procedure", "Observable Entity", "Lab Test", "Ingredient",
    "Branded Pack", "Location", "Qualifier Value",
    *(f"Class of terms {number}" for number in range(1, 390)),
)  # fmt: skip


class Relation(NamedTuple):
    """A kind of relationship and its reverse."""

    there: str
    back: str
    hierarchical: bool = False


IS_A = Relation("Is a", "Subsumes", hierarchical=True)
MAPS_TO = Relation("Maps to", "Mapped from")
OTHERS = (
    Relation("Concept replaced by", "Concept replaces"),
    Relation("Maps to value", "Value mapped from"),
    Relation("Has finding site", "Finding site of"),
    Relation("RxNorm has ing", "RxNorm ing of"),
    *(Relation(f"Has kind {number}", f"Kind {number} of") for number in range(1, 346)),
)
RELATIONS = (IS_A, MAPS_TO, *OTHERS)


def zipf(count: int, shift: float = 2.0) -> list[float]:
    """Cumulated weights of so many things, the first the most common."""
    return list(accumulate(1 / (rank + shift) for rank in range(count)))


def words(random: Random, count: int = 20_000) -> list[str]:
    """Different words of up to 14 letters, one in a hundred with an accent."""
    starts = ["", *"bcdfglmnprstv", "tr", "pr", "ch", "ph", "st", "cl"]
    ends = ["", "", "n", "r", "s", "l", "m", "x", "ck", "st"]
    syllables = sorted({a + b + c for a, b, c in product(starts, "aeiouy", ends)})
    found: dict[str, None] = {}
    for size in _lengths(random):
        word = "".join(random.choices(syllables, k=size))[:14]
        found[word if len(found) % 100 else word.replace("e", "é")] = None
        if len(found) == count:
            return list(found)
    raise AssertionError


def _lengths(random: Random) -> Iterator[int]:
    """Syllables of the next word."""
    while True:
        yield random.choices((1, 2, 3, 4), (8, 40, 36, 16))[0]


class Names:
    """Names of terms: mostly 1 to 12 words, 45 characters in the mean, a few up to the columns' limits."""

    COUNTS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)
    SHARES = (8, 14, 16, 14, 12, 10, 8, 6, 4, 3, 3, 2)
    #: With a word, ``{1}``.
    ODD = (
        '{0} "{1}"', '{0} {1}"', "{0} \\{1}", "{0} {1}\\", "{0} 5' {1}", '{0} "" {1}', "{0} µ{1} 'β'",
        '"{1}" {0}', '"{1} {0}',
    )  # fmt: skip

    def __init__(self, random: Random, longest: int = 255) -> None:
        self._random, self._longest = random, longest
        self._words = words(Random("words"))
        self._weights = zipf(len(self._words), 20)

    def take(self, count: int) -> list[str]:
        sizes = self._random.choices(self.COUNTS, self.SHARES, k=count)
        drawn = self._random.choices(self._words, cum_weights=self._weights, k=sum(sizes))
        found, start = [], 0
        for size in sizes:
            found.append(" ".join(drawn[start : start + size]).capitalize())
            start += size
        for place in range(0, count, 100):
            self._vary(found, place)
        return found

    def _vary(self, found: list[str], place: int) -> None:
        """Make one name odd, and at times one very long."""
        odd, word = self._random.choice(self.ODD), self._random.choice(self._words)
        found[place] = odd.format(found[place], word)
        if self._random.random() < 0.3:
            more = self._random.choices(self._words, k=self._longest // 5)
            found[place] = f"{found[place]} {' '.join(more)}"[: self._longest].rstrip()
