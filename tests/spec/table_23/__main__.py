"""Prints docs/table-23.md."""

import sys
from importlib.resources import files

from etl.mapping.compile import read_mapping
from tests.spec.table_23.document import written

sys.stdout.write(written(read_mapping(files("mappings") / "prostate")))
