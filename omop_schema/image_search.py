"""What a search of images looks for: the expressions of the indexes that it goes by.

A search must use the very same expressions (``etl.find``), or the indexes are of no use to it.
"""

from sqlalchemy import Index, text

#: Characters of a name that search looks at; a word of full text may have 2,046 bytes.
SEARCHED = 500
_ACCENTS = r"[\u0300-\u036f]"
#: Between the parts of a person's name, its components and its groups (PS3.5, 6.2.1).
_BETWEEN = r"[\s^=]+"


def plain(sql: str) -> str:
    """SQL of a text for comparison without regard to case."""
    return f"lower({sql})"


def bare(name: str) -> str:
    """SQL of a person's name for comparison without regard to case and accents."""
    return f"lower(regexp_replace(normalize({name}, NFKD), '{_ACCENTS}', '', 'g'))"


def cut(name: str) -> str:
    """SQL of a bare name as far as search looks at it: an index has no room for all that a name may have."""
    return f"left({bare(name)}, {SEARCHED})"


def words(name: str) -> str:
    """SQL of the words of a person's name, as a tsvector."""
    return f"array_to_tsvector(array_remove(regexp_split_to_array({cut(name)}, '{_BETWEEN}'), ''))"


def beginnings(name: str) -> str:
    """SQL of a query for all words that begin as those of this name; NULL for none."""
    # Lexemes are quoted in a tsvector as in a tsquery, and none has a blank in it.
    told = f"nullif(CAST({words(name)} AS text), '')"
    return f"CAST(replace({told}, ' ', ':* & ') || ':*' AS tsquery)"


def day(keyword: str) -> str:
    """SQL of a date among the attributes: yyyy-mm-dd."""
    return f"left(attributes ->> '{keyword}', 10)"


def ordered(name: str, expression: str, *key: str) -> Index:
    """An index that gives the rows of one value in the order of their keys."""
    return Index(name, text(f"({expression})"), *map(text, key))


def whole_names(name: str, keyword: str, *key: str) -> Index:
    """An index of whole names of persons, likewise."""
    return ordered(name, cut(f"attributes ->> {keyword!r}"), *key)


def names(name: str, keyword: str) -> Index:
    """An index of the words of a person's name."""
    return Index(name, text(f"({words(f'attributes ->> {keyword!r}')})"), postgresql_using="gin")
