"""Searching the vocabulary by name, synonym, code and id: best matches first, without ranking a million rows.

The kinds of matches are asked for one after the other, best first, until there are enough. Each walks over
tiers (``tokens``): standard, other valid, then deprecated concepts, in each the short names first. However
frequent a word is, the first tiers have enough, and the rest is never read.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, TextClause, text

from omop_schema.search import CONCEPT_TOKENS, SEARCHED, SYNONYM_TOKENS, plain
from vocabularies.browse import tokens
from vocabularies.concepts import HEADER, LAST_ID, Concept

#: Matches of a tier that are ranked; where there are more, the first of them are.
CANDIDATES = 2000


class SearchError(Exception):
    """A search that cannot be made."""


class Match(StrEnum):
    """What of a concept is like the text, best first."""

    ID = "id"
    CODE = "code"
    NAME = "name"
    SYNONYM = "synonym"
    BEGINNING = "beginning of name"
    WORDS = "words of name"
    PARTS = "parts of words of name"
    SYNONYM_WORDS = "words of synonym"
    SYNONYM_PARTS = "parts of words of synonym"


@dataclass(frozen=True, slots=True)
class Filters:
    """What the concepts must be; ids as the database spells them, which ``resolve`` finds."""

    domain_id: str | None = None
    vocabulary_id: str | None = None
    standard: bool = False
    """Standard concepts only."""
    valid: bool = False
    """No deprecated concepts."""

    @property
    def ranks(self) -> str:
        """The ranks that are left: S standard, V valid, D deprecated."""
        return "S" if self.standard else "SV" if self.valid else "SVD"


@dataclass(frozen=True, slots=True)
class Hit:
    """One concept that was found."""

    concept: Concept
    match: Match
    synonym: str | None
    """The synonym that is like the text, where the name is not."""


@dataclass(frozen=True, slots=True)
class Found:
    """The hits, best first."""

    hits: tuple[Hit, ...]
    bounded: bool
    """More concepts match than were ranked, so that a better one may be missing."""


_NAMES = {
    "domain": text("SELECT domain_id FROM omop.domain ORDER BY 1"),
    "vocabulary": text("SELECT vocabulary_id FROM omop.vocabulary ORDER BY 1"),
}

#: The planner cannot know a query that it meets row by row, and compiling takes longer than searching.
_SETTINGS = text("""
    SET LOCAL enable_seqscan = off; SET LOCAL jit = off; SET LOCAL max_parallel_workers_per_gather = 0
""")
_PLAIN = text(f"SELECT {plain('CAST(:text AS text)')}")

_COLUMNS = ", ".join(f"concept.{name}" for name in HEADER)
_RANK = """
    CASE WHEN concept.invalid_reason IS NOT NULL THEN 2 WHEN concept.standard_concept = 'S' THEN 0 ELSE 1 END
"""
_WANTED = f"""
    concept.concept_id <> ALL (CAST(:seen AS integer[])) AND {_RANK} <= :worst_rank
    AND concept.domain_id = coalesce(:domain_id, concept.domain_id)
    AND concept.vocabulary_id = coalesce(:vocabulary_id, concept.vocabulary_id)
"""

_CODES = text(f"""
    SELECT {_COLUMNS}, NULL AS synonym, false AS bounded FROM omop.concept
    WHERE (concept_id = :id OR concept_code = ANY (CAST(:codes AS text[]))) AND {_WANTED}
    ORDER BY concept_id IS DISTINCT FROM :id, concept_code <> :text, {_RANK}, length(concept_name), concept_id
    LIMIT :missing
""")  # noqa: S608


def _walk(*conditions: str) -> TextClause:
    """Concepts tier by tier; a tier is only read when those before it have too few."""
    where = " AND ".join([_WANTED, *conditions])
    return text(f"""
        SELECT found.* FROM unnest(CAST(:queries AS text[])) WITH ORDINALITY AS tier (query, place)
        CROSS JOIN LATERAL (
            SELECT {_COLUMNS}, NULL AS synonym, count(*) OVER () > :candidates AS bounded
            FROM (SELECT * FROM omop.concept
                  WHERE {CONCEPT_TOKENS} @@ CAST(tier.query AS tsquery) AND {where}
                  LIMIT :candidates + 1) AS concept
            ORDER BY {_RANK}, length(concept_name), concept_id LIMIT :missing) AS found
        ORDER BY tier.place LIMIT :missing
    """)  # noqa: S608


def _synonyms(*conditions: str) -> TextClause:
    """The concepts of synonyms; always a row, which tells whether there were more."""
    where = " AND ".join([f"{SYNONYM_TOKENS} @@ CAST(:query AS tsquery)", *conditions])
    return text(f"""
        WITH candidate AS MATERIALIZED (
            SELECT concept_id, concept_synonym_name AS synonym FROM omop.concept_synonym
            WHERE {where} LIMIT :candidates + 1
        ), best AS (
            SELECT DISTINCT ON (concept_id) {_COLUMNS}, synonym
            FROM candidate JOIN omop.concept USING (concept_id) WHERE {_WANTED}
            ORDER BY concept_id, length(synonym), synonym
        )
        SELECT {_COLUMNS}, synonym, counted.bounded
        FROM (SELECT count(*) > :candidates AS bounded FROM candidate) AS counted
        LEFT JOIN best AS concept ON true
        ORDER BY {_RANK}, length(synonym), concept_id LIMIT :missing
    """)  # noqa: S608


_SAME = _walk(f"{plain('concept_name')} = :plain")
_BEGINNING = _walk(f"starts_with({plain('concept_name')}, :plain)")
_WORDS = _walk()
_KNOWN = text(f"""
    SELECT EXISTS (
        SELECT FROM unnest(CAST(:queries AS text[])) AS tier (query)
        CROSS JOIN LATERAL (
            SELECT FROM omop.concept WHERE {CONCEPT_TOKENS} @@ CAST(tier.query AS tsquery) LIMIT 1) AS found)
""")  # noqa: S608
_SAME_SYNONYM = _synonyms(f"{plain(f'left(concept_synonym_name, {SEARCHED})')} = :plain")
_SYNONYM_WORDS = _synonyms()


def resolve(connection: Connection, table: str, given: str) -> str:
    """The id of a ``domain`` or ``vocabulary`` that is spelt like this, whatever the case.

    Raises SearchError, which lists those that there are.
    """
    known = connection.scalars(_NAMES[table]).all()
    for name in known:
        if name.casefold() == given.casefold():
            return str(name)
    raise SearchError(f"there is no {table} '{given}'; there are: {', '.join(known)}")


def search(connection: Connection, given: str, filters: Filters | None = None, limit: int = 20) -> Found:
    """The best ``limit`` concepts for a text, which may hold any characters.

    It sets planner options for the rest of the transaction. Raises SearchError for a text that is empty,
    no text, or longer than 500 characters.
    """
    wanted = _checked(given)
    connection.execute(_SETTINGS)
    plainly = str(connection.scalar(_PLAIN, {"text": wanted})).strip(" ")
    run = _Run(connection, wanted, plainly, filters or Filters(), limit)
    for stage in run.stages():
        if run.missing > 0:
            stage()
    return Found(tuple(run.hits), run.bounded)


def _checked(given: str) -> str:
    if "\0" in given or any("\ud800" <= one <= "\udfff" for one in given):
        raise SearchError("the text holds bytes that are not text; write it in UTF-8")
    wanted = " ".join(given.split())
    if not wanted:
        raise SearchError("there is nothing to search for; give a name, a code or a concept id")
    if len(wanted) > SEARCHED:
        raise SearchError(f"the text has {len(wanted):,} characters; search for {SEARCHED} at most")
    return wanted


@dataclass
class _Run:
    """One search, and what it has found so far."""

    connection: Connection
    text: str
    plain: str
    filters: Filters
    limit: int
    hits: list[Hit] = field(default_factory=list)
    bounded: bool = False

    @property
    def missing(self) -> int:
        return self.limit - len(self.hits)

    @property
    def words(self) -> list[str]:
        return [word for word in self.plain.split(" ") if word]

    def stages(self) -> Sequence[Callable[[], None]]:
        """The kinds of matches, best first; a text without a word may still be a code."""
        if not self.words:
            return [self.codes]
        return [
            self.codes, self.same, self.same_synonym, self.beginnings, self.words_of_name, self.parts_of_name,
            self.words_of_synonym, self.parts_of_synonym, self.parts_of_unknown,
        ]  # fmt: skip

    def codes(self) -> None:
        digits = self.text.isascii() and self.text.isdigit() and len(self.text) <= 10
        number = int(self.text) if digits and int(self.text) <= LAST_ID else None
        codes = [self.text, self.text.upper(), self.text.lower()]
        for row in self._rows(_CODES, id=number, codes=codes, text=self.text):
            self._add(Match.ID if row.concept_id == number else Match.CODE, row)

    def same(self) -> None:
        self._walk(Match.NAME, _SAME, tokens.same, len(self.plain))

    def same_synonym(self) -> None:
        query = tokens.sized(tokens.same(self.words), len(self.plain))
        self._find(Match.SYNONYM, _SAME_SYNONYM, query=query)

    def beginnings(self) -> None:
        self._walk(Match.BEGINNING, _BEGINNING, tokens.beginning)

    def words_of_name(self) -> None:
        self._walk(Match.WORDS, _WORDS, tokens.whole)

    def parts_of_name(self) -> None:
        if tokens.extends(self.words[-1:]):
            self._walk(Match.PARTS, _WORDS, tokens.last_part)

    def words_of_synonym(self) -> None:
        self._find(Match.SYNONYM_WORDS, _SYNONYM_WORDS, query=tokens.whole(self.words))

    def parts_of_synonym(self) -> None:
        if tokens.extends(self.words[-1:]):
            self._find(Match.SYNONYM_PARTS, _SYNONYM_WORDS, query=tokens.last_part(self.words))

    def parts_of_unknown(self) -> None:
        """A word that no name has stands for longer ones too; asked last, as beginnings take longest."""
        words = [word for word in self.words[:-1] if tokens.extends([word])]
        unknown = [] if self.hits else [word for word in words if not self._known(word)]
        if unknown:
            unknown += self.words[-1:]
            self._walk(Match.PARTS, _WORDS, lambda words, tier: tokens.parts(words, unknown, tier))
            if self.missing > 0:
                query = tokens.parts(self.words, unknown)
                self._find(Match.SYNONYM_PARTS, _SYNONYM_WORDS, query=query)

    def _known(self, word: str) -> bool:
        queries = [tokens.whole([word], tier) for tier in tokens.tiers("SVD")]
        return bool(self.connection.scalar(_KNOWN, {"queries": queries}))

    def _walk(
        self,
        match: Match,
        statement: TextClause,
        ask: Callable[[Sequence[str], str], str],
        length: int | None = None,
    ) -> None:
        only = self.filters.domain_id, self.filters.vocabulary_id
        tiers = tokens.tiers(self.filters.ranks, length)
        queries = [tokens.narrowed(ask(self.words, tier), tier, *only) for tier in tiers]
        self._find(match, statement, queries=queries)

    def _find(self, match: Match, statement: TextClause, **asked: object) -> None:
        for row in self._rows(statement, plain=self.plain, **asked):
            self.bounded = self.bounded or row.bounded
            if row.concept_id is not None:
                self._add(match, row)

    def _rows(self, statement: TextClause, **values: object) -> Sequence[Row[Any]]:
        given: Mapping[str, object] = {
            "seen": [hit.concept.concept_id for hit in self.hits],
            "worst_rank": len(self.filters.ranks) - 1,
            "domain_id": self.filters.domain_id,
            "vocabulary_id": self.filters.vocabulary_id,
            "candidates": CANDIDATES,
            "missing": self.missing,
            **values,
        }
        return self.connection.execute(statement, given).all()

    def _add(self, match: Match, row: Row[Any]) -> None:
        concept = Concept(*row[: len(HEADER)])
        self.hits.append(Hit(concept, match, row.synonym))
