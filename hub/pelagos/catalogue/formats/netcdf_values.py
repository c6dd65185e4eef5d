"""Values of coordinate variables, in blocks, with what is missing or flagged bad left out."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from pelagos.catalogue.formats.extents import Floats
from pelagos.catalogue.formats.structure import Variable
from pelagos.catalogue.formats.summary import UnreadableError

VALUES_LIMIT = 20_000_000  # of one coordinate variable; more are not read
_BLOCK = 1 << 20  # values
_CHUNK_LIMIT = 256 * 2**20  # bytes that the library unpacks at once
_TEXTS_LIMIT = 2_000
# what the library writes where nothing was written (netcdf.h, NC_FILL_*)
_DEFAULT_FILLS = {"f": 9.969209968386869e36, "i2": -32767, "i4": -2147483647, "i8": -(2**63) + 2}
# "bad" and "missing" of the flag schemes of Argo (reference table 2) and SeaDataNet (L20)
_BAD = frozenset(b"49")
_FLAGS = ("{}_QC", "{}_SEADATANET_QC", "{}_qc")
_POSITION_FLAGS = ("POSITION_QC", "POSITION_SEADATANET_QC")


def size_of(variable: Variable) -> int:
    """How many values it has."""
    return math.prod(variable.shape)


def blocks(raw: Any) -> Iterator[tuple[Any, ...]]:
    """Indices that cut a netCDF4 variable into pieces of about a million values."""
    shape = tuple(int(length) for length in raw.shape)
    if not shape:
        yield (...,)
        return
    if 0 in shape:
        return
    chunks = raw.chunking() if hasattr(raw, "chunking") else None
    if isinstance(chunks, list) and math.prod(chunks) * 8 > _CHUNK_LIMIT:
        raise UnreadableError(f"{raw.name}: it is stored in pieces of more than 256 MiB")
    axis = 0
    while math.prod(shape[axis + 1 :]) > _BLOCK:
        axis += 1
    step = max(1, _BLOCK // math.prod(shape[axis + 1 :]))
    for head in itertools.product(*(range(length) for length in shape[:axis])):
        for start in range(0, shape[axis], step):
            yield (*head, slice(start, start + step))


def floats(raw: Any, variable: Variable, index: tuple[Any, ...]) -> Floats:
    """One block as flat floats; NaN for what is missing. `raw` gives values as they are stored."""
    try:
        stored = np.asarray(raw[index])
        values = stored.astype(np.float64).ravel()
    except (RuntimeError, OSError, ValueError, TypeError, IndexError, MemoryError) as error:
        raise UnreadableError(f"{variable.name}: its values can't be read: {error}") from error
    values[_missing(values, stored.dtype, variable)] = np.nan
    scale, offset = variable.numbers("scale_factor"), variable.numbers("add_offset")
    if len(scale) == 1:
        values *= scale[0]
    if len(offset) == 1:
        values += offset[0]
    return values


def _missing(values: Floats, dtype: np.dtype[Any], variable: Variable) -> Any:
    """CF 2.5.1: fill values, and what lies outside the valid range; all in stored units."""
    out = ~np.isfinite(values)
    fills = [*variable.numbers("_FillValue"), *variable.numbers("missing_value")]
    kind = dtype.kind + str(dtype.itemsize)
    fills.append(_DEFAULT_FILLS.get(kind, _DEFAULT_FILLS.get(dtype.kind, np.nan)))
    for fill in fills:
        # a fill of a float variable may stand in double precision
        out |= np.isclose(values, fill, rtol=1e-6, atol=0) if dtype.kind == "f" else values == fill
    bounds = variable.numbers("valid_range")
    least, greatest = bounds if len(bounds) == 2 else (-np.inf, np.inf)
    least = (variable.numbers("valid_min") or [least])[0]
    greatest = (variable.numbers("valid_max") or [greatest])[0]
    if least <= greatest:
        out |= (values < least) | (values > greatest)
    return out


def flags_of(variables: dict[str, Variable], variable: Variable, *, position: bool) -> str:
    """The name of the quality flags of a coordinate, of the same shape; "" if it has none."""
    names = [pattern.format(variable.name) for pattern in _FLAGS]
    for name in names + (list(_POSITION_FLAGS) if position else []):
        found = variables.get(name)
        if found and found.shape == variable.shape:
            return name
    return ""


def bad(raw: Any, index: tuple[Any, ...]) -> Any:
    """Which values of a block are flagged bad or missing, by the characters 4 and 9."""
    try:
        flags = np.asarray(raw[index]).ravel()
    except (RuntimeError, OSError, ValueError, TypeError, IndexError, MemoryError) as error:
        raise UnreadableError(f"{raw.name}: its values can't be read: {error}") from error
    if flags.dtype.kind == "S":
        return np.isin(flags, [bytes((one,)) for one in _BAD])
    if flags.dtype.kind in "iu":
        return np.isin(flags, list(_BAD))  # SeaDataNet: characters as bytes
    return np.zeros(flags.shape, dtype=bool)


def texts(raw: Any) -> list[str]:
    """The different texts of a variable of characters or strings; of its first 2,000 rows."""
    try:
        shape = tuple(int(length) for length in raw.shape)
        if raw.dtype is str:
            rows = math.prod(shape[1:]) or 1
            part = raw[: _TEXTS_LIMIT // rows + 1] if shape else raw[...]
            found = [str(one) for one in np.asarray(part, dtype=object).ravel()[:_TEXTS_LIMIT]]
        elif raw.dtype.kind == "S" and len(shape) in (1, 2) and shape[-1] <= 4096:
            part = np.asarray(raw[:_TEXTS_LIMIT] if len(shape) == 2 else raw[:])
            rows_of = part.reshape(-1, shape[-1]) if shape[-1] else part.reshape(0, 0)
            found = [row.tobytes().decode("utf-8", "replace") for row in rows_of]
        else:
            return []
    except (RuntimeError, OSError, ValueError, TypeError, IndexError, MemoryError) as error:
        raise UnreadableError(f"{raw.name}: its text can't be read: {error}") from error
    cleaned = (text.strip(" \t\r\n\x00") for text in found)
    return list(dict.fromkeys(text for text in cleaned if text))
