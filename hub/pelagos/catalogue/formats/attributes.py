"""What attributes say: of a data set (ACDD 1.3, CF 2.6.2, SeaDataNet, Argo), of its variables."""

from __future__ import annotations

import contextlib
import re
from datetime import datetime

from pelagos.catalogue.formats.coordinates import PRESSURE_UNITS
from pelagos.catalogue.formats.structure import Structure, Variable
from pelagos.catalogue.records import Parameter, Provider, RecordError
from pelagos.catalogue.rights import find_doi
from pelagos.catalogue.values import parse_box, parse_interval, parse_moment

_LIMIT = 20_000  # characters of a description
_KEYWORDS, _KEYWORD = 100, 200
_PARAMETERS = 200
_ONLY_DOI = re.compile(
    r"(?:doi:?\s*|https?://(?:dx\.)?doi\.org/)*10\.\d{4,9}/[^\s\"<>]+", re.IGNORECASE
)
_NAME = re.compile(r"[a-z][a-z0-9_]{1,200}")
_SERVING = re.compile(  # flags, errors, masks, bounds, counters, by the end of their names
    r"(.*(_qc|_qc_.*|flags?|_err|_sigfigs|_row_size|_quality.*|_status|mask|_bnds|_bounds"
    r"|_vertices)|.*error.*|history_.*|representative_park_.*)",
    re.IGNORECASE,
)
_FLAG_NAMES = ("flag_values", "flag_masks", "flag_meanings", "cf_role", "sample_dimension")
_MODIFIED = ("status_flag", "standard_error", "number_of_observations", "detection_minimum")
_MASKS = ("land_binary_mask", "sea_binary_mask")
_COORDINATES = {
    "latitude", "longitude", "time", "depth", "altitude", "projection_x_coordinate",
    "projection_y_coordinate", "grid_latitude", "grid_longitude", "forecast_period",
    "forecast_reference_time", "model_level_number",
}  # fmt: skip
_CLOCK = re.compile(r"(days?|hours?|h|minutes?|min|seconds?|s)", re.IGNORECASE)


def one_line(text: str, limit: int = 300) -> str:
    """Text without line breaks and control characters, cut at `limit`."""
    plain = " ".join(text.split())
    plain = "".join(sign for sign in plain if sign.isprintable())
    return plain if len(plain) <= limit else plain[: limit - 1].rstrip() + "…"


def title(structure: Structure) -> str:
    """The data set's title; "" if it has none."""
    return one_line(Variable("", structure.attributes).text("title"))


def description(structure: Structure) -> str:
    """Summary or abstract, else comment."""
    return Variable("", structure.attributes).text("summary", "abstract", "comment")[:_LIMIT]


def keywords(structure: Structure) -> tuple[str, ...]:
    """Keywords, without repetition; GCMD's paths (`A > B > C`) stay whole."""
    text = Variable("", structure.attributes).text("keywords")
    parts = text.split(";") if ";" in text else text.split(",")
    found = (one_line(part, _KEYWORD) for part in parts)
    return tuple(dict.fromkeys(part for part in found if part))[:_KEYWORDS]


def providers(structure: Structure) -> tuple[Provider, ...]:
    """Institution or creator as producer, publisher as host."""
    of = Variable("", structure.attributes)
    found: dict[str, Provider] = {}
    producer = one_line(of.text("creator_institution", "institution", "creator_name"))
    host = one_line(of.text("publisher_institution", "publisher_name"))
    for name, role, url in (
        (producer, "producer", of.text("creator_url")),
        (host, "host", of.text("publisher_url")),
    ):
        if not name:
            continue
        known = found.get(name)
        safe = url if re.fullmatch(r"https?://\S{1,1000}", url) else ""
        roles = (*known.roles, role) if known else (role,)
        found[name] = Provider(name, roles, known.url if known and known.url else safe)
    return tuple(found.values())


def citation(structure: Structure) -> str:
    """How to cite it, if it says so."""
    of = Variable("", structure.attributes)
    return one_line(of.text("citation", "bibliographic_citation", "preferred_citation"), 2_000)


def doi(structure: Structure) -> str:
    """The data set's DOI: what says that it is one; a DOI within a list of papers is not."""
    of = Variable("", structure.attributes)
    for name in ("doi", "identifier_product_doi", "dataset_doi", "product_doi"):
        if found := find_doi(of.text(name)):
            return found
    for name in ("id", "references"):
        if _ONLY_DOI.fullmatch(of.text(name)):
            return find_doi(of.text(name))
    return ""


def updated(structure: Structure) -> datetime | None:
    """When its producer last changed it."""
    of = Variable("", structure.attributes)
    for name in ("date_metadata_modified", "date_modified", "date_update", "date_issued",
                 "date_created"):  # fmt: skip
        with contextlib.suppress(RecordError):
            if found := parse_moment(of.text(name)):
                return found
    return None


def named(structure: Structure, *names: str) -> tuple[str, ...]:
    """The values of these attributes, each once."""
    of = Variable("", structure.attributes)
    found = (one_line(of.text(name), _KEYWORD) for name in names)
    return tuple(dict.fromkeys(text for text in found if text))


def box(structure: Structure) -> tuple[float, float, float, float] | None:
    """geospatial_lat_min and so on; None if they are absent or absurd."""
    of = Variable("", structure.attributes)
    sides = [
        of.numbers(f"geospatial_{name}") for name in ("lon_min", "lat_min", "lon_max", "lat_max")
    ]
    if any(len(side) != 1 for side in sides):
        return None
    try:
        west, south, east, north = (side[0] for side in sides)
        found = parse_box(west, south, east, north)
    except RecordError:
        return None
    return found.west, found.south, found.east, found.north


def times(structure: Structure) -> tuple[datetime | None, datetime | None]:
    """time_coverage_start and _end (a day lasts until its last second); None where absent."""
    of = Variable("", structure.attributes)
    try:
        found = parse_interval(of.text("time_coverage_start"), of.text("time_coverage_end"))
    except RecordError:
        return None, None
    return (found.start, found.end) if found else (None, None)


def depth(structure: Structure) -> tuple[float, float] | None:
    """geospatial_vertical_min and _max in metres, positive down; None if absent or no depth."""
    of = Variable("", structure.attributes)
    ends = [of.numbers(f"geospatial_vertical_{name}") for name in ("min", "max")]
    units = of.text("geospatial_vertical_units").lower()
    if any(len(end) != 1 for end in ends) or units not in (
        "m",
        "metre",
        "metres",
        "meter",
        "meters",
    ):
        return None
    if of.text("geospatial_vertical_positive").lower() == "up":
        ends = [[-ends[1][0]], [-ends[0][0]]]
    return sea_depth(ends[0][0], ends[1][0])


def sea_depth(least: float, greatest: float) -> tuple[float, float] | None:
    """A range of depths, cut at the surface; None if it is all above, or no depth on Earth."""
    least, greatest = sorted((least, greatest))
    if not 0 <= greatest <= 12_000:
        return None
    return round(max(least, 0.0), 3), round(greatest, 3)


def parameters(structure: Structure, coordinates: set[str]) -> tuple[Parameter, ...]:
    """What was measured or computed: no coordinates, bounds, flags, masks, counters."""
    helpers = structure.pointed_at() | coordinates
    found: dict[tuple[str, str, str], Parameter] = {}
    for variable in structure.variables.values():
        if not variable.numeric or variable.name in helpers or not _measured(variable):
            continue
        parameter = parameter_of(variable)
        if parameter:
            found.setdefault((parameter.standard_name or parameter.name, parameter.p01,
                              parameter.units), parameter)  # fmt: skip
        if len(found) == _PARAMETERS:
            break
    coded = {(key, units) for key, p01, units in found if p01}
    # an adjusted copy, without its code, says nothing more
    return tuple(
        one for (key, p01, units), one in found.items() if p01 or (key, units) not in coded
    )


def _measured(variable: Variable) -> bool:
    plain = variable.name.rpartition("/")[2]
    if any(name in variable.attributes for name in _FLAG_NAMES) or _SERVING.fullmatch(plain):
        return False
    name = variable.text("standard_name").lower()
    if any(word in name for word in _MODIFIED) or name in _MASKS:
        return False
    if variable.text("axis").upper() in ("X", "Y", "Z", "T") and len(variable.dimensions) <= 1:
        return False
    if plain in variable.dimensions:  # a coordinate variable
        return False
    units = variable.text("units")
    if " since " in units:
        return False
    known = bool(name) or bool(_code(variable, "P01"))
    if not known and _CLOCK.fullmatch(units):
        return False
    return known or bool(variable.text("long_name") and units)


def parameter_of(variable: Variable) -> Parameter | None:
    """A variable as a parameter; None for one that says nothing of itself."""
    standard = variable.text("standard_name").lower()
    if not _NAME.fullmatch(standard):
        standard = ""
    if standard in _COORDINATES:
        return None
    if (
        standard.startswith("sea_water_pressure")
        and variable.text("units").lower() in PRESSURE_UNITS
    ):
        return None  # the vertical coordinate of profiles
    plain = variable.name.rpartition("/")[2]
    name = one_line(variable.text("long_name", "sdn_parameter_name"), _KEYWORD) or plain
    return Parameter(
        name,
        standard,
        _code(variable, "P01"),
        _code(variable, "P02"),
        one_line(variable.text("units", "sdn_uom_name"), 100),
    )


def _code(variable: Variable, vocabulary: str) -> str:
    """The code in an SDN URN, such as SDN:P01::TEMPPR01."""
    for name in ("sdn_parameter_urn", f"sdn_{vocabulary}_urn"):
        match = re.fullmatch(rf"SDN:{vocabulary}:[^:]*:([A-Z0-9]{{4,8}})", variable.text(name))
        if match:
            return match.group(1)
    return ""
