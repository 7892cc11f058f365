"""Values as DICOM clients read them: the DICOM JSON model of PS3.18, F."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from pydicom import Dataset

from api.http.dicom_json import datasets, element
from etl.find.attributes import known


@pytest.mark.parametrize(
    ("vr", "value", "written"),
    [
        ("LO", "T2 axial", ["T2 axial"]),
        ("LO", None, None),
        ("LO", "", None),
        ("CS", ["ORIGINAL", "PRIMARY"], ["ORIGINAL", "PRIMARY"]),
        ("CS", ["ORIGINAL", None, ""], ["ORIGINAL", None, None]),
        ("CS", [], None),
        ("CS", [None], None),
        ("DA", date(2000, 1, 21), ["20000121"]),
        ("DA", "2000-01-21", ["20000121"]),
        ("TM", "10:11:12.5", ["101112.5"]),
        ("UI", "1.2.3", ["1.2.3"]),
        ("PN", "Ångström^Åsa", [{"Alphabetic": "Ångström^Åsa"}]),
        (
            "PN",
            "Yamada^Tarou=山田^太郎=やまだ^たろう",
            [{"Alphabetic": "Yamada^Tarou", "Ideographic": "山田^太郎", "Phonetic": "やまだ^たろう"}],
        ),
        ("PN", "=山田^太郎", [{"Ideographic": "山田^太郎"}]),
        ("IS", 3, [3]),
        ("DS", Decimal("3.0"), [3]),
        ("DS", Decimal("1.5"), [1.5]),
        ("FD", [0, 800.5], [0, 800.5]),
        (
            "SQ",
            [{"CodeValue": "1", "CodeMeaning": None, "NoKeyword": 7}],
            [{"00080100": {"vr": "SH", "Value": ["1"]}, "00080104": {"vr": "LO"}}],
        ),
    ],
)
def test_a_value_is_written_by_its_representation(vr: str, value: Any, written: Any) -> None:
    assert element(vr, value) == ({"vr": vr} if written is None else {"vr": vr, "Value": written})


def test_rows_become_datasets_that_pydicom_reads() -> None:
    names = ("SeriesInstanceUID", "ImageType", "SeriesNumber", "PixelSpacing", "StudyDate")
    attributes = [known("series")[name] for name in names]
    rows = [
        ("1.2.1", ["ORIGINAL", "PRIMARY"], 1, [0.5, 0.5], date(2000, 1, 21)),
        ("1.2.2", None, 2, None, date(2000, 1, 21)),
    ]
    first, second = datasets(attributes, rows)
    assert list(first) == sorted(first)
    read = Dataset.from_json(first)
    assert [str(read[name].value) for name in names] == [
        "1.2.1", "['ORIGINAL', 'PRIMARY']", "1", "[0.5, 0.5]", "20000121",
    ]  # fmt: skip
    assert second["00280030"] == {"vr": "DS"}
    assert Dataset.from_json(second).SeriesInstanceUID == "1.2.2"


def test_values_that_repeat_are_each_their_own() -> None:
    attributes = [known("series")[name] for name in ("PixelSpacing", "ImageType")]
    spacing = [0.5, 0.5]
    rows = [(spacing, ["A"]), ([1, 2], ["A"]), (None, ["B", "C"]), (spacing, [])]
    written = [
        tuple(each[attribute.tag].get("Value") for attribute in attributes)
        for each in datasets(attributes, rows)
    ]
    assert written == [([0.5, 0.5], ["A"]), ([1, 2], ["A"]), (None, ["B", "C"]), ([0.5, 0.5], None)]
    assert datasets(attributes, []) == []
