"""Compiling: a bound mapping and a register of rule numbers to a Plan."""

from collections.abc import Mapping
from functools import cache
from importlib.resources.abc import Traversable
from typing import Any

from etl.identity import pack
from etl.mapping import bound, walk
from etl.mapping.bind import bind
from etl.mapping.findings import MappingError
from etl.mapping.folder import read_folder
from etl.mapping.generate import generate, row_columns, runtime
from etl.mapping.paths import Facts, Segments, json_path
from etl.mapping.plausible import plausible_of
from etl.plan import CasePaths, Plan, Rule, Run
from omop_schema.copy_text import NULL, escape

#: What the generated source may name besides builtins.
_NAMESPACE: Mapping[str, Any] = {
    "EMPTY": {},
    "NULL": NULL,
    "escape": escape,
    **{
        name: getattr(runtime, name)
        for name in (
            "ordinal",
            "days_after",
            "months_after",
            "years_after",
            "moved",
            "as_recorded",
            "instant",
            "as_json",
            "joined",
            "used_below",
            "cut",
            "overflow",
        )
    },
}


def read_mapping(path: Traversable) -> bound.Bound:
    """Read and bind a mapping folder. Raises MappingError when it has errors of its own."""
    binding = bind(read_folder(path))
    if binding.mapping is None:
        raise MappingError(binding.findings)
    return binding.mapping


def rules_of(mapping: bound.Bound, numbers: Mapping[str, int]) -> tuple[Rule, ...]:
    """Every rule with what the register keeps of it, in the mapping's order."""
    return tuple(
        Rule(
            number=numbers[rule.name],
            name=rule.name,
            each_path=json_path(rule.scope),
            sources=tuple(json_path(one.segments) for one in _telling_sources(rule)),
            target=rule.target.table,
            file=rule.place.file,
            line=rule.place.line,
        )
        for rule in mapping.every_rule()
    )


def provisional_numbers(mapping: bound.Bound) -> dict[str, int]:
    """Numbers in the mapping's order, for work without a database."""
    return {rule.name: number for number, rule in enumerate(mapping.every_rule(), 1)}


def compile_plan(mapping: bound.Bound, numbers: Mapping[str, int]) -> Plan:
    """Generate and load the transform of a mapping for these rule numbers.

    Raises OverflowError when a number has no room in a row id.
    """
    for number in numbers.values():
        pack(1, number)
    columns = row_columns(mapping.every_rule())
    code = generate(mapping, numbers, columns, trace=False)
    name = mapping.folder.mapping.name
    return Plan(
        mapping=name,
        digest=mapping.folder.digest,
        schema=mapping.folder.schema,
        case=CasePaths(**dict(mapping.folder.mapping.case)),
        rules=rules_of(mapping, numbers),
        columns=columns,
        ignored={json_path(segments): reason for segments, reason in mapping.ignored.items()},
        code=code,
        run=_load(code, name, "run"),
        trace=_traced(mapping, numbers, columns),
        plausible=tuple(plausible_of(mapping, numbers)),
        forms={name: tuple(map(str, form.use_cases)) for name, form in mapping.folder.mapping.forms.items()},
    )


def _traced(mapping: bound.Bound, numbers: Mapping[str, int], columns: Mapping[str, tuple[str, ...]]) -> Run:
    """The tracing twin, made when it is first called: only coverage needs it."""

    @cache
    def made() -> Run:
        code = generate(mapping, numbers, columns, trace=True)
        return _load(code, mapping.folder.mapping.name, "trace")

    def trace(*arguments: Any) -> tuple[str | None, str | None]:
        return made()(*arguments)

    return trace


def _load(code: str, name: str, function: str) -> Run:
    namespace = dict(_NAMESPACE)
    # The source is ours, generated from a mapping that the checker has seen; values of it are only literals.
    exec(compile(code, f"<mapping {name}: {function}>", "exec"), namespace)
    loaded: Run = namespace[function]
    return loaded


def _telling_sources(rule: bound.BoundRule) -> tuple[bound.Source, ...]:
    """The sources that hold the row's value: what it says first, then what its concept depends on."""
    if rule.target.concept_column is None:
        return (_item(rule.scope),)
    said = (*walk.sources(rule.drivers), *walk.sources(rule.concept))
    chosen = tuple(dict.fromkeys(said)) or tuple(dict.fromkeys(walk.sources((rule.when, rule.date))))
    return chosen or (_item(rule.scope),)


def _item(scope: Segments) -> bound.Source:
    return bound.Source(scope, Facts(frozenset()))
