"""The DICOM series of a synthetic case: one MRI examination of its site's scanner."""

from random import Random
from typing import Any

from etl.sample import draws, later_shape
from etl.sample.course import Course

Json = dict[str, Any]


def images(rng: Random, course: Course) -> list[Json] | None:
    """Two to seven series of one study, of some patients; UIDs under 2.25 are DICOM's random ones."""
    if rng.random() >= later_shape.WITH_IMAGES:
        return None
    study = _uid(rng)
    scanner = draws.one_of(rng, later_shape.SCANNERS[course.site.name])
    slices = rng.randint(*later_shape.SLICES)
    protocols = [protocol for protocol in later_shape.PROTOCOLS if rng.random() < protocol.share]
    return [
        {"StudyInstanceUID": study, "SeriesInstanceUID": _uid(rng), "Modality": "MR"}
        | _series(rng, protocol, slices)
        | {
            "Manufacturer": scanner.manufacturer,
            "ManufacturerModelName": scanner.model,
            "MagneticFieldStrength": scanner.tesla,
            "daysAfterBaseline": draws.or_gap(rng, course.mri_day, later_shape.IMAGE_GAP),
        }
        for protocol in protocols
    ]


def _uid(rng: Random) -> str:
    """A UID as DICOM derives it from a random UUID (PS3.5 B.2)."""
    return f"2.25.{rng.getrandbits(128)}"


def _series(rng: Random, protocol: later_shape.Protocol, slices: int) -> Json:
    matrix = draws.one_of(rng, protocol.matrix)
    spacing = round(protocol.view / matrix, 4)
    return {
        "SeriesDescription": draws.or_gap(rng, protocol.description, later_shape.IMAGE_GAP),
        "AcquisitionPlane": protocol.plane,
        "SliceThickness": protocol.thickness,
        "PixelSpacing": [spacing, spacing],
        "Rows": matrix,
        "Columns": matrix,
        "NumberOfInstances": slices * draws.one_of(rng, protocol.repeats),
    }
