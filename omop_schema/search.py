"""What a search of the vocabulary looks for in concepts and synonyms: the expressions of two indexes.

A search must use the very same expressions (``vocabularies.browse``), or the indexes are of no use to it.
"""

from sqlalchemy import Index, text

#: Lengths at which the next size of a concept's name begins, and of a synonym.
NAME_SIZES = (17, 25, 33, 49)
SYNONYM_SIZES = (9, 13, 17, 21, 25, 29, 33, 37, 41, 49, 65, 97)
#: Characters of a synonym that search looks at: a word of full text may have 2,046 bytes.
SEARCHED = 500
_MARKS = r"[!-/:-@[-`{-~\t\u00a0\u00ab\u00ae\u00b7\u00bb\u2010-\u2027\u2122]"


def plain(name: str) -> str:
    """SQL of a name in lower case, each punctuation mark a blank.

    It is cut at the blanks as it is: PostgreSQL's own parser takes five times as long, and finds files and
    addresses in the names of drugs.
    """
    return f"regexp_replace(lower({name}), '{_MARKS}', ' ', 'g')"


def _size(name: str, sizes: tuple[int, ...]) -> str:
    listed = ",".join(map(str, sizes))
    return f"CAST(width_bucket(length({name}), CAST('{{{listed}}}' AS integer[])) AS text)"


_RANK = "CASE WHEN invalid_reason IS NOT NULL THEN 'D' WHEN standard_concept = 'S' THEN 'S' ELSE 'V' END"
_TIER = f"{_RANK} || {_size('concept_name', NAME_SIZES)}"
_NAME = f"'^' || ltrim({plain('concept_name')})"
_SYNONYM = f"'^' || ltrim({plain(f'left(concept_synonym_name, {SEARCHED})')})"

#: What search looks for in a concept: the words of its name, the first one marked ``^``, ``=d`` its domain
#: and ``=v`` its vocabulary. Each begins with the tier: its rank (S standard, V valid, D deprecated)
#: and the size of its name. So what ranks first is read alone, and of a frequent word no more than that.
CONCEPT_TOKENS = (
    f"array_to_tsvector(string_to_array(replace({_TIER} || {_NAME}, ' ', ' ' || {_TIER}), ' ')"
    f" || ARRAY[{_TIER} || '=d' || domain_id, {_TIER} || '=v' || vocabulary_id])"
)
#: What search looks for in a synonym: its words, the first one marked ``^``, and ``#`` its size.
SYNONYM_TOKENS = (
    f"array_to_tsvector(array_remove(string_to_array({_SYNONYM}, ' '), '')"
    f" || ARRAY['#' || {_size('concept_synonym_name', SYNONYM_SIZES)}])"
)


def token_index(name: str, tokens: str) -> Index:
    """An index for search; written at once, as a search would have to read through what is pending."""
    return Index(name, text(f"({tokens})"), postgresql_using="gin", postgresql_with={"fastupdate": "off"})
