"""The hand-written pages name what there is: every word, finding, table and command."""

from pathlib import Path

import pytest

from api.commands import vocab
from etl.mapping.findings import KINDS
from etl.mapping.language import Episode, Mapping, Rule, Visit
from omop_schema import LAKE, metadata
from vocabularies.athena.findings import KINDS as BUNDLE_KINDS

ROOT = Path(__file__).parents[2]


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text()


@pytest.mark.parametrize("shape", [Mapping, Rule, Visit, Episode])
def test_every_word_of_the_language_is_explained(shape: type) -> None:
    words = {field.alias or name for name, field in shape.model_fields.items()}
    missing = sorted(word for word in words if f"`{word}`" not in page("mapping.md"))
    assert missing == []


def test_every_finding_is_listed_with_its_severity() -> None:
    lines = [f"| `{kind}` | {severity} | {meaning} |" for kind, (severity, meaning) in KINDS.items()]
    assert [line for line in lines if line not in page("mapping.md")] == []


def test_every_finding_of_a_bundle_is_listed_with_its_severity() -> None:
    lines = [f"| `{kind}` | {severity} | {meaning} |" for kind, (severity, meaning) in BUNDLE_KINDS.items()]
    assert [line for line in lines if line not in page("vocabulary.md")] == []


def test_every_vocabulary_command_is_explained() -> None:
    commands = [f"oncolake vocab {one.name}" for one in vocab.app.registered_commands]
    assert commands
    for text in (page("vocabulary.md"), (ROOT / "README.md").read_text()):
        assert [one for one in commands if f"{one} " not in text] == []


def test_every_lake_table_is_explained() -> None:
    names = [f"{LAKE}.{table.name}" for table in metadata.tables.values() if table.schema == LAKE]
    assert [name for name in names if f"`{name}`" not in page("lake.md")] == []


def test_every_column_of_a_lineage_is_explained(lake: object) -> None:
    from sqlalchemy import text

    with lake.connect() as connection:
        columns = connection.execute(text("SELECT * FROM lake.lineage(1)")).keys()
    assert [name for name in columns if f"`{name}`" not in page("lake.md")] == []


def test_every_setting_of_the_service_is_listed_with_its_default() -> None:
    from api.http.settings import Settings

    readme = (ROOT / "README.md").read_text()
    for name, field in Settings.model_fields.items():
        default = "" if field.default is None else str(field.default)
        (line,) = [each for each in readme.splitlines() if each.startswith(f"| `ONCOLAKE_{name.upper()}` |")]
        assert default in line
