"""The checker on view files: what cannot be is told by file and line; and the editors' schema of them."""

import json
from importlib.resources import files
from pathlib import Path

import pytest

from etl.mapping.check import check
from etl.mapping.compile import compile_plan, provisional_numbers, read_mapping
from etl.mapping.findings import MappingError, errors
from etl.mapping.views import statements, views_of
from etl.mapping.views.language import json_schema
from etl.setup import DEFAULT_MAPPING, vocabulary

HEAD = "title: A view of tests\nrow: {}\ncolumns:\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The prostate mapping, without its views."""
    copy = tmp_path_factory.mktemp("mapping") / "prostate"
    for file in Path(str(DEFAULT_MAPPING)).glob("**/*"):
        relative = file.relative_to(str(DEFAULT_MAPPING))
        if file.is_file() and relative.parts[0] not in ("research", "samples", "cohorts"):
            copy.joinpath(relative).parent.mkdir(parents=True, exist_ok=True)
            copy.joinpath(relative).write_bytes(file.read_bytes())
    copy.joinpath("research").mkdir()
    return copy


def told(folder: Path, content: str) -> list[str]:
    folder.joinpath("research", "mine.yaml").write_text(content)
    return [str(one) for one in errors(check(folder, vocabulary(folder, None)).findings)]


@pytest.mark.parametrize(
    ("row", "columns", "line", "message"),
    [
        ("person", "  a: {rule: nix}", 4, "there is no rule 'nix' [broken-reference]"),
        (
            "person",
            "  a: {rule: dre_result}\n  b: {rule: psa_total}",
            5,
            "say with 'pick' which counts [bad-shape]",
        ),
        ("person", "  a: {rule: psa_total, at: nix}", 4, "there is no visit 'nix' [broken-reference]"),
        ("person", "  a: {}", 4, "'a' needs either 'rule' or 'sql' [bad-shape]"),
        ("person", "  a: {sql: 1 + 1}", 4, "say what the expression means, with 'says' [bad-shape]"),
        (
            "person",
            "  a: {sql: '1; DROP TABLE x', says: this}",
            4,
            "an expression has no semicolon [bad-shape]",
        ),
        ("person", "  a: {sql: '1 -- + 1', says: this}", 4, "an expression has no comment in SQL"),
        ("person", "  a: {sql: '1 /* + 1', says: this}", 4, "an expression has no comment in SQL"),
        (
            "person",
            """  a: {sql: "'it''s' || 'x", says: this}""",
            4,
            "the expression has a quote that nothing closes [bad-shape]",
        ),
        ("person", "  a: {sql: '1 AS y, 2', says: this}", 4, "an expression is one value: it has no comma"),
        ("person", "  a: {rule: dre_result, take: number}", 4, "condition_occurrence has no number"),
        ("person", "  a: {rule: lesion, take: code, pick: all}", 4, "take 'concept' or 'value' [wrong-type]"),
        (
            "person",
            "  a: {rule: t_mri, take: [code, value], pick: highest}",
            4,
            "its highest is that of 'concept'",
        ),
        ("person", "  a: {rule: t_mri, take: size}", 4, "'columns.a.take"),
        (
            "person",
            "  person_id: {rule: dre_result}",
            4,
            "there are two columns 'person_id' [duplicate-rule]",
        ),
        (
            "person",
            "  a: {rule: t_mri, take: [code, concept]}\n  a_concept: {rule: dre_result}",
            5,
            "two columns",
        ),
        ("person", "  a: {rule: dre_result, fields: [clinicalBaselineData.DER]}", 4, "the form has no"),
        ("person", "  a: {rule: dre_result, of: b}", 4, "there is no word 'of'"),
        ("someone", "  a: {rule: dre_result}", 2, "'row"),
        ("{rules: {nix: x}}", "  a: {rule: dre_result}", 2, "there is no rule 'nix'"),
        ("{rules: {lesion: x}}", "  a: {rule: dre_result}", 4, "stands at no item of the rows of this view"),
        ("{rules: {lesion: x}}", "  a: {rule: .nix}", 4, "no rule of the row has a row 'nix'"),
        (
            "{rules: {lesion: x}, numbers: {nix: n}}",
            "  a: {rule: .diam1}",
            2,
            "no list 'nix' holds these rows",
        ),
        ("{rules: {lesion: x}}", "  a: {rule: .location, take: code}", 4, "say with 'pick' which counts"),
    ],
)
def test_what_cannot_be_is_told_by_file_and_line(
    folder: Path, row: str, columns: str, line: int, message: str
) -> None:
    found = told(folder, HEAD.format(row) + columns)
    assert any(one.startswith(f"research/mine.yaml:{line}: error: ") and message in one for one in found), (
        found
    )
    with pytest.raises(MappingError):
        views_of(read_mapping(folder))


def test_what_is_right_is_let_through(folder: Path) -> None:
    assert told(folder, HEAD.format("person") + "  a: {rule: dre_result}") == []
    (view,) = views_of(read_mapping(folder))
    assert [one.partition("\n")[0] for one in statements(view, provisional_numbers(view.mapping))] == [
        "CREATE OR REPLACE VIEW research.mine AS",
        "COMMENT ON VIEW research.mine IS 'A view of tests'",
        "COMMENT ON COLUMN research.mine.a IS 'DRE: clinicalBaselineData.DRE'",
    ]


def test_views_do_not_make_cases_stale(folder: Path) -> None:
    """The digest of a mapping tells which rules made a row; how rows are looked at is no part of it."""
    told(folder, HEAD.format("person") + "  a: {rule: dre_result}")
    before = read_mapping(folder)
    told(folder, HEAD.format("person") + "  b: {rule: mri_result}")
    after = read_mapping(folder)
    assert before.folder.digest == after.folder.digest
    assert compile_plan(after, provisional_numbers(after)).digest == before.folder.digest


def test_the_schema_for_editors_is_the_languages() -> None:
    shipped = json.loads((files("mappings") / "view.schema.json").read_text(encoding="utf-8"))
    assert shipped == json.loads(json.dumps(json_schema()))
