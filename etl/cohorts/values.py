"""The values of a cohort's parameters in one run, and the name of a run that sets some of them."""

from collections.abc import Iterable, Mapping

from etl.cohorts.definition import Definition
from etl.cohorts.errors import CohortError
from etl.cohorts.header import Parameter, Value, parse

#: Of cohort_definition_name.
_LONGEST_NAME = 255


def settle(definition: Definition, settings: Iterable[str]) -> dict[str, Value]:
    """Every parameter with its value: the default, or what ``name=value`` sets. Raises CohortError."""
    declared = definition.header.parameters
    values = {name: parameter.default for name, parameter in declared.items()}
    for setting in settings:
        name, equals, written = setting.partition("=")
        if not equals:
            raise CohortError(f"'--set {name}': write NAME=VALUE")
        if name not in declared:
            raise CohortError(f"cohort '{definition.name}' has no parameter '{name}'; {_known(declared)}")
        values[name] = _value(name, declared[name], written)
    return values


def run_name(definition: Definition, values: Mapping[str, Value]) -> str:
    """The name of the cohort with these values, such as ``uc2`` or ``uc2:group=non_significant``.

    Only what differs from the default is said. Raises CohortError when it is too long for its column.
    """
    declared = definition.header.parameters
    said = [f"{name}={values[name]}" for name in declared if values[name] != declared[name].default]
    name = ":".join([definition.name, ",".join(said)]) if said else definition.name
    if len(name) > _LONGEST_NAME:
        raise CohortError(
            f"cohort '{definition.name}': the values set are too long for a name; set shorter ones"
        )
    return name


def _value(name: str, parameter: Parameter, written: str) -> Value:
    try:
        value = parse(parameter.type, written)
    except ValueError as error:
        raise CohortError(f"'--set {name}': {error}") from None
    if problem := parameter.objection(value):
        raise CohortError(f"'--set {name}': the value {problem}")
    return value


def _known(declared: Mapping[str, Parameter]) -> str:
    return f"it has {', '.join(declared)}" if declared else "it has none"
