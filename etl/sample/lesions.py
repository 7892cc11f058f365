"""The lesions of a synthetic case, at baseline and as a follow-up finds them."""

from math import exp, pi
from random import Random
from typing import Any

from etl.sample import draws, later_shape, shape
from etl.sample.course import Course

Json = dict[str, Any]


def lesions(rng: Random, course: Course) -> list[Json]:
    """One to four lesions; the index lesion is the largest and of the highest grade, at any position."""
    more = exp(shape.LESIONS_BY_SEVERITY * course.severity)
    count = 1 + draws.pick_count(rng, tuple(share * more**extra for extra, share in enumerate(shape.LESIONS)))
    largest = 2 * shape.LARGEST_IN_GLAND * course.gland_radius
    diameter = min(shape.DIAMETER_MM.draw(rng, course.severity), largest)
    found = []
    for _ in range(1, count):
        smaller = diameter * rng.uniform(*shape.OTHER_DIAMETER)
        milder = course.grade - abs(rng.gauss(0, 1))
        found.append(_lesion(rng, course, smaller, milder, index=False))
    position = int(rng.random() * count)
    found.insert(position, _lesion(rng, course, diameter, course.grade, index=True))
    _tell_apart(rng, found, course.gland_radius)
    return found


def later(rng: Random, course: Course, years: int, *, progressed: bool, graded: bool) -> list[Json]:
    """The lesions so many years on: a little changed, or progressed; Gleason patterns only from a biopsy."""
    growth = rng.uniform(*later_shape.PROGRESSED_GROWTH) if progressed else 1
    growth *= rng.uniform(*later_shape.GROWTH_A_YEAR) ** years
    upgraded = shape.GLEASON.at(course.grade + later_shape.UPGRADE) if progressed else None
    return [_later(lesion, growth, upgraded, graded=graded) for lesion in course.lesions]


def _later(lesion: Json, growth: float, upgraded: tuple[int, int] | None, *, graded: bool) -> Json:
    first = max(round(lesion["diam1"] * growth), 1)
    second = min(max(round(lesion["diam2"] * growth), 1), first)
    ellipsoid = first * second**2 / (lesion["diam1"] * lesion["diam2"] ** 2)
    volume = lesion["volume"]
    gleason = (lesion["gleason1"], lesion["gleason2"])
    if upgraded and lesion["indexLesion"] and sum(upgraded) > sum(gleason):
        gleason = upgraded
    large = lesion["MRIVisible"] and first >= shape.PI_RADS_5_FROM_MM
    return lesion | {
        "diam1": first,
        "diam2": second,
        "volume": None if volume is None else round(volume * ellipsoid),
        "PI-RADS": 5 if large else lesion["PI-RADS"],
        "gleason1": gleason[0] if graded else None,
        "gleason2": gleason[1] if graded else None,
    }


def _lesion(rng: Random, course: Course, diameter: float, grade: float, *, index: bool) -> Json:
    first = max(round(diameter), shape.SMALLEST_MM)
    second = max(round(first * rng.uniform(*shape.SECOND_DIAMETER)), 1)
    volume = round(pi / 6 * first * second * second * rng.uniform(*shape.THIRD_DIAMETER))
    visible = first >= shape.VISIBLE_FROM_MM or rng.random() < shape.VISIBLE_SMALL
    outgrown = index and course.t[2] in "34"
    gleason = shape.GLEASON.at(grade)
    return {
        "diam1": first,
        "diam2": second,
        "volume": draws.or_gap(rng, volume, shape.VOLUME_GAP),
        "location": _sectors(rng, first),
        "X": None,
        "Y": None,
        "Z": None,
        "PI-RADS": _pi_rads(rng, course.severity, first, outgrown=outgrown) if visible else None,
        "gleason1": gleason[0],
        "gleason2": gleason[1],
        "MRIVisible": visible,
        "indexLesion": index,
    }


def _pi_rads(rng: Random, severity: float, diameter: int, *, outgrown: bool) -> int:
    if outgrown or diameter >= shape.PI_RADS_5_FROM_MM:
        return 5 if rng.random() < shape.PI_RADS_5_READ else 4
    return shape.PI_RADS.at(rng.gauss(severity, 1))


def _sectors(rng: Random, diameter: int) -> list[str]:
    """Neighbouring PI-RADS sectors of one zone and side, more of them the larger the lesion."""
    path = draws.pick(rng, shape.ZONES)
    side = "L" if rng.random() < 0.5 else "R"
    reach = min(1 + diameter // shape.MM_PER_SECTOR, len(path))
    start = int(rng.random() * (len(path) - reach + 1))
    return [sector.replace("?", side) for sector in path[start : start + reach]]


def _tell_apart(rng: Random, lesions: list[Json], radius: float) -> None:
    """Lesions that share a sector need coordinates (the form says so); X left, Y back, Z head, in mm."""
    for lesion in lesions:
        others = {sector for other in lesions if other is not lesion for sector in other["location"]}
        if not others.isdisjoint(lesion["location"]):
            level, side, *zone = lesion["location"][0]
            front = zone == ["A", "S"] or zone[-1] == "a"
            lesion["X"] = round((1 if side == "L" else -1) * radius * rng.uniform(0.1, 0.7), 1)
            lesion["Y"] = round((-1 if front else 1) * radius * rng.uniform(0.1, 0.7), 1)
            lesion["Z"] = round(radius * (shape.LEVEL_HEIGHT[level] + rng.uniform(-0.2, 0.2)), 1)
