"""The shipped annexes: what headers say of a series, and what curation documents become."""

import json
from collections.abc import Mapping
from copy import deepcopy
from importlib.resources import files
from typing import Any

import jsonschema_rs
import pytest

from etl.coverage import cover
from etl.mapping.compile import compile_plan, provisional_numbers, read_mapping
from etl.mapping.paths import leaves
from etl.plan import CaseKey, CasePaths, Plan
from etl.transform import Result, decode, transform
from etl.validate import Validator
from tests import mini

KEY = CaseKey(7, 3, None)


def plan_of(name: str) -> Plan:
    mapping = read_mapping(files("mappings") / name)
    return compile_plan(mapping, provisional_numbers(mapping))


DICOM, CURATION = plan_of("dicom"), plan_of("curation")
PLANS = {"dicom": DICOM, "curation": CURATION}
SAMPLES = {
    name: json.loads((files("mappings") / "curation" / "samples" / f"{name}.json").read_bytes())
    for name in ("coregistration", "motion_correction", "approval", "segmentation")
}
HEADER: dict[str, Any] = {
    "PatientID": "P1",
    "StudyInstanceUID": "1.2",
    "SeriesInstanceUID": "1.2.3",
    "StudyDate": "1999-05-06",
    "SeriesDate": "1999-05-07",
    "StudyDescription": "MRI prostate",
    "Modality": "MR",
    "ImageType": ["ORIGINAL", "PRIMARY", "M"],
    "WindowCenter": [40.0],
    "WindowWidth": [80, 160.5],
    "SeriesNumber": 4,
    "NumberOfInstances": 24,
    "NumberOfTemporalPositions": 2,
    "Rows": 512,
    "Columns": 384,
    "SliceThickness": 3,
    "FrameOfReferenceUID": "1.2.9",
    "SeriesDescription": "T2 TSE axial",
    "ProtocolName": "t2_tse",
    "BodyPartExamined": "PROSTATE",
    "Laterality": "R",
    "Manufacturer": "SIEMENS",
    "ManufacturerModelName": "Skyra",
    "MagneticFieldStrength": 3,
    "RepetitionTime": 4000,
    "EchoTime": 101.5,
    "AcquisitionPlane": "axial",
    "MRAcquisitionType": "2D",
}
WHOLE = json.dumps(HEADER, separators=(",", ":"))


def only(plan: Plan, result: Result, table: str) -> dict[str, str]:
    """The one row of a table, without NULL and 0."""
    (line,) = result.rows[table]
    return {name: value for name, value in decode(plan, table, line).items() if value not in (None, "0")}


def rows(document: Mapping[str, Any]) -> mini.Shown:
    return mini.show(CURATION, transform(CURATION, document, KEY))


def changed(name: str, path: str, value: Any) -> dict[str, Any]:
    """A sample with another value at a path of keys and numbers."""
    document = place = deepcopy(SAMPLES[name])
    *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    for step in steps:
        place = place[step]
    place[last] = value
    return document


def test_a_header_becomes_its_study_and_its_series() -> None:
    result = transform(DICOM, HEADER, KEY)
    first, second = (str((7 << 32) + (number << 20)) for number in (1, 2))
    assert only(DICOM, result, "radiology_occurrence") == {
        "radiology_occurrence_id": first,
        "person_id": "3",
        "radiology_occurrence_date": "1999-05-06",
        "radiology_occurrence_datetime": "1999-05-06 00:00:00",
        "radiology_modality_concept_id": "4013636",
        "study_instance_uid": "1.2",
        "study_description": "MRI prostate",
        "attributes": WHOLE,
    }
    assert only(DICOM, result, "radiology_image") == {
        "image_id": second,
        "person_id": "3",
        "image_type": r"ORIGINAL\PRIMARY\M",
        "image_no": "4",
        "phase_total_no": "2",
        "image_resolution_rows": "512",
        "image_resolution_columns": "384",
        "image_window_level_center": "40",
        "image_window_level_width": r"80\160.5",
        "image_slice_thickness": "3",
        "series_instance_uid": "1.2.3",
        "study_instance_uid": "1.2",
        "frame_of_reference_uid": "1.2.9",
        "series_date": "1999-05-07",
        "series_datetime": "1999-05-07 00:00:00",
        "modality": "MR",
        "modality_concept_id": "4013636",
        "series_description": "T2 TSE axial",
        "protocol_name": "t2_tse",
        "body_part_examined": "PROSTATE",
        "laterality": "R",
        "image_count": "24",
        "manufacturer": "SIEMENS",
        "manufacturer_model_name": "Skyra",
        "magnetic_field_strength": "3",
        "repetition_time": "4000",
        "echo_time": "101.5",
        "acquisition_plane": "axial",
        "mr_acquisition_type": "2D",
        "attributes": WHOLE,
    }
    assert result.told == ()
    assert (result.rows["person"], result.first_date, result.last_date) == ([], None, None)


def test_a_header_of_uids_alone_is_enough() -> None:
    bare = {key: HEADER[key] for key in ("PatientID", "StudyInstanceUID", "SeriesInstanceUID")}
    assert jsonschema_rs.is_valid(DICOM.schema, bare)
    whole = json.dumps(bare, separators=(",", ":"))
    assert mini.show(DICOM, transform(DICOM, bare, KEY)) == mini.Shown(
        [
            f"radiology_occurrence study study_instance_uid=1.2 attributes={whole}",
            f"radiology_image series series_instance_uid=1.2.3 study_instance_uid=1.2 attributes={whole}",
        ],
        [],
    )


def test_a_modality_without_a_concept_is_told_and_kept() -> None:
    result = transform(DICOM, {**HEADER, "Modality": "SEG"}, KEY)
    assert {(one.kind, one.path) for one in result.told} == {("unmapped", "$.Modality")}
    assert only(DICOM, result, "radiology_image")["modality"] == "SEG"


def test_an_exposure_time_has_its_unit() -> None:
    row = only(DICOM, transform(DICOM, {**HEADER, "ExposureTime": 500}, KEY), "radiology_occurrence")
    assert (row["image_exposure_time"], row["image_exposure_time_unit_concept"]) == ("500", "ms")


def test_every_value_of_a_header_is_mapped() -> None:
    assert [leaf for leaf in cover(DICOM, HEADER) if leaf.fate != "mapped"] == []


def test_how_a_case_is_known() -> None:
    assert DICOM.case == CasePaths("PatientID", "SeriesInstanceUID", None)
    assert CURATION.case == CasePaths(None, None, None, "meta.source_series_uid")


@pytest.mark.parametrize("name", SAMPLES)
def test_the_samples_are_valid_and_every_value_is_mapped(name: str) -> None:
    assert Validator(CURATION.schema).violations(SAMPLES[name]) == ()
    lost = [leaf.path for leaf in cover(CURATION, SAMPLES[name]) if leaf.fate != "mapped"]
    assert lost == (["$.segments[0].label"] if name == "segmentation" else [])


@pytest.mark.parametrize("name", ["coregistration", "motion_correction"])
def test_appendix_b_comes_back_from_its_rows(name: str) -> None:
    sample = SAMPLES[name]
    result = transform(CURATION, sample, KEY)
    run = only(CURATION, result, "curation_run")
    steps = [decode(CURATION, "registration_step", line) for line in result.rows["registration_step"]]
    levels = [decode(CURATION, "registration_level", line) for line in result.rows["registration_level"]]
    again = {
        "curation_function": run["curation_function"],
        "meta": {
            key: run[key] for key in ("source_series_uid", "static_series_uid") if run.get(key) is not None
        },
        "parameters": {
            "registration_steps": [
                {
                    "registration_step_name": step["step_name"],
                    "levels": [
                        {key: float(level[key] or 0) for key in ("factor", "level_iters", "sigma")}
                        for level in levels
                        if level["registration_step_id"] == step["registration_step_id"]
                    ],
                }
                for step in steps
            ],
            "nbins": int(run["nbins"]),
            "sampling_prop": float(run["sampling_prop"]),
        },
    }
    assert again == sample
    assert json.loads(run["parameters"]) == sample["parameters"]
    assert [step["step_number"] for step in steps] == ["1", "2", "3"]
    assert [level["level_number"] for level in levels] == ["1", "2", "3"] * 3
    assert {step["curation_run_id"] for step in steps} == {run["curation_run_id"]}
    assert result.told == ()


def test_who_did_it_when_and_with_what() -> None:
    document = deepcopy(SAMPLES["motion_correction"])
    document["meta"] |= {
        "derived_series_uid": "1.9",
        "performed_by": "curator-7",
        "performed_at": "2022-03-01T00:30:00+02:00",
        "tool": {"name": "curation tool", "version": "2.1"},
    }
    assert Validator(CURATION.schema).violations(document) == ()
    run = only(CURATION, transform(CURATION, document, KEY), "curation_run")
    assert {key: run[key] for key in run if key not in ("parameters", "person_id", "curation_run_id")} == {
        "curation_function": "motion_correction",
        "source_series_uid": document["meta"]["source_series_uid"],
        "derived_series_uid": "1.9",
        "performed_by": "curator-7",
        "performed_at": "2022-02-28 22:30:00",
        "tool_name": "curation tool",
        "tool_version": "2.1",
        "nbins": "32",
        "sampling_prop": "0.1",
    }
    assert [leaf for leaf in cover(CURATION, document) if leaf.fate != "mapped"] == []


def test_a_decision() -> None:
    meta = SAMPLES["approval"]["meta"]
    assert rows(SAMPLES["approval"]) == mini.Shown(
        [
            f"curation_approval approval source_series_uid={meta['source_series_uid']}"
            f" derived_series_uid={meta['derived_series_uid']} decision=approved decided_by=curator-7"
            " decided_at='2022-03-01 13:05:00'"
        ],
        [],
    )


def test_segments_and_what_was_measured_in_them() -> None:
    meta = SAMPLES["segmentation"]["meta"]
    made = (
        " alg_system=region-growing alg_datetime='2022-03-02 09:30:00'"
        f" series_instance_uid={meta['source_series_uid']}"
        f" segmentation_series_uid={meta['derived_series_uid']} segment_number={{}} alg_type=SEMIAUTOMATIC"
        ' alg_version=1.4.2 alg_parameters={{"threshold":0.35,"smoothing":true}}'
        " image_feature_source_value="
    )
    volume = "original_shape_MeshVolume value_as_number={} unit_concept_id=8686 unit_source_value=mm3"
    sector = " anatomic_site_concept_id=37396929"
    assert rows(SAMPLES["segmentation"]) == mini.Shown(
        [
            "image_feature segment[0] 0" + made.format(1) + "prostate",
            "image_feature segment[1] 4115735" + sector + made.format(2) + "lesion",
            "image_feature feature[0][0] 0" + made.format(1) + volume.format(45210.5),
            "image_feature feature[1][0] 0" + sector + made.format(2) + volume.format(402.7),
            "image_feature feature[1][1] 0"
            + sector
            + made.format(2)
            + "original_firstorder_Entropy value_as_number=3.21",
        ],
        ["segment: unmapped $.segments[0].label: no concept for this value in 'segment'"],
    )


@pytest.mark.parametrize(
    ("document", "path", "reason"),
    [
        (changed("approval", "parameters", {}), "$", "unknown key 'parameters'"),
        (changed("approval", "approval.decision", "maybe"), "$.approval.decision", "must be one of"),
        (changed("approval", "approval.decided_at", "2022-03-01"), "$.approval.decided_at", "date-time"),
        (changed("approval", "meta.static_series_uid", "1.2"), "$.meta", "unknown key 'static_series_uid'"),
        (changed("coregistration", "segments", []), "$", "unknown key 'segments'"),
        (changed("coregistration", "meta.tool", {"version": "1"}), "$.meta.tool", "'name' is missing"),
        (changed("segmentation", "segments", []), "$.segments", "at least 1 item"),
        (changed("segmentation", "segments.0.number", 0), "$.segments[0].number", "at least 1"),
        (changed("segmentation", "segments.0.label", " x"), "$.segments[0].label", "pattern"),
        (changed("segmentation", "algorithm.type", "AI"), "$.algorithm.type", "must be one of"),
        (changed("segmentation", "meta.performed_by", "x"), "$.meta", "unknown key 'performed_by'"),
        (
            changed("segmentation", "segments.1.features.0.value", "12"),
            "$.segments[1].features[0].value",
            "must be a number",
        ),
    ],
)
def test_what_is_no_document_of_its_function(document: dict[str, Any], path: str, reason: str) -> None:
    found = Validator(CURATION.schema).violations(document)
    assert path in {one.path for one in found}
    assert any(one.path == path and reason in one.reason for one in found), found


@pytest.mark.parametrize(
    ("name", "gone"),
    [
        ("approval", "approval"),
        ("approval", "meta.derived_series_uid"),
        ("segmentation", "algorithm"),
        ("segmentation", "segments"),
        ("motion_correction", "parameters"),
        ("coregistration", "meta.static_series_uid"),
    ],
)
def test_what_a_function_needs(name: str, gone: str) -> None:
    document = deepcopy(SAMPLES[name])
    *above, last = gone.split(".")
    del (document[above[0]] if above else document)[last]
    (found,) = Validator(CURATION.schema).violations(document)
    assert found.reason == f"'{last}' is missing"


@pytest.mark.parametrize("name", PLANS)
def test_every_place_of_the_document_has_a_label(name: str) -> None:
    assert [segments for segments, facts in leaves(PLANS[name].schema) if not facts.title] == []
