"""Seconds by stage of an ingest, taken by wrapping what it calls."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from time import perf_counter
from typing import Any
from unittest.mock import patch

from etl import ingest, land, load, make, persons
from etl.validate import Validator


class Stages:
    """Sums of seconds by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    def of_calls(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **options: Any) -> Any:
            start = perf_counter()
            try:
                return function(*arguments, **options)
            finally:
                self.seconds[name] += perf_counter() - start

        return wrapped

    def of_items(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **options: Any) -> Iterator[Any]:
            items = iter(function(*arguments, **options))
            step = self.of_calls(name, lambda: next(items, self))
            while (item := step()) is not self:
                yield item

        return wrapped

    def notes(self, whole: float) -> tuple[str, ...]:
        """The stages of an ingest that took ``whole`` seconds; what belongs to none is the rest."""
        took = self.seconds
        land_own = took["land"] - took["land: COPY"]
        load_own = took["load"] - took["transform"] - took["load: COPY"]
        rest = whole - took["read"] - took["validate"] - took["land"] - took["load"]
        parts = {
            "read": took["read"],
            "validate": took["validate"],
            "land, COPY": took["land: COPY"],
            "land, SQL": land_own,
            "transform": took["transform"],
            "load, COPY with keys": took["load: COPY"],
            "load, SQL": load_own,
            "rest": rest,
        }
        lines = (f"{name:<22}{each:8.3f} s {100 * each / whole:5.1f} %" for name, each in parts.items())
        return (f"stages of one ingest of {whole:.3f} s:", *lines)


@contextmanager
def watched() -> Iterator[Stages]:
    """Sum up seconds by stage while the block runs."""
    stages = Stages()
    with ExitStack() as stack:
        for where, attribute, name, wrap in (
            (ingest, "read", "read", stages.of_items),
            (Validator, "violations", "validate", stages.of_calls),
            (ingest, "land", "land", stages.of_calls),
            (land, "copy", "land: COPY", stages.of_calls),
            (ingest, "load", "load", stages.of_calls),
            (make, "transform", "transform", stages.of_calls),
            (load, "copy", "load: COPY", stages.of_calls),
            (persons, "copy", "load: COPY", stages.of_calls),
        ):
            wrapped = wrap(name, getattr(where, attribute))
            stack.enter_context(patch.object(where, attribute, wrapped))
        yield stages
