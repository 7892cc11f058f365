"""Binding: every name in a mapping resolved, with a finding for each that leads nowhere."""

from etl.mapping.bind.binder import Binding, bind

__all__ = ["Binding", "bind"]
