"""Generate a bundle of Athena's shape: ``python -m tests.benchmarks.athena --concepts N --out DIR``.

Nine files with 9 relationships, 6 ancestors and a synonym for each concept; the same for the same seed. Every
key is unique, every reference is met, every relationship has its reverse, and the ancestors follow from the
"Is a" relationships. Rows come in no order of their keys. ``--zip`` adds a zip of the files beside them.
"""

from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from tests.benchmarks.shape import ENGLISH, MILLIGRAM, Shape, is_standard
from tests.benchmarks.terms import (
    CLASSES,
    DOMAINS,
    IS_A,
    MAPS_TO,
    OTHERS,
    RELATIONS,
    VOCABULARIES,
    Names,
    Relation,
    zipf,
)
from tests.bundles import HEADERS, zipped
from vocabularies.concepts import Concept

DATES = ("19700101", "20020131", "20050101", "20100401", "20140301", "20170731", "20200106", "20230405")
DAYS = [f"{start}\t20991231\t\n" for start in DATES]
GONE = [f"{start}\t20240229\tD\n" for start in DATES]
REPLACED = [f"{start}\t20240229\tU\n" for start in DATES]


def _concepts(shape: Shape) -> Iterator[str]:
    random = shape.random("concepts")
    yield from _named_concepts(shape.named)
    some, names = zipf(len(VOCABULARIES), 0.5), Names(random)
    skip = len(shape.named)
    for block in shape.blocks:
        vocabulary = random.choices(range(len(VOCABULARIES)), cum_weights=some)[0]
        domains = [DOMAINS[vocabulary * 7 % len(DOMAINS)], DOMAINS[vocabulary % 10], DOMAINS[vocabulary % 3]]
        classes = [CLASSES[(vocabulary * 7 + step) % len(CLASSES)] for step in range(8)]
        kinds = [f"\t{random.choice(domains)}\t{VOCABULARIES[vocabulary]}\t{one}\t" for one in classes * 2]
        places = [place for place in block if place >= skip]
        for place, name in zip(places, names.take(len(places)), strict=True):
            lot = int(random.random() * 800)
            kind, days = kinds[lot % 16], DAYS
            if is_standard(place):
                flag = "S"
            else:
                flag = "C" if lot < 80 else ""
                days = GONE if 200 <= lot < 400 else REPLACED if lot >= 740 else DAYS
            yield f"{shape.ids[place]}\t{name}{kind}{flag}\t{_code(vocabulary, place)}\t{days[lot % 8]}"


def _named_concepts(concepts: Iterable[Concept]) -> Iterator[str]:
    for one in concepts:
        kind = "None\tUndefined\t\t" if one.concept_id == 0 else "Type Concept\tQualifier Value\tS\t"
        yield f"{one.concept_id}\t{one.concept_name}\t{one.domain_id}\t{kind}N{one.concept_id}\t{DAYS[0]}"


def _code(vocabulary: int, place: int) -> str:
    """A code that its vocabulary has once, in one of the forms that codes have."""
    match vocabulary % 4:
        case 0:
            return f"OMOP{place}"
        case 1:
            return f"{place:011d}"
        case 2:
            return f"{place * 7 + 100000}006"
        case _:
            return f"{'ABCDEFGHIJKLMNOPQRSTUVWXYZ'[place % 26]}{place // 2600:02d}.{place % 2600}"


def _synonyms(shape: Shape) -> Iterator[str]:
    random = shape.random("synonyms")
    names = Names(random, longest=900)
    for block in shape.blocks:
        which = random.choices(block, k=len(block))
        given: set[tuple[int, str]] = set()
        for place, name in zip(which, names.take(len(block)), strict=True):
            again = f" {len(given)}" if (place, name) in given else ""
            given.add((place, name))
            yield f"{shape.ids[place]}\t{name}{again}\t{ENGLISH}\n"


def _relationships(shape: Shape) -> Iterator[str]:
    random = shape.random("relationships")
    lot, ids, standard, count = random.random, shape.ids, shape.standard, len(shape.ids)
    # A concept has each third of the kinds once: that keeps keys unique.
    kinds = [(OTHERS[third::3], zipf(len(OTHERS[third::3]))) for third in range(3)]
    drawn = [iter(()), iter(()), iter(())]
    for rank, place in enumerate(standard):
        yield from _both(ids[place], ids[place], MAPS_TO, DAYS[0])
        if above := shape.above(rank)[:1]:
            yield from _both(ids[place], ids[standard[above[0]]], IS_A, DAYS[rank % 8])
    for block in shape.blocks:
        drawn = [random.choices(relations, cum_weights=weights, k=len(block)) for relations, weights in kinds]
        for place, *three in zip(block, *drawn, strict=True):
            one = ids[place]
            if not is_standard(place):
                yield from _both(one, ids[standard[int(lot() * len(standard))]], MAPS_TO, DAYS[place % 8])
            for relation in three:
                # Some concepts are related to many.
                far = lot()
                other = ids[int(far * far * count)]
                yield from _both(one, other, relation, (GONE if far > 0.9 else DAYS)[place % 8])


def _both(one: int, other: int, relation: Relation, days: str) -> Iterator[str]:
    yield f"{one}\t{other}\t{relation.there}\t{days}"
    yield f"{other}\t{one}\t{relation.back}\t{days}"


def _ancestors(shape: Shape) -> Iterator[str]:
    ids, standard = shape.ids, shape.standard
    parent, chain = -1, []
    for rank, place in enumerate(standard):
        above = shape.above(rank)
        if above and above[0] != parent:
            parent = above[0]
            chain = [
                (f"{ids[standard[higher]]}\t", f"\t{far}\t{far + higher % 3 * (far > 2)}\n")
                for far, higher in enumerate(above, 1)
            ]
        me = ids[place]
        yield f"{me}\t{me}\t0\t0\n"
        if above:
            yield "".join([f"{start}{me}{end}" for start, end in chain])


def _strengths(shape: Shape) -> Iterator[str]:
    """A strength for one concept in thirty."""
    ids = shape.ids
    for place in range(0, len(ids), 30):
        value = f"{(place * 37 % 5000 + 1) / 4:g}"
        other = ids[(place * 31 + 1) % len(ids)]
        if place % 60:
            yield f"{ids[place]}\t{other}\t\t\t{value}\t{MILLIGRAM}\t\t{MILLIGRAM}\t\t{DAYS[0]}"
        else:
            yield f"{ids[place]}\t{other}\t{value}\t{MILLIGRAM}\t\t\t\t\t{place % 9 or ''}\t{DAYS[0]}"


def _vocabularies(shape: Shape) -> Iterator[str]:
    for place, name in enumerate(VOCABULARIES):
        version = "v5.0 29-AUG-25" if name == "None" else f"{name} 2025" if place % 3 else ""
        where = "" if place % 20 == 7 else "https://example.org"
        yield f"{name}\t{name} (generated)\t{where}\t{version}\t{_meta(shape, place)}\n"


def _domains(shape: Shape) -> Iterator[str]:
    for place, name in enumerate(dict.fromkeys([*DOMAINS, *(one.domain_id for one in shape.named)])):
        yield f"{name}\t{name}\t{_meta(shape, 100 + place)}\n"


def _classes(shape: Shape) -> Iterator[str]:
    for place, name in enumerate(CLASSES):
        yield f"{name}\t{name}\t{_meta(shape, 200 + place)}\n"


def _kinds(shape: Shape) -> Iterator[str]:
    for place, one in enumerate(RELATIONS):
        flags = "1\t1" if one.hierarchical else "0\t0"
        for step, (name, reverse) in enumerate([(one.there, one.back), (one.back, one.there)]):
            concept = _meta(shape, 700 + 2 * place + step)
            yield f"{name}\t{name} (generated)\t{flags}\t{reverse}\t{concept}\n"


def _meta(shape: Shape, place: int) -> int:
    """The id of a concept that stands for a vocabulary, domain, class or relationship."""
    return shape.ids[place % len(shape.ids)]


FILES: dict[str, Callable[[Shape], Iterator[str]]] = {
    "CONCEPT_RELATIONSHIP": _relationships,
    "CONCEPT_ANCESTOR": _ancestors,
    "CONCEPT": _concepts,
    "CONCEPT_SYNONYM": _synonyms,
    "DRUG_STRENGTH": _strengths,
    "VOCABULARY": _vocabularies,
    "DOMAIN": _domains,
    "CONCEPT_CLASS": _classes,
    "RELATIONSHIP": _kinds,
}


def generate(folder: Path, shape: Shape) -> dict[str, int]:
    """Write the nine files into a folder; returns the rows of each. Two processes share the work."""
    folder.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        counts = {name: pool.submit(_write, folder, name, shape) for name in FILES}
        return {name: count.result() for name, count in counts.items()}


def _write(folder: Path, name: str, shape: Shape) -> int:
    rows = 0
    with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="\n", buffering=1 << 20) as file:
        file.write("\t".join(HEADERS[name]) + "\n")
        for lines in FILES[name](shape):
            file.write(lines)
            rows += lines.count("\n")
    return rows


def main() -> None:
    parser = ArgumentParser(prog="python -m tests.benchmarks.athena", description=__doc__)
    parser.add_argument("--concepts", type=int, default=100_000)
    parser.add_argument("--out", type=Path, required=True, help="folder for the files")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--zip", action="store_true", help="a zip beside the folder as well")
    given = parser.parse_args()
    for name, rows in generate(given.out, Shape(given.concepts, given.seed)).items():
        print(f"{name:<22}{rows:>12,}")
    if given.zip:
        print(zipped(given.out))


if __name__ == "__main__":
    main()
