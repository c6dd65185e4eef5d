"""Runs in an environment of its own, with pycsw: loads records, answers queries, says how long.

Standard input is lines of JSON: first the path of the database, then records, an empty line, and
queries (CSW 2.0.2 GetRecords in XML). Standard output is one line of JSON for each query.
"""

# ruff: noqa: S608
from __future__ import annotations

import json
import os
import sqlite3
import sys
import time
import warnings

_FIELDS = ("identifier", "title", "keywords", "anytext", "time_begin", "time_end", "wkt_geometry")
_ALL = (*_FIELDS, "date", "typename", "schema", "mdsource", "insert_date", "xml", "type")


def load(path: str) -> None:
    """Make the database as pycsw makes it, and fill it at once."""
    from pycsw.core import admin

    admin.setup_db(f"sqlite:///{path}", "records", os.path.dirname(path))
    connection = sqlite3.connect(path)
    sql = f"INSERT INTO records ({','.join(_ALL)}) VALUES ({','.join('?' * len(_ALL))})"
    connection.execute("PRAGMA synchronous = OFF")
    schema = "http://www.isotc211.org/2005/gmd"
    rows = []
    for line in sys.stdin:
        if not line.strip():
            break
        record = json.loads(line)
        more = (
            record["time_begin"],
            "gmd:MD_Metadata",
            schema,
            "local",
            "2026-01-01",
            "",
            "dataset",
        )
        rows.append((*(record[name] for name in _FIELDS), *more))
        if len(rows) == 10_000:
            connection.executemany(sql, rows)
            rows.clear()
    connection.executemany(sql, rows)
    connection.commit()
    connection.execute("ANALYZE")
    connection.commit()
    connection.close()


def main() -> None:
    """See above."""
    warnings.simplefilter("ignore")  # pycsw's own
    path = json.loads(sys.stdin.readline())
    started = time.perf_counter()
    load(path)
    print(json.dumps({"loaded": time.perf_counter() - started}), flush=True)
    from pycsw.server import Csw

    settings = {
        "server": {
            "home": os.path.dirname(path), "url": "http://localhost/", "mimetype": "text/xml",
            "encoding": "UTF-8", "language": "en-US", "maxrecords": "50", "profiles": "apiso",
        },
        "manager": {"transactions": "false"},
        "metadata:main": {},
        "repository": {"database": f"sqlite:///{path}", "table": "records"},
    }  # fmt: skip
    for line in sys.stdin:
        body = json.loads(line).encode()
        environment = {
            "REQUEST_METHOD": "POST", "QUERY_STRING": "", "SERVER_NAME": "localhost",
            "wsgi.url_scheme": "http", "SERVER_PORT": "80", "REQUEST_URI": "/",
        }  # fmt: skip
        started = time.perf_counter()
        began = time.process_time()
        server = Csw(settings, environment, version="2.0.2")
        server.requesttype = "POST"
        server.request = body
        status, content = server.dispatch()
        spent, processor = time.perf_counter() - started, time.process_time() - began
        answer = {
            "seconds": spent,
            "processor": processor,
            "status": status,
            "xml": content.decode(),
        }
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
