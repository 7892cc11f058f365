"""``oncolake vocab check`` as a curator meets it, after an Athena vocabulary has come into the database."""

import csv
import difflib
import io
import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
from sqlalchemy import Engine

from etl.setup import DEFAULT_MAPPING
from tests import mini
from tests.athena import concept, load
from tests.functional.conftest import Run

#: Athena's answer to some concepts of the shipped mapping, all of which can be mended without asking.
MENDABLE = [
    concept(4115735, "Lesion of prostate", standard="", invalid="U"),
    concept(4115736, "Lesion: prostate, any", standard="", invalid="U"),
    concept(4115737, 'Prostate lesion, "any": [all]'),
    concept(4161028, "Acinar adenocarcinoma", standard=""),
    concept(4135405, "Site of lesion, any", "Measurement"),
    concept(1538812, 'Prostate Cancer "cT1", by AJCC/UICC 8th edition', "Measurement"),
]
LINKS = [
    (4115735, "Concept replaced by", 4115736),
    (4115736, "Concept same_as to", 4115737),
    (4161028, "Maps to", 200962),
]
PSA = '3013603 Prostate specific Ag "total" in Serum'
LESION = '4115737 Prostate lesion, "any": [all]'

CT1 = """1538812,"Prostate Cancer ""cT1"", by AJCC/UICC 8th edition\""""
#: What --write makes of the shipped mapping then, line by line.
WRITTEN = {
    "clinical.yaml": ["-  concept: 44793131 Total PSA level", f"+  concept: {PSA}"],
    "concepts.csv": [
        "-44793131,Total PSA level,Measurement,,,,,,,",
        '+3013603,"Prostate specific Ag ""total"" in Serum",Measurement,,,,,,,',
        "-4115735,Lesion of prostate,Condition,,,,,,,",
        "-4161028,Acinar adenocarcinoma,Condition,,,,,,,",
        '+4115737,"Prostate lesion, ""any"": [all]",Condition,,,,,,,',
        "-4135405,Site of lesion,Measurement,,,,,,,",
        '+4135405,"Site of lesion, any",Measurement,,,,,,,',
        "-1538812,Prostate Cancer cT1 TNM Finding by AJCC/UICC 8th edition,Measurement,,,,,,,",
        f"+{CT1},Measurement,,,,,,,",
    ],
    "follow_up.yaml": [
        f'{sign}      - {{when: {{path: "$.followUp[*].fupBiopsyNegative", in: [true]}}, is: {said}}}'
        for sign, said in (("-", "4115735 Lesion of prostate"), ("+", f"'{LESION}'"))
    ],
    "lesions.yaml": [
        "-      concept: 4135405 Site of lesion",
        "+      concept: 4135405 Site of lesion, any",
    ],
    "mapping.yaml": ["-      - 4115735 Lesion of prostate", f"+      - '{LESION}'"] * 2,
    "value_maps/carcinoma.csv": [
        "-Acinar adenocarcinoma,Acinar adenocarcinoma,4161028,Acinar adenocarcinoma",
        "+Acinar adenocarcinoma,Acinar adenocarcinoma,200962,Primary malignant neoplasm of prostate",
    ],
    "value_maps/tnm_t.csv": [
        "-cT1,Clinical stage T1,1538812,Prostate Cancer cT1 TNM Finding by AJCC/UICC 8th edition",
        f"+cT1,Clinical stage T1,{CT1}",
    ],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    copy = tmp_path / "mapping"
    shutil.copytree(str(DEFAULT_MAPPING), copy)
    return copy


def texts(folder: Path) -> dict[str, str]:
    files = (one for one in sorted(folder.rglob("*")) if one.is_file())
    return {str(one.relative_to(folder)): one.read_bytes().decode() for one in files}


def changed_lines(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, list[str]]:
    """The lines that went and came, file by file, line ends and all."""
    assert before.keys() == after.keys()
    found = {}
    for name in before:
        lines = [text.split("\n") for text in (before[name], after[name])]
        if lines[0] != lines[1]:
            found[name] = [one for one in difflib.unified_diff(*lines, n=0, lineterm="") if one[:2] != "@@"][
                2:
            ]
    return found


def test_write_mends_what_athena_changed_and_nothing_else(run: Run, folder: Path, lake: Engine) -> None:
    with lake.begin() as connection:
        load(connection, MENDABLE, LINKS)
    before = texts(folder)
    assert run("map", "check", "--mappings", folder).code == 1

    suggested = run("vocab", "check", "--mappings", folder, "--suggest")
    assert suggested.code == 1
    assert texts(folder) == before
    said = run("vocab", "check", "--mappings", folder, "--write")

    after = texts(folder)
    assert changed_lines(before, after) == WRITTEN
    assert [
        line for line in suggested.out.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")
    ] == [
        line
        for name in sorted(WRITTEN, key=lambda one: (one != "concepts.csv", one))
        for line in WRITTEN[name]
    ]
    assert said.code == 0
    assert f"4115735 Lesion of prostate is now {LESION}, in 3 places" in said.out.splitlines()
    assert "mapping.yaml: 2 lines written" in said.out.splitlines()
    assert f"`oncolake remap --dry-run --mappings {folder}`" in said.err.replace("\n", " ")
    checked = run("map", "check", "--mappings", folder)
    assert checked.code == 0
    assert not any(f"[{kind}]" in checked.out for kind in ("invalid-concept", "not-standard", "other-name"))
    assert run("remap", "--dry-run", "--mappings", folder).code == 0
    again = run("vocab", "check", "--mappings", folder, "--write")
    assert (again.code, again.out) == (0, "")
    assert texts(folder) == after


#: Athena's answer to others, which a curator has to decide.
OPEN = [
    concept(4293445, "Primary Gleason pattern", "Measurement", invalid="U"),
    concept(4293446, "Gleason pattern", "Measurement"),
    concept(4293447, "Primary pattern", "Measurement"),
    concept(4121185, "Tumor volume", "Measurement", standard=""),
    concept(4121186, "Volume of tumor", "Observation"),
    concept(4297948, "Secondary Gleason pattern", "Measurement", standard=""),
]
OPEN_LINKS = [
    (4293445, "Maps to", 4293446),
    (4293445, "Maps to", 4293447),
    (4121185, "Maps to", 4121186),
]


@pytest.fixture
def undecided(run: Run, folder: Path, lake: Engine) -> Run:
    with lake.begin() as connection:
        load(connection, [*OPEN, concept(3013603, "Total PSA level", "Measurement", "")], OPEN_LINKS)
    mini.change(folder, "clinical.yaml", "44793131 Total PSA level", "4121185 Tumor volume")
    return run


def test_what_a_curator_has_to_decide_is_named_and_stays(undecided: Run, folder: Path) -> None:
    before = texts(folder)
    said = undecided("vocab", "check", "--mappings", folder, "--format", "json")
    assert said.code == 1
    found = {one["concept_id"]: one for one in json.loads(said.out)}
    first = found[4293445]
    assert [one["concept_id"] for one in first["replacements"]] == [4293446, 4293447]
    assert first["severity"] == "error"
    assert first["change"] is None
    assert first["remark"] == "several replacements: choose, or split the rule"
    volume = found[4121185]
    assert volume["replacements"] == [
        {
            "concept_id": 4121186,
            "concept_name": "Volume of tumor",
            "domain_id": "Observation",
            "vocabulary_id": "SNOMED",
            "by": "Maps to",
            "warnings": ["has domain Observation; measurement.measurement_concept_id takes Measurement"],
        }
    ]
    assert [one["file"] for one in volume["places"]] == ["clinical.yaml", "lesions.yaml"]
    assert found[4297948]["remark"] == "the vocabulary names no replacement"
    assert found[4135405]["findings"][0]["kind"] == "placeholder"

    said = undecided("vocab", "check", "--mappings", folder, "--format", "csv")
    rows = {int(row["concept_id"]): row for row in csv.DictReader(io.StringIO(said.out))}
    assert rows.keys() == found.keys()
    assert rows[4293445]["replacement_ids"] == "4293446 4293447"
    assert rows[4293445]["findings"] == "invalid-concept"
    assert rows[4121185]["places"] == " ".join(f"{one['file']}:{one['line']}" for one in volume["places"])

    for option in ("--suggest", "--write"):
        said = undecided("vocab", "check", "--mappings", folder, option)
        assert (said.code, said.out) == (1, "")
        assert "error: 4293445 Primary Gleason pattern is deprecated (invalid_reason U)" in said.err
        assert "  4293447 Primary pattern" in said.err
    assert texts(folder) == before


def test_the_table_has_the_worst_first(undecided: Run, folder: Path) -> None:
    said = undecided("vocab", "check", "--mappings", folder)
    words = said.out.split()
    assert said.code == 1
    assert words.index("4293445") < words.index("4121185") < words.index("4297948")
    *_, placeholders, summary = said.out.splitlines()
    assert re.fullmatch(r"\d+ concepts are placeholders .*; --format csv lists them\.", placeholders)
    assert "4135405" not in words
    assert ": 1 error, 2 warnings, " in summary


def test_strict_takes_warnings_for_errors(run: Run, folder: Path, lake: Engine) -> None:
    assert run("vocab", "check", "--mappings", folder, "--strict").code == 0
    with lake.begin() as connection:
        load(connection, [OPEN[-1], concept(44793131, "Total PSA level", "Measurement")], [])
    assert run("vocab", "check", "--mappings", folder).code == 0
    assert run("vocab", "check", "--mappings", folder, "--strict").code == 1


def test_what_cannot_be_asked(run: Run, folder: Path) -> None:
    said = run("vocab", "check", "--mappings", folder, "--suggest", "--format", "json")
    assert said.code == 2
    assert "--format is for the list" in said.err
    mini.change(folder, "mapping.yaml", "gender: 8507 MALE", "gender: MALE")
    said = run("vocab", "check", "--mappings", folder)
    assert said.code == 2
    assert "mapping.yaml:15: error:" in said.err
