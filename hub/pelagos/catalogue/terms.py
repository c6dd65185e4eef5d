"""Measured quantities by name: one key for the same quantity, however a source names it.

The table holds only what is certain: CF standard names, codes of the BODC vocabularies P02
(discovery parameters) and P01 (usage parameters), and the words people search by. A parameter that
is not in it keeps what its source says.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pelagos.catalogue.records import Parameter


@dataclass(frozen=True)
class Term:
    """One quantity: `key` in facets, `title` for people, its codes, other names of it."""

    key: str
    title: str
    p02: str = ""
    p01: tuple[str, ...] = ()
    # the first is what is written where a source gives no standard name
    standard_names: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


_TERMS = (
    Term(
        "temperature",
        "Temperature of the water",
        "TEMP",
        ("TEMPPR01", "TEMPST01", "POTMCV01"),
        ("sea_water_temperature", "sea_water_potential_temperature", "sea_surface_temperature",
         "sea_water_conservative_temperature", "sea_surface_foundation_temperature"),
        ("temperature", "water temperature", "sea temperature", "temperature of the water column",
         "temperature of the water body", "subsurface temperature", "sea surface temperature",
         "sst", "temp"),
    ),
    Term(
        "salinity",
        "Salinity of the water",
        "PSAL",
        ("PSLTZZ01", "PSALST01", "ASLTZZ01"),
        ("sea_water_practical_salinity", "sea_water_salinity", "sea_water_absolute_salinity",
         "sea_surface_salinity"),
        ("salinity", "water salinity", "practical salinity", "salinity of the water column",
         "subsurface salinity", "psal"),
    ),
    Term(
        "pressure",
        "Pressure",
        "",
        ("PRESPR01",),
        ("sea_water_pressure",),
        ("pressure", "subsurface pressure", "sea water pressure", "pres"),
    ),
    Term(
        "oxygen",
        "Dissolved oxygen",
        "DOXY",
        ("DOXYZZXX",),
        ("mole_concentration_of_dissolved_molecular_oxygen_in_sea_water",
         "moles_of_oxygen_per_unit_mass_in_sea_water",
         "mass_concentration_of_oxygen_in_sea_water"),
        ("oxygen", "dissolved oxygen", "doxy",
         "dissolved oxygen parameters in the water column"),
    ),
    Term(
        "chlorophyll",
        "Chlorophyll",
        "CPWC",
        ("CPHLZZXX",),
        ("mass_concentration_of_chlorophyll_a_in_sea_water",
         "mass_concentration_of_chlorophyll_in_sea_water"),
        ("chlorophyll", "chlorophyll-a", "chlorophyll a", "chla",
         "chlorophyll pigment concentrations in water bodies"),
    ),
    Term(
        "nitrate",
        "Nitrate",
        "NTRA",
        (),
        ("mole_concentration_of_nitrate_in_sea_water",
         "moles_of_nitrate_per_unit_mass_in_sea_water"),
        ("nitrate", "nitrate concentration parameters in the water column"),
    ),
    Term(
        "phosphate",
        "Phosphate",
        "PHOS",
        (),
        ("mole_concentration_of_phosphate_in_sea_water",),
        ("phosphate", "phosphate concentration parameters in the water column"),
    ),
    Term(
        "silicate",
        "Silicate",
        "SLCA",
        (),
        ("mole_concentration_of_silicate_in_sea_water",),
        ("silicate", "silicate concentration parameters in the water column"),
    ),
    Term(
        "currents",
        "Currents",
        "RFVL",
        (),
        ("sea_water_velocity", "eastward_sea_water_velocity", "northward_sea_water_velocity",
         "sea_water_x_velocity", "sea_water_y_velocity"),
        ("currents", "current velocity", "horizontal velocity of the water column (currents)"),
    ),
    Term(
        "sea-level",
        "Sea level",
        "ASLV",
        (),
        ("sea_surface_height_above_geoid", "sea_surface_height_above_sea_level",
         "sea_surface_height_above_mean_sea_level",
         "water_surface_height_above_reference_datum"),
        ("sea level", "sea surface height"),
    ),
)  # fmt: skip

_BY_CODE: dict[str, Term] = {}
_BY_NAME: dict[str, Term] = {}
for _term in _TERMS:
    for _code in (_term.p02, *_term.p01):
        if _code:
            _BY_CODE[_code] = _term
    for _name in (*_term.standard_names, *_term.names):
        _BY_NAME[_name] = _term


def term_of(parameter: Parameter) -> Term | None:
    """What is known of a parameter, by its codes first, then by its names."""
    for code in (parameter.p02, parameter.p01):
        if found := _BY_CODE.get(code.upper()):
            return found
    for name in (parameter.standard_name, parameter.name):
        if found := _BY_NAME.get(name.strip().lower()):
            return found
    return None


def key_of(parameter: Parameter) -> str:
    """The value of the facet `parameter`: the same for the same quantity."""
    if found := term_of(parameter):
        return found.key
    text = parameter.standard_name or parameter.name
    return " ".join(text.lower().replace("_", " ").split())


def title_of(parameter: Parameter) -> str:
    """The facet's text for people."""
    if found := term_of(parameter):
        return found.title
    return parameter.name.strip() or parameter.standard_name.replace("_", " ")


def complete(parameter: Parameter) -> Parameter:
    """A parameter with the discovery code (P02) that is certain; the rest as its source has it."""
    found = term_of(parameter)
    if found is None or parameter.p02 or not found.p02:
        return parameter
    return replace(parameter, p02=found.p02)


def codes_of(parameter: Parameter) -> dict[str, str]:
    """The codes of the quantity, for its facet: for a known one those of the table, since that of
    one record (`surface_temperature`) may not be those of the next."""
    if found := term_of(parameter):
        name, p01 = (*found.standard_names, "")[0], (*found.p01, "")[0]
        codes = {"standard_name": name, "p01": p01, "p02": found.p02}
    else:
        codes = {
            "standard_name": parameter.standard_name, "p01": parameter.p01, "p02": parameter.p02
        }  # fmt: skip
    return {vocabulary: code for vocabulary, code in codes.items() if code}


def words_of(parameter: Parameter) -> tuple[str, ...]:
    """What a parameter is found by."""
    own = (parameter.name, parameter.standard_name.replace("_", " "))
    found = term_of(parameter)
    more = (found.key, found.title) if found else ()
    return tuple(dict.fromkeys(text for text in (*own, *more) if text))
