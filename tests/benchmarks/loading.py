"""Loading a bundle in a process of its own, so that its memory is measured alone.

That process prints one line of JSON: the ``seconds`` of the load itself, the ``rows`` loaded, what the
``report`` has, and the ``peak`` of memory in bytes, interpreter and libraries included.
"""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

from omop_schema.database import SETTING, open_engine
from tests.benchmarks.measure import timed
from vocabularies.athena.load import load

ROOT = Path(__file__).parents[2]


def load_apart(url: str, path: Path) -> dict[str, Any]:
    """Load the bundle into the database, in another process; what that printed."""
    command = [sys.executable, "-c", f"from {__name__} import main; main()", str(path)]
    environment = {**os.environ, SETTING: url}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, encoding="utf-8", check=True
    )
    return json.loads(done.stdout)


def peak_memory() -> int:
    """Most bytes that this process had in memory at once."""
    status = Path("/proc/self/status")
    if status.exists():
        # Not getrusage: there a child begins with the peak of its parent.
        found = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(found.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> None:
    with open_engine() as engine:
        seconds, outcome = timed(lambda: load(engine, Path(sys.argv[1])))
    rows = sum(one.loaded for one in outcome.rows.values())
    counts = [f"{group.file}: {group.kind}: {count}" for group, count in outcome.report.counts.items()]
    told = {
        "seconds": seconds,
        "loaded": outcome.loaded,
        "rows": rows,
        "report": counts,
        "peak": peak_memory(),
    }
    print(json.dumps(told))
