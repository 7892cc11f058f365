"""docs/research.md: its query is the file's, and its output is what the commands that it names print."""

import json
from pathlib import Path

from tests.functional.conftest import Run

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "research.md").read_text(encoding="utf-8")
QUERY = ROOT / "docs" / "queries" / "coregistered.sql"


def coregistrations(cases: str) -> str:
    """A co-registration of the DWI in every second study that has one."""
    documents = []
    for line in cases.splitlines():
        series = {each["SeriesDescription"]: each for each in json.loads(line).get("dicom") or []}
        if "DWI axial" in series and "T2 TSE axial" in series:
            meta = {
                "source_series_uid": series["DWI axial"]["SeriesInstanceUID"],
                "static_series_uid": series["T2 TSE axial"]["SeriesInstanceUID"],
            }
            level = {"factor": 1, "level_iters": 10, "sigma": 0}
            step = {"registration_step_name": "rigid", "levels": [level]}
            parameters = {"registration_steps": [step], "nbins": 32, "sampling_prop": 0.1}
            documents.append({"curation_function": "coregistration", "meta": meta, "parameters": parameters})
    return "\n".join(map(json.dumps, documents[::2]))


def test_the_query_of_the_page_is_that_of_the_file() -> None:
    query = "\n".join(QUERY.read_text(encoding="utf-8").splitlines()[1:])
    assert f"```sql\n{query}\n```" in PAGE


def test_the_output_of_the_page_is_what_is_printed(run: Run, tmp_path: Path) -> None:
    cases = run("sample", 200).out
    for name, content, mappings in (
        ("cases.ndjson", cases, ()),
        ("curations.ndjson", coregistrations(cases), ("--mappings", "curation")),
    ):
        file = tmp_path / name
        file.write_text(content)
        assert run("ingest", *mappings, file).code in (0, 1), "values without a concept are told as well"
    said = run("sql", QUERY)
    assert said.code == 0
    assert f"```\n{said.out}```" in PAGE
    assert said.out.count("T2 TSE axial") > 3
    everybody = run("sql", "--format", "plain", "SELECT count(*) FROM research.series WHERE isup_grade >= 3")
    assert int(everybody.out) > said.out.count("T2 TSE axial"), "the query leaves some out"
