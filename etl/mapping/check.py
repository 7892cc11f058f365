"""The checker: everything that can be said about a mapping before any data is seen."""

from collections.abc import Iterable, Iterator, Mapping
from importlib.resources.abc import Traversable

from etl.identity import LEVEL_BITS, capacities
from etl.mapping import bound
from etl.mapping.bind import bind
from etl.mapping.findings import Finding, MappingError, finding
from etl.mapping.folder import Folder, Place, read_folder
from etl.mapping.paths import Segments, depth, json_path, leaves, lists_above, resolve
from etl.mapping.tables import COLUMN_DOMAINS, TARGETS
from vocabularies.concepts import Concept


def check(path: Traversable, concepts: Mapping[int, Concept]) -> list[Finding]:
    """Every finding of a mapping folder against a vocabulary, sorted by file and line."""
    try:
        folder = read_folder(path)
    except MappingError as error:
        return list(error.findings)
    mapping, findings, uses = bind(folder)
    # Paths of a rule that is not understood would count as left out, so ask only when all are.
    schema = () if mapping is None else _schema_findings(mapping)
    return sorted({*findings, *schema, *_concept_findings(folder, uses, concepts)})


def examine(path: Traversable) -> tuple[bound.Bound | None, list[Finding]]:
    """Read and bind a mapping folder; the mapping is None when that found errors."""
    try:
        folder = read_folder(path)
    except MappingError as error:
        return None, list(error.findings)
    binding = bind(folder)
    return binding.mapping, binding.findings


def check_bound(mapping: bound.Bound, concepts: Mapping[int, Concept]) -> list[Finding]:
    """What a mapping says against its schema as a whole and against a vocabulary."""
    uses = _concept_findings(mapping.folder, mapping.concepts, concepts)
    return sorted({*_schema_findings(mapping), *uses})


def _schema_findings(mapping: bound.Bound) -> Iterator[Finding]:
    yield from _leaves_left_out(mapping)
    yield from _too_many_items(mapping)
    age = resolve(mapping.folder.schema, mapping.age.segments)
    if age is not None and not age.required:
        place = mapping.folder.mapping_file.place("person", "age")
        where = json_path(mapping.age.segments)
        message = f"'{where}' may be missing, but person.year_of_birth needs it: require it in the schema"
        yield _finding("missing-column", place, message)


def _leaves_left_out(mapping: bound.Bound) -> Iterator[Finding]:
    used = set(_used_paths(mapping))
    for segments, _ in leaves(mapping.folder.schema):
        covered = any(segments[: len(one)] == one for one in mapping.ignored)
        if segments not in used and not covered:
            message = f"'{json_path(segments)}' is neither mapped nor in 'ignore'"
            yield _finding("unmapped-path", Place(mapping.folder.mapping.schema_, 1), message)


def _used_paths(mapping: bound.Bound) -> Iterator[Segments]:
    case = mapping.folder.mapping.case
    yield from ((key,) for key in (case.patient, case.form, case.site) if key is not None)
    parts = (mapping.age, mapping.person, mapping.anchor and (mapping.anchor.when, mapping.anchor.source))
    yield from (one.segments for one in bound.sources(parts))
    for rule in mapping.every_rule():
        yield from (one.segments for one in bound.rule_sources(rule))


def _too_many_items(mapping: bound.Bound) -> Iterator[Finding]:
    for rule in mapping.every_rule():
        if depth(rule.scope) not in LEVEL_BITS:
            levels = max(LEVEL_BITS)
            yield _finding(
                "too-many-items", rule.place, f"'{rule.name}' stands in more than {levels} nested lists"
            )
            continue
        limits = capacities(depth(rule.scope))
        for scope, limit in zip(lists_above(rule.scope), limits, strict=True):
            facts = resolve(mapping.folder.schema, scope[:-1])
            if facts is not None and (facts.max_items is None or facts.max_items > limit):
                allowed = "any number of" if facts.max_items is None else facts.max_items
                where = json_path(scope[:-1])
                message = f"'{where}' allows {allowed} items, row ids have room for {limit}: set maxItems"
                yield _finding("too-many-items", rule.place, message)


def _concept_findings(
    folder: Folder, uses: tuple[bound.ConceptUse, ...], concepts: Mapping[int, Concept]
) -> Iterator[Finding]:
    yield from _two_names(uses)
    accepted = {(one.finding, one.concept): one.why for one in folder.mapping.accept}
    placeholders: dict[int, Place] = {}
    for use in dict.fromkeys(uses):
        concept = concepts.get(use.concept)
        if concept is None:
            yield _finding("unknown-concept", use.place, f"{_named(use)} is not in the vocabulary")
        elif concept.concept_id != 0:
            if concept.placeholder:
                placeholders.setdefault(concept.concept_id, use.place)
            for kind, message in _against(use, concept):
                why = accepted.get((kind, use.concept))
                if why is None:
                    yield _finding(kind, use.place, message)
                else:
                    yield Finding(use.place.file, use.place.line, kind, f"{message}; accepted: {why}", "note")
    if placeholders:
        message = f"{len(placeholders)} concepts are placeholders until an Athena vocabulary is loaded"
        yield _finding(
            "placeholder", min(placeholders.values(), key=lambda one: (one.file, one.line)), message
        )


def _against(use: bound.ConceptUse, concept: Concept) -> Iterator[tuple[str, str]]:
    """What the vocabulary has to say against one use of a concept."""
    named = _named(use)
    if use.name is not None and use.name != concept.concept_name:
        yield (
            "other-name",
            f"concept {use.concept} is '{concept.concept_name}' in the vocabulary, not '{use.name}'",
        )
    if not concept.valid:
        yield "invalid-concept", f"{named} is deprecated (invalid_reason {concept.invalid_reason})"
    domains = _domains(use)
    if domains and concept.domain_id not in domains:
        where, want = f"{use.table}.{use.column}", " or ".join(sorted(domains))
        yield "wrong-domain", f"{named} has domain {concept.domain_id}; {where} takes {want}"
    if concept.standard_concept != "S" and not concept.placeholder:
        yield "not-standard", f"{named} is not a standard concept"


def _domains(use: bound.ConceptUse) -> frozenset[str]:
    target = TARGETS.get(use.table)
    if target is not None and use.column == target.concept_column:
        return target.domains
    return COLUMN_DOMAINS.get(use.column, frozenset())


def _two_names(uses: Iterable[bound.ConceptUse]) -> Iterator[Finding]:
    first: dict[int, bound.ConceptUse] = {}
    for use in uses:
        if use.name is None:
            continue
        other = first.setdefault(use.concept, use)
        if other.name != use.name:
            where = f"{other.place.file}:{other.place.line}"
            yield _finding(
                "two-names",
                use.place,
                f"concept {use.concept} is '{use.name}' here and '{other.name}' in {where}",
            )


def _named(use: bound.ConceptUse) -> str:
    return f"concept {use.concept} '{use.name}'" if use.name else f"concept {use.concept}"


def _finding(kind: str, place: Place, message: str) -> Finding:
    return finding(kind, place.file, place.line, message)
