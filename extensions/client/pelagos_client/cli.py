"""`pelagos-data`: search, order and follow orders from a terminal.

Exit codes: 0 done, 1 not done (why stands on stderr; of an estimate in its answer), 2 asked for in
a wrong way, 130 stopped.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pelagos_client import ordering
from pelagos_client.errors import PelagosError, QuestionError
from pelagos_client.hub_orders import SERVICE
from pelagos_client.items import SEARCH, Items, read_json
from pelagos_client.order_base import Order
from pelagos_client.order_model import Estimate
from pelagos_client.searching import collections, search
from pelagos_client.tables import lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    parsed = _parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], tuple[Any, str]] = parsed.run
    try:
        document, text = run(parsed)
    except PelagosError as error:
        sys.stderr.write(f"pelagos-data: {lines(error)}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    try:
        if parsed.json:
            print(_escaped(json.dumps(_plain(document), ensure_ascii=False, indent=1)))
        elif text:
            print(lines(text))
        sys.stdout.flush()
    except BrokenPipeError:  # such as `| head`
        sys.stderr.close()
    # whoever estimates in a script wants to know whether it can be ordered
    is_no = isinstance(document, Estimate) and (document.refused or not document.fits)
    return 1 if is_no else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pelagos-data",
        description="Find data of the ocean, order them, and follow orders. In a Pelagos VRE the "
        "data pool does it; elsewhere this program downloads into ./pelagos-orders.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, run: Any, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        command.add_argument("--json", action="store_true", help="print JSON")
        return command

    one = add("search", _search, "Search granules, or data sets with --collections.")
    one.add_argument("words", nargs="*", help="what to look for")
    one.add_argument("--collections", action="store_true", help="search data sets")
    one.add_argument("--save", metavar="FILE", help="write what was found, for `order FILE`")
    _asking(one)
    one.add_argument("--limit", type=int, default=100, help="at most so many (100)")
    for name, run, text in (
        ("estimate", _estimate, "What an order would be, without placing it."),
        ("order", _order, "Order granules."),
    ):
        one = add(name, run, text)
        one.add_argument("file", nargs="?", help="what `search --save` wrote, or query.json")
        one.add_argument("--item", action="append", default=[], metavar="I", help="an item's id")
        _asking(one)
        one.add_argument("--asset", action="append", metavar="A", help="only this asset")
        one.add_argument("--to", default="dataspace", help="dataspace, workspace, or a folder")
    one.add_argument("--title", default="", help="for you, to find it again")
    one.add_argument("--accept", action="append", default=[], metavar="KEY", help="accept terms")
    one.add_argument(
        "--virtual-lab", metavar="NAME", help="on behalf of which one; your server's if not given"
    )
    one.add_argument("--private-host", action="append", default=[], metavar="HOST:PORT",
                     help="a host that may be a private one, for a folder")  # fmt: skip
    one.add_argument("--again", metavar="ORDER", help="fetch an order again: number or folder")
    one.add_argument("--wait", action="store_true", help="wait until it is ready")
    one = add("orders", _orders, "List your orders, the newest first.")
    one.add_argument("--limit", type=int, default=50, help="at most so many (50)")
    for name, run, text in (
        ("status", _status, "How an order is."),
        ("wait", _wait, "Wait until an order is ready."),
        ("cancel", _cancel, "End an order."),
        ("retry", _retry, "Fetch what an order lacks."),
        ("cite", _cite, "How the data of an order want to be cited."),
        ("files", _files, "Paths of an order's files."),
    ):
        one = add(name, run, text)
        one.add_argument("order", help="its number, or its folder")
        if name in ("wait", "retry"):
            one.add_argument("--timeout", type=float, help="seconds to wait at most")
        if name == "retry":
            one.add_argument("--wait", action="store_true", help="wait until it is ready")
    return parser


def _asking(command: argparse.ArgumentParser) -> None:
    command.add_argument("--collection", action="append", metavar="C", help="a data set's id")
    command.add_argument("--bbox", metavar="W,S,E,N", help="degrees; write --bbox=-10,35,5,60")
    command.add_argument("--datetime", metavar="TIME", help="UTC, such as 2020-01/2020-06")
    command.add_argument("--variables", metavar="A,B", help="to cut out where a source can")
    command.add_argument("--url", help="a STAC API; the VRE's catalogue if not given")


def _search(parsed: argparse.Namespace) -> tuple[Any, str]:
    words = " ".join(parsed.words)
    known = {"bbox": parsed.bbox, "datetime": parsed.datetime, "url": parsed.url}
    if parsed.collections:
        data_sets = collections(words, limit=parsed.limit, **known)
        return {"collections": data_sets.documents}, str(data_sets)
    found = search(
        words,
        collections=parsed.collection,
        variables=parsed.variables,
        limit=parsed.limit,
        **known,
    )
    if parsed.save:
        found.save(parsed.save)
    return found.to_dict(), str(found)


def _chosen(parsed: argparse.Namespace) -> dict[str, Any]:
    """Items and how to cut them, from a file or by their identifiers."""
    cut = {"bbox": parsed.bbox, "datetime": parsed.datetime, "variables": parsed.variables}
    more: dict[str, Any] = {"to": parsed.to, "assets": parsed.asset, **cut}
    if bool(parsed.file) == bool(parsed.item):
        raise QuestionError(
            "Nothing is named to order.", "Give a file, or --collection and --item."
        )
    if parsed.file:
        return {"items": Items.load(parsed.file), **more}
    if len(parsed.collection or ()) != 1:
        raise QuestionError("--item needs one --collection.", "Give the data set that it is of.")
    keys = [(parsed.collection[0], item) for item in parsed.item]
    in_pool = SERVICE.configured() and parsed.to in (ordering.DATASPACE, ordering.WORKSPACE)
    if in_pool and not parsed.url:
        return {"items": Items([{"collection": c, "id": i} for c, i in keys]), **more}
    return {"items": ordering.look_up(keys, parsed.url), **more}


def _estimate(parsed: argparse.Namespace) -> tuple[Any, str]:
    found = ordering.estimate(**_chosen(parsed))
    return found, str(found)


def _order(parsed: argparse.Namespace) -> tuple[Any, str]:
    if parsed.again or _is_query(parsed.file):
        made = ordering.again(parsed.again or parsed.file, url=parsed.url)
    else:
        made = ordering.order(
            title=parsed.title,
            accept=parsed.accept,
            virtual_lab=parsed.virtual_lab,
            private_hosts=parsed.private_host,
            **_chosen(parsed),
        )
    return _followed(made, parsed)


def _is_query(file: str | None) -> bool:
    """Whether it is the query.json of an order, or an order's folder."""
    if not file:
        return False
    path = Path(file)
    if path.is_dir():
        return True
    document = read_json(path)
    return isinstance(document, dict) and "order" in document and SEARCH not in document


def _followed(
    order: Order, parsed: argparse.Namespace, timeout: float | None = None
) -> tuple[Any, str]:
    """What this program carries out by itself would end with it, so that is waited for."""
    from pelagos_client.local_orders import LocalOrder

    if parsed.wait or isinstance(order, LocalOrder):
        order.wait(timeout, progress=not parsed.json and sys.stdout.isatty())
    status = order.status
    return status, f"{order.number or status.folder}: {status}"


def _orders(parsed: argparse.Namespace) -> tuple[Any, str]:
    found = ordering.orders(parsed.limit)
    return found.statuses, str(found)


def _status(parsed: argparse.Namespace) -> tuple[Any, str]:
    order = ordering.get(parsed.order)
    return order.status, str(order)


def _wait(parsed: argparse.Namespace) -> tuple[Any, str]:
    order = ordering.get(parsed.order)
    order.wait(parsed.timeout, progress=not parsed.json and sys.stdout.isatty())
    return order.status, str(order)


def _cancel(parsed: argparse.Namespace) -> tuple[Any, str]:
    order = ordering.get(parsed.order)
    order.cancel()
    return order.status, str(order)


def _retry(parsed: argparse.Namespace) -> tuple[Any, str]:
    return _followed(ordering.get(parsed.order).retry(), parsed, parsed.timeout)


def _cite(parsed: argparse.Namespace) -> tuple[Any, str]:
    found = ordering.get(parsed.order).cite()
    return list(found), str(found)


def _files(parsed: argparse.Namespace) -> tuple[Any, str]:
    order = ordering.get(parsed.order)
    if parsed.json:
        return order.details(), ""
    return None, "\n".join(str(path) for path in order.files)


def _escaped(text: str) -> str:
    """JSON with all escaped that a terminal would obey; `json` leaves the upper half of it."""
    return re.sub(r"[\x7f-\x9f\u202a-\u202e\u2066-\u2069]", lambda c: f"\\u{ord(c[0]):04x}", text)


def _plain(value: Any) -> Any:
    """As JSON has it."""
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value.isoformat() if isinstance(value, datetime) else value
