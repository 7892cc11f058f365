"""Load a bundle with another program, in that program's environment: it imports nothing of this project.

``python peer_load.py omop-lite|omop-alchemy URL FOLDER`` prints, last, one line of JSON: the ``seconds`` of
the load, the ``peak`` of memory in bytes, interpreter and libraries included, and what ``failed``.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

#: Rows of a file that omop-alchemy handles at once; whole files, its default, need more memory.
CHUNK = 100_000


def omop_lite(url: str, folder: Path) -> Iterator[str]:
    """Its default command: tables, data, keys, foreign keys and indexes of CDM v5.4."""
    from omop_lite.cli.main import app
    from sqlalchemy.engine import make_url

    given = make_url(url)
    named = {
        "--db-host": given.host,
        "--db-port": given.port or 5432,
        "--db-user": given.username,
        "--db-password": given.password,
        "--db-name": given.database,
        "--data-dir": folder,
        "--schema-name": "omop",
        "--log-level": "ERROR",
    }
    app([str(one) for pair in named.items() for one in pair], standalone_mode=False)
    yield from ()


def omop_alchemy(url: str, folder: Path) -> Iterator[str]:
    """Its tables, with the keys that they declare; then its loader of CSV files, within its bulk load.

    Gives a line for each file that it fails with.
    """
    import omop_alchemy.cdm.model  # noqa: F401
    from omop_alchemy.cdm.base import Base, bulk_load_context, create_db, get_table_by_name
    from sqlalchemy import create_engine, make_url
    from sqlalchemy.orm import Session

    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg2"))
    create_db(Base, engine)
    with Session(engine) as session, bulk_load_context(session):
        for file in sorted(folder.glob("*.csv")):
            table = get_table_by_name(file.stem)
            try:
                with session.begin_nested():
                    table.load_csv(session, file, chunksize=CHUNK)
            except Exception as error:
                yield f"{file.name}: {type(error).__name__}: {str(error).splitlines()[0]}"
        session.commit()


LOADERS = {"omop-lite": omop_lite, "omop-alchemy": omop_alchemy}


def peak_memory() -> int:
    """Most bytes that this process had in memory at once."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def main() -> None:
    name, url, folder = sys.argv[1:]
    start = perf_counter()
    failed = list(LOADERS[name](url, Path(folder)))
    print(json.dumps({"seconds": perf_counter() - start, "peak": peak_memory(), "failed": failed}))


if __name__ == "__main__":
    main()
