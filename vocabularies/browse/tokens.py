"""Full-text queries for the tokens that the vocabulary's search indexes hold (``omop_schema.search``).

A *tier* is the concepts of one rank and size of name; tiers in their order are the ranking. Synonyms have no
tiers: theirs is the empty one.
"""

from collections.abc import Collection, Iterable, Sequence

from omop_schema.search import NAME_SIZES, SYNONYM_SIZES

#: Letters from which on a word also stands for the longer words that it begins.
PREFIX = 3


def tiers(ranks: str, length: int | None = None) -> list[str]:
    """The tiers of the ranks, best first; only those with names of so many characters, if that is given."""
    sizes = range(len(NAME_SIZES) + 1) if length is None else [_size(length, NAME_SIZES)]
    return [f"{rank}{size}" for rank in ranks for size in sizes]


def parts(words: Sequence[str], unknown: Collection[str], tier: str = "") -> str:
    """Texts that have all the words, or in place of an unknown one a longer one that it begins."""
    return _all(
        _either((_prefix if word in unknown else _exact)(word, f"{tier}{mark}") for mark in ("", "^"))
        for word in dict.fromkeys(words)
    )


def whole(words: Sequence[str], tier: str = "") -> str:
    """Texts that have all the words."""
    return parts(words, (), tier)


def last_part(words: Sequence[str], tier: str = "") -> str:
    """Texts that have all the words, or in place of the last one a longer one that it begins."""
    return parts(words, words[-1:], tier)


def same(words: Sequence[str], tier: str = "") -> str:
    """Texts that have all the words, the first one first."""
    return _all(_quoted(f"{tier}{word}") for word in _marked(words))


def beginning(words: Sequence[str], tier: str = "") -> str:
    """Texts that have all the words, the first one first; a single word may go on."""
    return _prefix(words[0], f"{tier}^") if len(words) == 1 else same(words, tier)


def extends(words: Iterable[str]) -> bool:
    """Whether a word is long enough to stand for longer ones."""
    return any(len(word) >= PREFIX for word in words)


def narrowed(query: str, tier: str, domain_id: str | None, vocabulary_id: str | None) -> str:
    """What the query asks for, in a domain and a vocabulary, where they are given."""
    filters = (("=d", domain_id), ("=v", vocabulary_id))
    return _all([query, *(_quoted(f"{tier}{mark}{value}") for mark, value in filters if value is not None)])


def sized(query: str, length: int) -> str:
    """What the query asks for, of synonyms about so many characters long."""
    return f"{query} & {_quoted(f'#{_size(length, SYNONYM_SIZES)}')}"


def _size(length: int, sizes: Sequence[int]) -> int:
    return sum(length >= each for each in sizes)


def _quoted(token: str) -> str:
    doubled = token.replace("\\", "\\\\").replace("'", "''")
    return f"'{doubled}'"


def _exact(word: str, before: str) -> str:
    return _quoted(before + word)


def _prefix(word: str, before: str) -> str:
    quoted = _quoted(before + word)
    return f"{quoted}:*" if len(word) >= PREFIX else quoted


def _marked(words: Sequence[str]) -> list[str]:
    return [f"^{words[0]}", *words[1:]]


def _all(queries: Iterable[str]) -> str:
    return " & ".join(queries)


def _either(queries: Iterable[str]) -> str:
    return f"({' | '.join(queries)})"
