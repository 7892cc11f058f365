"""The ETL document (D4.4 Appendix A): docs/etl.md is the mapping, and nothing of the mapping is missing."""

import re
from importlib.resources import files
from pathlib import Path

import pytest

from etl.mapping.bound import Bound
from etl.mapping.compile import read_mapping
from etl.mapping.paths import json_path, leaves
from etl.mapping.show import show

DOCUMENT = Path(__file__).parents[2] / "docs" / "etl.md"
PROSTATE = files("mappings").joinpath("prostate")
TABLE_LINE = re.compile(r"(?<!\\)\|")


@pytest.fixture(scope="module")
def mapping() -> Bound:
    return read_mapping(PROSTATE)


@pytest.fixture(scope="module")
def text(mapping: Bound) -> str:
    return show(mapping)


def test_the_published_document_is_the_mapping(text):
    published = DOCUMENT.read_text(encoding="utf-8")
    assert published == text, "docs/etl.md is out of date; regenerate it: oncolake map show > docs/etl.md"


def test_every_rule_stands_once_with_its_file_and_line(mapping, text):
    cells = re.findall(r"\| `([\w.]+)`<br>`([\w.]+:\d+)` \| [^|]*\|$", text, re.MULTILINE)
    rules = [(rule.name, f"{rule.place.file}:{rule.place.line}") for rule in mapping.every_rule()]
    assert len(rules) > 40
    assert sorted(cells) == sorted(rules)


def test_every_field_of_the_schema_is_listed_and_read(mapping, text):
    listed = text.split("## Appendix: every field")[1].split("\n## ")[0]
    for segments, _ in leaves(mapping.folder.schema):
        assert f"\n| `{json_path(segments)}`" in listed
    assert "**nothing**" not in text


def test_every_concept_stands_with_its_name(mapping, text):
    rows = text.replace("\\", "")
    for use in mapping.concepts:
        in_rules, in_maps = f"{use.concept} {use.name}", f"| {use.concept} | {use.name} |"
        assert in_rules in rows or in_maps in rows or use.name is None


def test_every_value_map_is_whole(mapping, text):
    appendix = text.split("## Appendix: value maps")[1].replace("\\", "")
    for name, value_map in mapping.folder.value_maps.items():
        own = appendix.split(f"### Value map {name}\n")[1].split("\n### ")[0]
        found = re.findall(r"^\| (.+?) \| .+? \| (\d+) \| .+? \|$", own, re.MULTILINE)
        assert found == [(row.source_code, str(row.target_concept_id)) for row in value_map.rows]


def test_links_within_the_document_lead_somewhere(text):
    headings = {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    }
    links = set(re.findall(r"\]\(#([^)]+)\)", text))
    assert links
    assert links <= headings


def test_the_errata_are_part_of_the_document(text):
    errata = PROSTATE.joinpath("ERRATA.md").read_text(encoding="utf-8")
    rows = [line for line in errata.split("\n") if line.startswith("| ")]
    assert len(rows) > 40
    assert [row for row in rows if row not in text] == []


def test_tables_have_as_many_cells_in_each_line_as_in_their_header(text):
    width = None
    for line in text.split("\n"):
        cells = len(TABLE_LINE.findall(line)) if line.startswith("|") else None
        assert width is None or cells is None or cells == width
        width = cells


TABLE_23 = [
    # Lines of D4.4's Table 23: what the row of the field must say.
    ("dre", ["$.clinicalBaselineData.DRE", "4254766 Digital examination of rectum", "procedure_occurrence"]),
    ("dre_result", ["positive: 43531580 On rectal examination of prostate abnormality detected",
                    "negative: 40483554", "condition_occurrence"]),
    ("psa_total", ["44793131 Total PSA level", "8842 nanogram per milliliter", "`value_as_number`",
                   "`baseline` when `clinicalBaselineData.psa[*].baseline` is true; (2) `psa`"]),
    ("visit.psa", ["2000000008 PSA Visit", "is not true", "`clinicalBaselineData.psa[*].psadate`"]),
    ("visit.imaging", ["baseline + `imagingInfo.daysAfterBaselineMRI` days"]),
    ("relative_pca", ["via [family](#value-map-family)", "4163261 Malignant tumor of prostate"]),
    ("relative_pca.relative_pca_age", ['"age"', "706391 Note", "its `relative_pca`"]),
    ("lesion.pi_rads", ['$.lesions[*]."PI-RADS"', "2000000004 PI-RADS score", "its `lesion`"]),
    ("lesion.location", ["for each item of `lesions[*].location`", "via [lesion_site]"]),
    ("lesion.index_lesion", ["when `lesions[*].indexLesion` is true", "2000000001 Index Lesion"]),
    ("biopsy", ["when `biopsyInfo.biopsyPerformed` is true", "first of: (1) `biopsyInfo.biopsyType` via",
                "(2) 4278515 Biopsy of prostate", "event of `episode.disease`"]),
    ("lesion", ["[definition diagnosis](#named-definitions)"]),
    ("n_diagnosis", ["the first `final_imaging`, if any", "35918746 TNM Clin N"]),
    ("m_diagnosis", ["4098852 MX category when `finalDiagnosis.M` is MX"]),
    ("episode.confined", ["part of `episode.disease`", "is [confined](#groups)",
                          "until first known of: earliest of start of episode `invasive_final`, start of"
                          " episode `invasive_follow_up`"]),
    ("episode.invasive_final",
     ["when `finalDiagnosis.N` is [nodes](#groups) and the case has no episode `invasive`"]),
    ("follow_up_lesion.diam1", ["its `follow_up_lesion`", "`lesions.yaml:"]),
    ("follow_up_t_mri", ["the first `follow_up_mri` of its item, if any"]),
    ("lesion.gleason_score", ["`lesions[*].gleason1` + `lesions[*].gleason2`"]),
    ("visit.follow_up", ["when `useCaseType` is 1: baseline + 1 years"]),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "parts"), TABLE_23, ids=[rule for rule, _ in TABLE_23])
def test_a_rule_reads_like_table_23(text, rule, parts):
    (line,) = [line for line in text.split("\n") if re.search(rf"\| `{rule}`<br>`\w+\.yaml:", line)]
    for part in parts:
        assert part in line


def test_the_diagnosis_is_spelled_out_where_it_is_defined(text):
    (line,) = [line for line in text.split("\n") if line.startswith("| diagnosis |")]
    assert (
        "first of: (1) `cancerDiagnosis.carcinomaClass` via [carcinoma](#value-map-carcinoma); (2) 200962"
        in line
    )
    assert "when `biopsyInfo.biopsyPositive` is true; (3) 4115735 Lesion of prostate" in line
