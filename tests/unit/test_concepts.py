"""Concept files and value maps: reading them, and whether the shipped ones agree with each other."""

from collections.abc import Mapping
from datetime import date
from importlib.resources import files
from pathlib import Path

import pytest

from vocabularies.concepts import (
    HEADER,
    VALUE_MAP_HEADER,
    Concept,
    ConceptFileError,
    ValueMapRow,
    read_concepts,
    read_value_map,
    shipped,
)

PROSTATE = files("mappings") / "prostate"
CUSTOM = "2000000001,Index Lesion,Observation,PROCANCERI,Study Variable,S,1,1970-01-01,2099-12-31,"
STAND_IN = "44793131,Total PSA level,Measurement,,,,,,,"


@pytest.fixture
def concept_file(tmp_path: Path) -> Path:
    return tmp_path / "concepts.csv"


def write(path: Path, header: tuple[str, ...], *lines: str) -> Path:
    path.write_text("\n".join((",".join(header), *lines)) + "\n", encoding="utf-8")
    return path


def test_a_custom_concept_is_read_as_it_is(concept_file: Path) -> None:
    [one] = read_concepts(write(concept_file, HEADER, CUSTOM))
    assert one == Concept(
        2000000001, "Index Lesion", "Observation", "PROCANCERI", "Study Variable", "S", "1",
        date(1970, 1, 1), date(2099, 12, 31), None,
    )  # fmt: skip
    assert (one.custom, one.placeholder, one.valid) == (True, False, True)


def test_any_other_concept_is_marked_as_a_placeholder(concept_file: Path) -> None:
    [one] = read_concepts(write(concept_file, HEADER, STAND_IN))
    assert one == Concept(
        44793131, "Total PSA level", "Measurement", "Placeholder", "Placeholder", None,
        "placeholder-44793131", date(1970, 1, 1), date(2099, 12, 31), None,
    )  # fmt: skip
    assert (one.custom, one.placeholder, one.valid) == (False, True, True)


def test_a_byte_order_mark_and_quotes_are_no_problem(concept_file: Path) -> None:
    content = ",".join(HEADER) + '\r\n8554,"percent, of all",Unit,,,,,,,\r\n'
    concept_file.write_bytes(b"\xef\xbb\xbf" + content.encode())
    assert [one.concept_name for one in read_concepts(concept_file)] == ["percent, of all"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "x8554,percent,Unit,,,,,,,",
            "'concept_id' must be a whole number from 0 to 2147483647, not 'x8554'",
        ),
        ("-1,percent,Unit,,,,,,,", "'concept_id' must be a whole number from 0 to 2147483647, not '-1'"),
        (
            "08554,percent,Unit,,,,,,,",
            "'concept_id' must be a whole number from 0 to 2147483647, not '08554'",
        ),
        (
            CUSTOM.replace("2000000001", "2147483648"),
            "'concept_id' must be a whole number from 0 to 2147483647, not '2147483648'",
        ),
        ("8554,,Unit,,,,,,,", "'concept_name' is empty"),
        ("8554,percent,,,,,,,,", "'domain_id' is empty"),
        (f"8554,{'p' * 256},Unit,,,,,,,", "'concept_name' has 256 characters; the column holds 255"),
        (f"8554,percent,{'U' * 21},,,,,,,", "'domain_id' has 21 characters; the column holds 20"),
        (
            "8554,percent,Unit,UCUM,,,,,,",
            "'vocabulary_id' must be empty: only Athena describes ids below 2000000000",
        ),
        (CUSTOM.replace("PROCANCERI", ""), "'vocabulary_id' is empty"),
        (
            CUSTOM.replace("PROCANCERI", "Placeholder"),
            "'vocabulary_id' of a custom concept must name its own vocabulary, not 'Placeholder'",
        ),
        (
            CUSTOM.replace("1970-01-01", "01.01.1970"),
            "'valid_start_date' must be a date like 1970-01-01, not '01.01.1970'",
        ),
        (CUSTOM.replace("2099-12-31", ""), "'valid_end_date' must be a date like 1970-01-01, not ''"),
        (CUSTOM.replace("2099-12-31", "1969-12-31"), "'valid_end_date' is before 'valid_start_date'"),
        (CUSTOM.replace(",S,", ",s,"), "'standard_concept' must be empty or one of 'S', 'C', not 's'"),
        (CUSTOM + "X", "'invalid_reason' must be empty or one of 'D', 'U', not 'X'"),
        ("8554,percent", "2 fields where the header has 10"),
        (STAND_IN, "'concept_id' '44793131' is on line 2 already"),
        ('8554,"percent,Unit,,,,,,,', "not CSV: unexpected end of data"),
    ],
)
def test_a_bad_line_is_named(concept_file: Path, line: str, message: str) -> None:
    write(concept_file, HEADER, STAND_IN, line)
    with pytest.raises(ConceptFileError) as error:
        read_concepts(concept_file)
    assert error.value.lines == ((3, message),)
    assert str(error.value) == f"{concept_file}:3: {message}"


def test_all_problems_are_reported_at_once_in_order(concept_file: Path) -> None:
    write(concept_file, HEADER, "a,,Unit,,,,,,,", STAND_IN, "b", CUSTOM.replace("1970-01-01", "soon"))
    with pytest.raises(ConceptFileError) as error:
        read_concepts(concept_file)
    assert [line for line, _ in error.value.lines] == [2, 2, 4, 5]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", f"the header must be '{','.join(HEADER)}'"),
        (b"concept_id,concept_name\n", f"the header must be '{','.join(HEADER)}'"),
        (b"concept_id\n\xff", "not UTF-8 at byte 11; save the file as UTF-8"),
    ],
)
def test_a_file_of_another_kind_is_refused(concept_file: Path, content: bytes, message: str) -> None:
    concept_file.write_bytes(content)
    with pytest.raises(ConceptFileError) as error:
        read_concepts(concept_file)
    assert error.value.lines == ((1, message),)


def test_a_missing_file_is_a_concept_file_error(concept_file: Path) -> None:
    with pytest.raises(ConceptFileError, match="there is no such file"):
        read_concepts(concept_file)


def test_a_value_map_is_named_after_its_file(tmp_path: Path) -> None:
    path = write(tmp_path / "family.csv", VALUE_MAP_HEADER, "yes,A relative had it,4167217,Family history")
    found = read_value_map(path)
    assert found.name == "family"
    assert found.rows == (ValueMapRow("yes", "A relative had it", 4167217, "Family history", 2),)
    assert found.targets == {"yes": 4167217}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("yes,,0,No matching concept", "'source_code' 'yes' is on line 2 already"),
        (",,0,No matching concept", "'source_code' is empty"),
        (f"{'c' * 51},x,0,No matching concept", "'source_code' has 51 characters; the column holds 50"),
        ("no,x,none,No matching concept", "'target_concept_id' must be a whole number"),
        ("no,x,0,", "'target_concept_name' is empty"),
        ("no,x,0", "3 fields where the header has 4"),
    ],
)
def test_a_bad_line_of_a_value_map_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = write(tmp_path / "family.csv", VALUE_MAP_HEADER, "yes,x,0,No matching concept", line)
    with pytest.raises(ConceptFileError) as error:
        read_value_map(path)
    assert any(number == 3 and text.startswith(message) for number, text in error.value.lines)


def test_a_value_map_with_another_header_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "family.csv", ("source_code", "target_concept_id"))
    with pytest.raises(ConceptFileError, match="the header must be 'source_code,source_code_description,"):
        read_value_map(path)


def test_a_mapping_cannot_describe_a_concept_of_the_cdm_anew(tmp_path: Path) -> None:
    path = write(tmp_path / "concepts.csv", HEADER, STAND_IN, "8554,per cent,Unit,,,,,,,")
    with pytest.raises(ConceptFileError) as error:
        shipped(tmp_path)
    message = "concept 8554 is in 'cdm_concepts.csv' already; remove this row"
    assert (error.value.file, error.value.lines) == (str(path), ((3, message),))


@pytest.fixture(scope="module")
def concepts() -> dict[int, Concept]:
    return shipped(PROSTATE)


def test_shipped_concepts_have_one_name_each_and_share_none(concepts: dict[int, Concept]) -> None:
    names = [one.concept_name for one in concepts.values()]
    shared = {name for name in names if names.count(name) > 1}
    # Table 24 has it twice; the second is invalid.
    assert shared == {"Grade 5"}


def test_shipped_placeholders_are_never_custom(concepts: dict[int, Concept]) -> None:
    assert all(one.placeholder != one.custom for one in concepts.values())


@pytest.mark.parametrize(
    ("rejected", "errata"), [(6768810, 1), (36770084, 14), (36768307, 14), (1147333, 24), (1147810, 24)]
)
def test_ids_that_the_errata_reject_are_not_shipped(
    concepts: dict[int, Concept], rejected: int, errata: int
) -> None:
    assert rejected not in concepts
    assert f"\n| {errata} |" in (PROSTATE / "ERRATA.md").read_text(encoding="utf-8")


def targets(codes: str, *ids: int) -> Mapping[str, int]:
    return dict(zip(codes.split(";"), ids, strict=True))


#: Source codes are the values that the case document allows; ids are those of D4.4's Table 23.
VALUE_MAPS = {
    # Not of Table 23: DICOM's modalities.
    "modality": targets(
        "MR;CT;PT;US;NM;CR;DX;MG;XA;RF;SEG;SR;PR;KO;REG;RTSTRUCT;RTDOSE;RTPLAN;OT",
        4013636, 4300757, 4305790, 4037672, *[0] * 15,
    ),
    "biopsy_type": targets("Ultrasound;Fusion;In-Bore", 4082629, 37206816, 2000000005),
    "carcinoma": targets(
        "Acinar adenocarcinoma;Ductal adenocarcinoma;Intraductal carcinoma;Mucinous adenocarcinoma;"
        "Neuroendocrine carcinoma;Small cell carcinoma;Other",
        4161028, *[200962] * 6,
    ),
    "family": targets("yes;no;unknown", 4167217, 4051104, 4236282),
    "img_type": targets(
        "MRI;CT;choline-PET;fluciclovine-PET;PSMA-PET;SPECT-CT;NaF-PET;Bone scan",
        36714087, 0, 0, 0, 0, 0, 0, 0,
    ),
    "lesion_site": targets(
        "BLAS;BRAS;BLTZa;BRTZa;BLTZp;BRTZp;BLCZ;BRCZ;BLPZa;BRPZa;BLPZpl;BRPZpl;"
        "MLAS;MRAS;MLTZa;MRTZa;MLTZp;MRTZp;MLPZa;MRPZa;MLPZpl;MRPZpl;MLPZpm;MRPZpm;"
        "ALAS;ARAS;ALTZa;ARTZa;ALTZp;ARTZp;ALPZa;ARPZa;ALPZpl;ARPZpl;ALPZpm;ARPZpm",
        37396905, 37396904, 37396909, 37396908, 37396910, 37399562,
        37396912, 37396911, 37396915, 37399563, 37396917, 37396916,
        37396920, 37396919, 37396923, 37396922, 37396925, 37396924,
        37396928, 37396927, 37396930, 37396929, 37396932, 37396931,
        37396934, 37396933, 37396938, 37396937, 37396940, 37396939,
        37399019, 37399567, 37396944, 37396943, 37396945, 37399568,
    ),
    "margins": targets("involved;uninvolved", 36768316, 36770153),
    "metastasis": targets(
        "Bone;Lymph nodes;Liver;Lung;Brain;Digestive system;Retroperitoneum;Kidney and adrenal gland;Other",
        36769301, 36769243, 36770544, 36770283, 36768862, 36769180, 36769180, 36769180, 36769180,
    ),
    "rp_method": targets(
        "Radical retropubic;Robot assisted laparoscopic;Laparoscopic;Radical perineal;Other",
        4276520, 46270921, 44809585, 4338373, 2003983,
    ),
    "rt_method": targets("IMRT;IGRT;3D CRT;HSR;Other", 40480519, 45956251, 45911882, 44809885, 3169882),
    "rtog_grade": targets("1;2;3;4;5", *range(2000000027, 2000000032)),
    "tnm_cn": targets("cNX;cN0;cN1", 35919166, 35919626, 35919638),
    "tnm_m": targets("cM0;cM1;cM1a;cM1b;cM1c;MX", 1538822, 1538290, 1539119, 1538995, 1538321, 4110284),
    "tnm_pn": targets("pNX;pN0;pN1", 1537945, 1538383, 1538914),
    "tnm_t": targets(
        "cTX;cT0;cT1;cT1a;cT1b;cT1c;cT2;cT2a;cT2b;cT2c;cT3;cT3a;cT3b;cT4",
        1538985, 1538044, 1538812, 1538366, 1538219, 1538775, 1538375, 1539231, 1538566, 1538629, 1538400,
        1539253, 1539229, 1538855,
    ),
    "tnm_pt": targets(
        "pTX;pT0;pT2;pT2a;pT2b;pT2c;pT3;pT3a;pT3b;pT4",
        35919862, 35919508, 35919074, 35919867, 35919739, 35919904, 35919081, 35919839, 35919018, 35919919,
    ),
    "wheeler": targets("L0;L1;L2;L3F;L3E;LX", *range(2000000015, 2000000021)),
}  # fmt: skip


def test_the_value_maps_translate_as_table_23_says() -> None:
    found = [read_value_map(file) for file in (PROSTATE / "value_maps").iterdir()]
    assert {one.name: one.targets for one in found} == VALUE_MAPS


@pytest.mark.parametrize("name", VALUE_MAPS)
def test_value_map_targets_are_shipped_under_the_same_name(concepts: dict[int, Concept], name: str) -> None:
    rows = read_value_map(PROSTATE / "value_maps" / f"{name}.csv").rows
    assert [(row.source_code, row.target_concept_name) for row in rows] == [
        (row.source_code, concepts[row.target_concept_id].concept_name) for row in rows
    ]


@pytest.mark.parametrize("name", VALUE_MAPS)
def test_value_map_targets_can_be_used(concepts: dict[int, Concept], name: str) -> None:
    targets = read_value_map(PROSTATE / "value_maps" / f"{name}.csv").targets
    assert all(concepts[target].valid for target in targets.values())


def test_value_map_names_fit_a_vocabulary_id() -> None:
    assert [name for name in VALUE_MAPS if len(f"prostate.{name}") > 20] == []
