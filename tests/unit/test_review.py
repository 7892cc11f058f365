"""The concepts of a mapping against a vocabulary, and the edits that follow. Each test changes one thing."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from importlib.resources.abc import Traversable
from pathlib import Path

import pytest

from etl.mapping.check import check
from etl.mapping.findings import MappingError
from etl.mapping.objections import LookUp
from etl.review.edit import Changes, Edited, edited
from etl.review.entries import Entry, review
from etl.review.write import NotWritten, proposed, write
from tests import mini, remaps
from tests.mini import GRADES, MAPPING, SECTION
from vocabularies.concepts import CONCEPTS, Concept, shipped
from vocabularies.replacements import Replacement

GONE = {"invalid_reason": "U", "standard_concept": None}
LOCAL = {"standard_concept": None}
Vocabulary = dict[int, Concept]
SLIP = "the name says something else: is the id right?"
DIFFERENT = "its replacement is not just another name for it: decide yourself"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return remaps.write(tmp_path / "mapping")


def athena(*changes: Concept) -> Vocabulary:
    """All that the tiny mapping uses, with some concepts otherwise, or new."""
    return {**mini.CONCEPTS, **{one.concept_id: one for one in changes}}


def changed(number: int, **changes: object) -> Concept:
    return replace(mini.CONCEPTS[number], **changes)  # type: ignore[arg-type]


def look_up_in(concepts: Mapping[int, Concept]) -> LookUp:
    return lambda ids: {one: concepts[one] for one in ids if one in concepts}


def by_folder_alone(folder: Traversable) -> LookUp:
    return look_up_in(shipped(folder))


def reviewed(
    folder: Path, concepts: Vocabulary, links: Mapping[int, Iterable[int]] = {}, by: str = "Maps to"
) -> dict[int, Entry]:
    """The entries by concept; ``links`` says what replaces what."""
    found = {one: tuple(Replacement(concepts[to], by, False) for to in group) for one, group in links.items()}

    def replace_by(ids: set[int]) -> Mapping[int, tuple[Replacement, ...]]:
        return {one: found[one] for one in ids if one in found}

    entries = review(folder, look_up_in(concepts), replace_by)
    assert len({one.concept_id for one in entries}) == len(entries)
    return {one.concept_id: one for one in entries}


def changes_of(entries: Mapping[int, Entry]) -> Changes:
    return {number: one.change for number, one in entries.items() if one.change}


def propose(folder: Path, concepts: Vocabulary, changes: Changes) -> dict[str, Edited]:
    vocabularies: list[Callable[[Traversable], LookUp]] = [lambda _: look_up_in(concepts), by_folder_alone]
    return {one.name: one for one in proposed(folder, changes, vocabularies)}


def said(entry: Entry) -> list[str]:
    return [f"{one.severity} {one.kind}: {one}" for one in entry.said]


def at(folder: Path, *places: tuple[str, str]) -> list[str]:
    return [f"{file}:{mini.line_of(folder, file, text)}" for file, text in places]


def places(entry: Entry) -> list[str]:
    return [f"{one.file}:{one.line}" for one in entry.places]


def test_nothing_to_say(folder: Path) -> None:
    assert reviewed(folder, mini.CONCEPTS) == {}
    assert propose(folder, athena(), {}) == {}


def test_an_entry_for_each_concept_with_all_its_places(folder: Path) -> None:
    concepts = athena(changed(60, **GONE), mini.concept(62, "Greatest size", "Measurement"))
    found = reviewed(folder, concepts, {60: [62]})
    assert list(found) == [60]
    assert said(found[60]) == [
        "error invalid-concept: is deprecated (invalid_reason U)",
        "warning not-standard: is not a standard concept",
    ]
    assert (found[60].name, found[60].severity, found[60].change) == ("Size", "error", concepts[62])
    assert places(found[60]) == at(
        folder, (SECTION, "size: {table"), (SECTION, "counted:"), (SECTION, "scored:")
    )


def test_a_concept_changes_everywhere_and_keeps_its_row(folder: Path) -> None:
    concepts = athena(changed(60, **GONE), mini.concept(62, "Size, greatest", "Measurement"))
    files = propose(folder, concepts, changes_of(reviewed(folder, concepts, {60: [62]})))
    section = mini.FILES[SECTION]
    assert list(files) == [CONCEPTS, SECTION]
    assert files[SECTION].old == section
    assert files[SECTION].new == section.replace("60 Size", '"62 Size, greatest"')
    assert files[SECTION].lines == 3
    assert files[CONCEPTS].new == files[CONCEPTS].old.replace(
        "60,Size,Measurement", '62,"Size, greatest",Measurement'
    )
    assert files[CONCEPTS].diff().splitlines()[:3] == [
        "--- a/concepts.csv",
        "+++ b/concepts.csv",
        "@@ -6,7 +6,7 @@",
    ]


def test_a_successor_that_the_folder_has_already_takes_no_second_row(folder: Path) -> None:
    concepts = athena(changed(60, **GONE))
    files = propose(folder, concepts, changes_of(reviewed(folder, concepts, {60: [61]})))
    assert files[CONCEPTS].new == files[CONCEPTS].old.replace("60,Size,Measurement,,,,,,,\r\n", "")
    assert files[SECTION].new == mini.FILES[SECTION].replace("60 Size", "61 Grade")


def test_two_concepts_with_one_successor_leave_one_row(folder: Path) -> None:
    concepts = athena(changed(60, **GONE), changed(61, **LOCAL), mini.concept(62, "Both", "Measurement"))
    files = propose(folder, concepts, changes_of(reviewed(folder, concepts, {60: [62], 61: [62]})))
    assert files[CONCEPTS].new == files[CONCEPTS].old.replace("60,Size,", "62,Both,").replace(
        "61,Grade,Measurement,,,,,,,\r\n", ""
    )


@pytest.mark.parametrize("end", ["\n", ""])
def test_a_concept_of_oncolakes_own_gives_the_folder_a_new_row(folder: Path, end: str) -> None:
    """Unit 8554 comes with Oncolake, so concepts.csv has no row of it to replace."""
    mini.change(folder, SECTION, "80 millimeter", "8554 percent")
    file = folder / CONCEPTS
    file.write_text(file.read_text().rstrip() + end, newline="")
    unit = mini.concept(87, "per cent", "Unit")
    concepts = athena(mini.concept(8554, "percent", "Unit", **GONE), unit)
    files = propose(folder, concepts, changes_of(reviewed(folder, concepts, {8554: [87]})))
    row = "87,per cent,Unit,,,,,,,"
    assert files[CONCEPTS].new == files[CONCEPTS].old + (f"{row}\n" if end else f"\n{row}")
    write(folder, list(files.values()))
    assert shipped(folder)[87].domain_id == "Unit"


def test_a_value_map_changes_in_its_cells(folder: Path) -> None:
    mini.change(folder, GRADES, "low,Low grade,70,Low", '"low","70, Low","70",Low')
    concepts = athena(changed(70, **GONE), mini.concept(72, 'Low "so"', "Meas Value"))
    files = propose(folder, concepts, changes_of(reviewed(folder, concepts, {70: [72]})))
    assert files[GRADES].diff().splitlines()[3:] == [
        " source_code,source_code_description,target_concept_id,target_concept_name",
        '-"low","70, Low","70",Low',
        '+"low","70, Low","72","Low ""so"""',
        " high,High grade,0,No matching concept",
    ]


def test_line_ends_byte_order_marks_and_missing_ends_stay(folder: Path) -> None:
    for name in (SECTION, GRADES, CONCEPTS, MAPPING):
        file = folder / name
        text = file.read_bytes().decode().replace("\r\n", "\n").rstrip("\n").replace("\n", "\r\n")
        file.write_bytes(b"\xef\xbb\xbf" + text.encode())
    before = {name: (folder / name).read_bytes() for name in (SECTION, GRADES, CONCEPTS, MAPPING)}
    new = (mini.concept(72, "Lower", "Meas Value"), mini.concept(92, "All", "Episode"))
    concepts = athena(*new, changed(70, **GONE), changed(90, **GONE), changed(95, concept_name="Remark: any"))
    files = propose(folder, concepts, changes_of(reviewed(folder, concepts, {70: [72], 90: [92]})))
    expected: dict[str, list[tuple[bytes, bytes]]] = {
        MAPPING: [(b"90 Whole", b"92 All")],
        GRADES: [(b"70,Low", b"72,Lower")],
        SECTION: [(b"95 Remark", b'"95 Remark: any"')],
        CONCEPTS: [
            (b"70,Low", b"72,Lower"), (b"90,Whole", b"92,All"), (b"95,Remark,", b"95,Remark: any,"),
        ],
    }  # fmt: skip
    write(folder, list(files.values()))
    for name, changes in expected.items():
        content = before[name]
        for old, by in changes:
            assert content.count(old) == 1
            content = content.replace(old, by)
        assert (folder / name).read_bytes() == content


def test_another_name_is_written_wherever_the_concept_stands(folder: Path) -> None:
    concepts = athena(changed(60, concept_name="Size of it", domain_id="Measurement"))
    found = reviewed(folder, concepts)
    assert said(found[60]) == ["error other-name: is 'Size of it' in the vocabulary, not 'Size'"]
    files = propose(folder, concepts, changes_of(found))
    assert files[SECTION].new == mini.FILES[SECTION].replace("60 Size", "60 Size of it")
    assert "\n60,Size of it,Measurement,,,,,,,\r\n" in files[CONCEPTS].new


@pytest.mark.parametrize(
    ("concept", "remark"),
    [
        (changed(60, concept_name="Fracture"), SLIP),
        (changed(60, concept_name="Size", domain_id="Condition"), None),
        (changed(60, concept_name="Size of it", domain_id="Unit"), SLIP),
        (changed(60, concept_name=" Size"), "has a name that a mapping cannot hold"),
        (
            changed(60, concept_name="Size of it", vocabulary_id="Placeholder"),
            "the name is that of concepts.csv: mend the one that is wrong",
        ),
    ],
)  # fmt: skip
def test_another_name_that_may_be_a_slip_is_not_written(
    folder: Path, concept: Concept, remark: str | None
) -> None:
    found = reviewed(folder, athena(concept))[60]
    assert (found.change, found.remark) == (None, remark)


def test_a_name_that_oncolake_comes_with_is_not_written(folder: Path) -> None:
    mini.change(folder, SECTION, "80 millimeter", "8554 percent")
    found = reviewed(folder, athena(mini.concept(8554, "percent %", "Unit")))[8554]
    assert (found.change, found.remark) == (None, "Oncolake comes with this concept under the mapping's name")


NEW = mini.concept(62, "New", "Measurement")


@pytest.mark.parametrize(
    ("links", "by", "new", "remark", "warnings"),
    [
        ((), "Maps to", NEW, "the vocabulary names no replacement", []),
        ((62, 61), "Maps to", NEW, "several replacements: choose, or split the rule", [(), ()]),
        (
            (62,), "Maps to", replace(NEW, domain_id="Observation"),
            DIFFERENT,
            [("has domain Observation; measurement.measurement_concept_id takes Measurement",)],
        ),
        (
            (62,), "Concept poss_eq to", NEW, DIFFERENT,
            [("is only like it, by 'Concept poss_eq to'",)],
        ),
        (
            (62,), "Maps to", replace(NEW, concept_name="two\nlines"),
            DIFFERENT,
            [("has a name that a mapping cannot hold",)],
        ),
    ],
)  # fmt: skip
def test_what_is_named_but_not_written(
    folder: Path, links: tuple[int, ...], by: str, new: Concept, remark: str, warnings: list[tuple[str, ...]]
) -> None:
    found = reviewed(folder, athena(changed(60, **GONE), new), {60: links}, by)[60]
    assert (found.change, found.remark) == (None, remark)
    assert [(one.concept.concept_id, one.warnings) for one in found.candidates] == list(
        zip(links, warnings, strict=True)
    )


def test_a_replacement_that_is_in_the_mapping_under_another_name_waits(folder: Path) -> None:
    concepts = athena(changed(60, **GONE), changed(61, concept_name="Rank"))
    found = reviewed(folder, concepts, {60: [61]})
    assert found[61].remark == SLIP
    assert found[60].change is None
    assert found[60].remark == "61 is in the mapping already, as 'Grade': mend that first"
    concepts = athena(changed(60, **GONE), changed(61, concept_name="Grade of it"))
    files = propose(folder, concepts, changes_of(reviewed(folder, concepts, {60: [61]})))
    assert files[SECTION].new == mini.FILES[SECTION].replace("60 Size", "61 Grade of it").replace(
        "61 Grade\n", "61 Grade of it\n"
    )


def test_unknown_concepts_and_placeholders_are_told(folder: Path) -> None:
    concepts = athena(changed(61, vocabulary_id="Placeholder", standard_concept=None))
    del concepts[60]
    found = reviewed(folder, concepts)
    assert said(found[60]) == ["error unknown-concept: is not in the vocabulary"]
    assert said(found[61]) == ["note placeholder: is a placeholder until its Athena vocabulary is loaded"]
    assert list(found) == [60, 61]


def accept(folder: Path, *kinds: str) -> None:
    lines = "".join(f"  - {{finding: {kind}, concept: 60, why: we know it}}\n" for kind in kinds)
    mini.change(folder, MAPPING, "ignore:\n", f"accept:\n{lines}ignore:\n")


def test_what_the_mapping_accepts_is_a_note_and_stays(folder: Path) -> None:
    concepts = athena(changed(60, **GONE, concept_name="Size of it"), NEW)
    accept(folder, "invalid-concept", "not-standard", "other-name")
    found = reviewed(folder, concepts, {60: [62]})[60]
    assert said(found) == [
        "note other-name: is 'Size of it' in the vocabulary, not 'Size'; accepted: we know it",
        "note invalid-concept: is deprecated (invalid_reason U); accepted: we know it",
        "note not-standard: is not a standard concept; accepted: we know it",
    ]
    assert (found.severity, found.change, found.remark) == ("note", None, None)


@pytest.mark.parametrize(
    ("kind", "concept", "replaced"),
    [
        ("not-standard", changed(60, **GONE), True),
        ("invalid-concept", changed(60, **GONE), False),
        ("not-standard", changed(60, **LOCAL), False),
        ("other-name", changed(60, **LOCAL, concept_name="Size of it"), True),
    ],
)
def test_who_accepts_that_a_concept_is_deprecated_keeps_it(
    folder: Path, kind: str, concept: Concept, replaced: bool
) -> None:
    accept(folder, kind)
    found = reviewed(folder, athena(concept, NEW), {60: [62]})[60]
    assert (found.change is not None) == replaced


def test_a_rule_like_another_has_its_concepts_written_once(folder: Path) -> None:
    mini.change(folder, SECTION, "scored: {", "again: {like: scored, number: count}\nscored: {")
    concepts = athena(changed(60, **GONE), NEW)
    found = reviewed(folder, concepts, {60: [62]})
    assert places(found[60]) == at(
        folder, (SECTION, "size: {table"), (SECTION, "counted:"), (SECTION, "scored: {")
    )
    files = propose(folder, concepts, changes_of(found))
    assert files[SECTION].new == files[SECTION].old.replace("60 Size", "62 New")


def test_texts_that_look_like_the_concept_stay(folder: Path) -> None:
    mini.change(folder, SECTION, "title: word", "title: 60 Size")
    mini.change(folder, SECTION, "counted: {", "# 60 Size\ncounted: {comment: 60 Size, ")
    before = (folder / SECTION).read_text()
    concepts = athena(changed(60, **GONE), NEW)
    files = propose(folder, concepts, changes_of(reviewed(folder, concepts, {60: [62]})))
    assert files[SECTION].new == before.replace("concept: 60 Size", "concept: 62 New")


def test_a_mapping_with_other_errors_is_refused(folder: Path) -> None:
    mini.change(folder, SECTION, "number: count", "number: counts")
    with pytest.raises(MappingError) as caught:
        reviewed(folder, mini.CONCEPTS)
    assert [one.kind for one in caught.value.findings] == ["unknown-path"]


def test_edits_that_would_make_a_new_error_are_refused(folder: Path) -> None:
    """Here the vocabulary that is asked in the end does not know what the first one proposed."""
    concepts = athena(changed(60, **GONE), NEW)
    changes = changes_of(reviewed(folder, concepts, {60: [62]}))
    before = (folder / SECTION).read_bytes()
    with pytest.raises(NotWritten, match=r"new error: main.yaml:\d+: error: concept 62 'New' is not in"):
        propose(folder, athena(changed(60, **GONE)), changes)
    with pytest.raises(NotWritten, match="the checker would find as much as before"):
        propose(folder, athena(changed(60, **GONE), replace(NEW, **GONE)), changes)  # type: ignore[arg-type]
    assert (folder / SECTION).read_bytes() == before


def edits(folder: Path) -> list[Edited]:
    return edited(folder, {60: NEW})


def test_writing_keeps_modes_and_links_and_leaves_nothing_behind(folder: Path, tmp_path: Path) -> None:
    real = tmp_path / "real.yaml"
    (folder / SECTION).rename(real)
    (folder / SECTION).symlink_to(real)
    real.chmod(0o640)
    before = sorted(folder.rglob("*"))
    write(folder, edits(folder))
    assert sorted(folder.rglob("*")) == before
    assert (folder / SECTION).is_symlink()
    assert "62 New" in real.read_text()
    assert real.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("written", [1, 2, 3])
def test_writing_that_was_stopped_between_two_files_is_finished_later(folder: Path, written: int) -> None:
    concepts = athena(changed(60, **GONE), changed(90, **GONE), NEW, mini.concept(92, "All", "Episode"))
    links = {60: [62], 90: [92]}
    files = list(propose(folder, concepts, changes_of(reviewed(folder, concepts, links))).values())
    assert [one.name for one in files] == [CONCEPTS, SECTION, MAPPING]
    write(folder, files[:written])
    rest = propose(folder, concepts, changes_of(reviewed(folder, concepts, links)))
    write(folder, list(rest.values()))
    assert {one.name: (folder / one.name).read_bytes().decode() for one in files} == {
        one.name: one.new for one in files
    }


def test_a_file_that_changed_in_the_meantime_is_not_written(folder: Path) -> None:
    found = edits(folder)
    mini.change(folder, SECTION, "scored:", "scores:")
    before = {one: one.read_bytes() for one in folder.rglob("*") if one.is_file()}
    with pytest.raises(NotWritten, match=r"main.yaml' has changed in the meantime"):
        write(folder, found)
    assert {one: one.read_bytes() for one in folder.rglob("*") if one.is_file()} == before


def test_an_installed_mapping_is_not_written(tmp_path: Path) -> None:
    folder = remaps.write(tmp_path / "site-packages" / "mappings" / "mini")
    before = (folder / SECTION).read_bytes()
    with pytest.raises(NotWritten, match="part of an installed package: copy it"):
        write(folder, edits(folder))
    assert (folder / SECTION).read_bytes() == before


def test_a_folder_that_cannot_be_written_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = edits(folder)
    before = {one: one.read_bytes() for one in folder.rglob("*") if one.is_file()}

    def refuse(*arguments: object, **options: object) -> None:
        raise OSError(30, "Read-only file system")

    # Root may write wherever modes forbid it, so the system's answer is given here.
    monkeypatch.setattr("etl.review.write.tempfile.mkstemp", refuse)
    with pytest.raises(NotWritten, match=r"cannot be written \(Read-only file system\): copy it"):
        write(folder, found)
    assert {one: one.read_bytes() for one in folder.rglob("*") if one.is_file()} == before


def test_what_was_accepted_of_a_replaced_concept_is_left_to_remove(folder: Path) -> None:
    accept(folder, "not-standard")
    concepts = athena(changed(60, **GONE), NEW)
    write(
        folder, list(propose(folder, concepts, changes_of(reviewed(folder, concepts, {60: [62]}))).values())
    )
    found = check(folder, look_up_in(concepts)).findings
    assert [(one.kind, one.message) for one in found] == [
        ("unused-accept", "there is no finding 'not-standard' of concept 60")
    ]
