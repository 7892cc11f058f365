"""Binding, dates: when something happened, from what is recorded and from visits and episodes."""

import re
from dataclasses import dataclass

from etl.mapping import bound, date_phrases
from etl.mapping.bind.context import At
from etl.mapping.bind.expressions import Expressions

BASELINE = "baseline"
_LATER = re.compile(r"(.+?)\s*\+\s*(\S+)\s+(days|months|years)\Z")
_COUNT = re.compile(r"[0-9]{1,6}\Z")
Written = str | date_phrases.DateChoice | date_phrases.Earliest | date_phrases.Latest


@dataclass
class Dates:
    """Binds the dates of one folder."""

    words: Expressions

    def bind(self, node: Written | tuple[Written, ...] | None, at: At) -> bound.Dates:
        """The dates of a 'date' word, in the order they are tried."""
        if node is None:
            return ()
        if not isinstance(node, tuple):
            found = self._one(node, at)
            return () if found is None else (found,)
        listed = (self._one(one, at.down(index)) for index, one in enumerate(node))
        return tuple(one for one in listed if one is not None)

    def _one(self, node: Written, at: At) -> bound.OneDate | None:
        match node:
            case str():
                return self._date(node, at)
            case date_phrases.Earliest(earliest=dates):
                return bound.Extreme("min", self._among(dates, at.down("earliest")))
            case date_phrases.Latest(latest=dates):
                return bound.Extreme("max", self._among(dates, at.down("latest")))
            case date_phrases.DateChoice():
                condition = self.words.condition(node.when, at.down("when"))
                date = self._date(node.is_, at.down("is"))
                return bound.GuardedDate(condition, date) if condition and date else None

    def _among(self, dates: tuple[str, ...], at: At) -> bound.Dates:
        listed = (self._date(one, at.down(index), several=True) for index, one in enumerate(dates))
        return tuple(one for one in listed if one is not None)

    def _date(self, text: str, at: At, *, several: bool = False) -> bound.OneDate | None:
        """One date; ``several``: a visit that items have may stand for all its dates."""
        later = _LATER.match(text)
        if later:
            return self._later(later, at)
        mapping = self.words.folder.mapping
        if text == BASELINE:
            if mapping.baseline is None:
                self.words.report("broken-reference", at, "the mapping has no 'baseline'")
                return None
            return bound.BaselineDate()
        if text in mapping.visits:
            inside = self.words.inside(text, at)
            if inside or several:
                return bound.VisitDate(text, every=not inside)
            self.words.not_inside(text, at)
            return None
        if text in mapping.episodes:
            return bound.EpisodeDate(text)
        return self._real(text, at)

    def _later(self, written: re.Match[str], at: At) -> bound.OneDate | None:
        start = self._date(written[1], at)
        count: int | bound.Source | None
        if _COUNT.match(written[2]):
            count = int(written[2])
        else:
            count = self.words.source(written[2], at, types=frozenset({"integer"}))
        if start is None or count is None:
            return None
        return bound.Later(start, count, written[3])  # type: ignore[arg-type]

    def _real(self, text: str, at: At) -> bound.OneDate | None:
        source = self.words.source(text, at, types=frozenset({"string"}))
        if source is not None and source.facts.format != "date":
            self.words.report("wrong-type", at, f"'{text}' has no 'format: date' in the schema")
            return None
        return bound.RealDate(source) if source else None
