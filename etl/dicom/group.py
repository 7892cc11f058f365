"""Group: headers into series. A Group is what is known of some headers, small enough to send and add up."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from pydicom.dataset import Dataset

from etl.dicom.check import PATIENT_ID, SERIES_UID, Finding, check, told
from etl.dicom.describe import collected, describe, sources_of
from etl.dicom.elements import elements_of
from etl.dicom.headers import Header
from etl.dicom.judge import State
from etl.dicom.sources import why_unreadable

#: Names of files that are given as examples.
EXAMPLES = 5
_STUDY_UID, _INSTANCE_UID, _INSTANCE_NUMBER = 0x0020000D, 0x00080018, 0x00200013
_LAST = 1 << 40


@dataclass(slots=True)
class Places:
    """In how many files something is, and the first of them."""

    count: int = 0
    names: list[str] = field(default_factory=list)

    def add(self, name: str) -> None:
        """Once more."""
        self.count += 1
        if len(self.names) < EXAMPLES:
            self.names.append(name)

    def merge(self, other: "Places") -> None:
        """And those of files that come behind."""
        self.count += other.count
        self.names += other.names[: EXAMPLES - len(self.names)]


@dataclass(slots=True)
class Series:
    """What is known of one series."""

    owner: tuple[str, str]
    """PatientID and StudyInstanceUID."""
    first: tuple[int, str]
    """InstanceNumber and UID of the instance that speaks for the series."""
    attributes: dict[str, Any]
    values: dict[str, set[Any]] = field(default_factory=dict)
    """Of the attributes that are collected."""
    instances: set[bytes] = field(default_factory=set)
    """Digests of the instances' UIDs: a copy of an instance counts once."""
    source_series: set[str] = field(default_factory=set)
    source_instances: set[bytes] = field(default_factory=set)
    torn: bool = False
    """Whether its instances name several patients or studies."""

    def merge(self, other: "Series") -> None:
        """And what other headers of the same series say."""
        self.torn = self.torn or other.torn or self.owner != other.owner
        if other.first < self.first:
            self.first, self.attributes = other.first, other.attributes
        self.add_values(other.values)
        self.instances |= other.instances
        self.source_series |= other.source_series
        self.source_instances |= other.source_instances

    def add_values(self, found: dict[str, Any]) -> None:
        """More values of attributes that are collected."""
        for keyword, values in found.items():
            self.values.setdefault(keyword, set()).update(values)


@dataclass(slots=True)
class Group:
    """What is known of some headers."""

    headers: int = 0
    series: dict[str, Series] = field(default_factory=dict)
    findings: dict[Finding, Places] = field(default_factory=dict)
    states: dict[str, list[int]] = field(default_factory=dict)
    """Headers by tag of the profile and, as places of the list, its state."""
    unread: dict[str, Places] = field(default_factory=dict)
    """Files that gave no header, by the reason."""
    loose: Places = field(default_factory=Places)
    """Headers that belong to no series, such as a DICOMDIR."""

    def add(self, name: str, header: Header) -> None:
        """One more header. Raises what pydicom does of a broken one; then the group is as it was."""
        dataset, elements = header.dataset, elements_of(header.dataset)
        checked = check(dataset, elements, header.meta)
        uid = told(elements, SERIES_UID)
        part = self._part(dataset, elements, self.series.get(uid)) if uid else None
        self.headers += 1
        for finding in checked.findings:
            self.findings.setdefault(finding, Places()).add(name)
        for tag, state in checked.states.items():
            self._counts(tag)[state] += 1
        if part is None:
            self.loose.add(name)
        elif uid in self.series:
            self.series[uid].merge(part)
        else:
            self.series[uid] = part

    def _counts(self, tag: str) -> list[int]:
        counts = self.states.get(tag)
        if counts is None:
            counts = self.states[tag] = [0] * (max(State) + 1)
        return counts

    def _part(self, dataset: Dataset, elements: dict[int, Any], known: Series | None) -> Series:
        instance = told(elements, _INSTANCE_UID)
        first = _number(told(elements, _INSTANCE_NUMBER)), instance
        # Only the instance that speaks for its series is decoded whole.
        speaks = known is None or first < known.first
        part = Series(
            owner=(told(elements, PATIENT_ID), told(elements, _STUDY_UID)),
            first=first,
            attributes=describe(dataset, elements) if speaks else {},
            instances={digest(instance)},
        )
        part.add_values(collected(dataset, elements))
        part.source_series, instances = sources_of(dataset, elements)
        part.source_instances = set(map(digest, instances))
        return part

    def skip(self, name: str, error: BaseException) -> None:
        """One more file that gave no header."""
        self.unread.setdefault(why_unreadable(error), Places()).add(name)

    def merge(self, other: "Group") -> None:
        """And what is known of headers that come behind."""
        self.headers += other.headers
        for uid, series in other.series.items():
            if uid in self.series:
                self.series[uid].merge(series)
            else:
                self.series[uid] = series
        for finding, places in other.findings.items():
            self.findings.setdefault(finding, Places()).merge(places)
        for reason, places in other.unread.items():
            self.unread.setdefault(reason, Places()).merge(places)
        for tag, counts in other.states.items():
            self.states[tag] = [sum(pair) for pair in zip(self._counts(tag), counts, strict=True)]
        self.loose.merge(other.loose)

    def documents(self) -> Iterator[dict[str, Any]]:
        """The series documents, ordered by study and series; those of a torn series are left out."""
        series_of = {one: uid for uid, series in self.series.items() for one in series.instances}
        for uid, series in sorted(self.series.items(), key=lambda each: (each[1].owner, each[0])):
            if not series.torn:
                yield _document(uid, series, series_of)


def digest(uid: str) -> bytes:
    """A UID in eight bytes: of 100,000 UIDs, two are the same with a chance of 1 to 3,000 million."""
    return blake2b(uid.encode(), digest_size=8).digest()


def _document(uid: str, series: Series, series_of: dict[bytes, str]) -> dict[str, Any]:
    sources = series.source_series | {series_of[one] for one in series.source_instances if one in series_of}
    document = {**series.attributes, "NumberOfInstances": len(series.instances)}
    document.update({keyword: sorted(values) for keyword, values in series.values.items()})
    if others := sorted(sources - {uid}):
        document["ReferencedSeriesUIDs"] = others
    return document


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        return _LAST
