"""240 queries as people have them: some words, a box, a time; near the data, of all sizes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
from pelagos.catalogue.query import Criteria
from pelagos.catalogue.records import Box, collection_id

from catalogue.corpus import INSTITUTES, KINDS, QUANTITIES, SEAS, SUITES, Corpus
from catalogue.truth import Query

COUNT = 240
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_KINDS = (
    ("text+box+time", 0.6), ("text+box", 0.1), ("text+time", 0.08), ("text", 0.06),
    ("box+time", 0.08), ("box", 0.05), ("time", 0.03),
)  # fmt: skip


def make(corpus: Corpus, count: int = COUNT, seed: int = 7) -> list[Query]:
    """Queries of every kind, in a mixed order; the hardest ones that we know are among them."""
    random = np.random.default_rng(seed)
    hard = _hard(corpus)
    kinds = [name for name, share in _KINDS for _ in range(round(share * count))]
    kinds = (kinds + ["text+box+time"] * count)[: count - len(hard)]
    found = [_one(corpus, kind, random) for kind in kinds] + hard
    return [found[number] for number in random.permutation(len(found))]


def _one(corpus: Corpus, kind: str, random: np.random.Generator) -> Query:
    near = int(random.integers(len(corpus)))
    words = _words(corpus, near, random) if "text" in kind else ()
    start, end = _time(corpus, near, random) if "time" in kind else (None, None)
    return _query(
        kind,
        words,
        box=_box(corpus, near, random) if "box" in kind else None,
        start=start,
        end=end,
        collections=_collections(corpus, near) if random.random() < 0.1 else (),
    )


def _query(
    kind: str,
    words: tuple[tuple[str, ...], ...] = (),
    box: Box | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    collections: tuple[str, ...] = (),
) -> Query:
    typed = " ".join(f'"{" ".join(one)}"' if len(one) > 1 else one[0] for one in words)
    criteria = Criteria(typed, box=box, start=start, end=end, collections=collections)
    return Query(criteria, words, kind)


def _words(corpus: Corpus, near: int, random: np.random.Generator) -> tuple[tuple[str, ...], ...]:
    """One to three words; mostly those of one granule, so that something is found."""
    suite = SUITES[corpus.suite[near]]
    kind = KINDS[corpus.kind(int(corpus.collection[near]))]
    quantity = QUANTITIES[suite[int(random.integers(len(suite)))]]
    pool: list[tuple[str, ...]] = [
        *((word,) for word in kind[3].lower().split()),
        tuple(SEAS[corpus.sea[near]][0].lower().split()),
        (SEAS[corpus.sea[near]][0].lower().split()[0],),
        (INSTITUTES[corpus.institute[near]],),
        tuple(corpus.platforms[corpus.platform[near]].lower().split()),
        *((word,) for word in quantity.name.lower().replace("-", " ").split() if len(word) > 2),
        tuple(quantity.standard_name.split("_")) or ("sea",),
        (f"{near:07}",),
    ]
    weights = np.array([3.0] * len(pool))
    weights[-1] = 0.5
    count = int(random.choice([1, 2, 3], p=[0.45, 0.4, 0.15]))
    picked = random.choice(
        len(pool), min(count, len(pool)), replace=False, p=weights / weights.sum()
    )
    return tuple(pool[int(number)] for number in picked)


def _box(corpus: Corpus, near: int, random: np.random.Generator) -> Box | None:
    if corpus.placeless[near]:
        return Box(-30, 30, 10, 60)
    width = float(np.exp(random.uniform(np.log(0.5), np.log(90))))
    height = min(width * float(random.uniform(0.3, 1)), 170)
    x = float(corpus.x0[near]) + float(random.uniform(-width / 2, width / 2))
    y = float(corpus.y0[near]) + float(random.uniform(-height / 2, height / 2))
    south, north = max(-90.0, y - height / 2), min(90.0, y + height / 2)
    return Box(_turn(x - width / 2), round(south, 2), _turn(x + width / 2), round(north, 2))


def _turn(x: float) -> float:
    return round((x + 180) % 360 - 180, 2)


def _time(
    corpus: Corpus, near: int, random: np.random.Generator
) -> tuple[datetime | None, datetime | None]:
    days = float(np.exp(random.uniform(np.log(3), np.log(12_000))))
    middle = _EPOCH + timedelta(seconds=int(corpus.start[near]))
    start = middle - timedelta(seconds=int(days * 86_400 * random.uniform(0.2, 0.8)))
    open_side = random.random()
    end = start + timedelta(seconds=int(days * 86_400))
    return (None if open_side < 0.08 else start), (None if open_side > 0.9 else end)


def _collections(corpus: Corpus, near: int) -> tuple[str, ...]:
    source, record = corpus.collections[int(corpus.collection[near])]
    return (collection_id(source, record.id),)


def _hard(corpus: Corpus) -> list[Query]:
    """Frequent words where little is, wide boxes with few matches, far ends of time."""
    tiny = Box(3.0, 43.0, 3.4, 43.3)
    wide = Box(-179.0, -89.0, 178.0, 88.0)
    pacific = Box(120.0, -60.0, -70.0, 60.0)
    early = datetime(1981, 1, 1, tzinfo=UTC)
    frequent = (("temperature",), ("profile",))
    rare = (("zooplankton",),)
    return [
        _query("hard", frequent, tiny),
        _query("hard", frequent, tiny, end=early),
        _query("hard", frequent, wide),
        _query("hard", frequent, pacific, start=datetime(2000, 1, 1, tzinfo=UTC)),
        _query("hard", (("temperature",), ("silicate",)), pacific),
        _query("hard", (("sea",),), Box(170.0, 80.0, -170.0, 90.0)),
        _query("hard", rare, wide, end=early),
        _query("hard", (("temperature",), ("station",)), pacific, end=early),
        _query("hard", (("of", "the", "water"),), pacific),
        _query("hard", (), tiny, end=early),
        _query("hard", (), Box(-180.0, 70.0, 180.0, 90.0), end=early),
        _query(
            "hard", (("climatology",), ("temperature",)), wide, datetime(2020, 1, 1, tzinfo=UTC)
        ),
        _query("hard", (("nothing",), ("such",)), wide),
        _query("hard"),
    ]
