"""Words of Argo: its instruments, institutions, oceans and core parameters, by their codes.

Instruments: WMO common code table C-3 (1770), of which Argo reference table 8 is a part.
Institutions: Argo reference table 4 (NVS collection R04). Parameters: reference table 3, with the
units and P01 terms that GDAC files carry. A code that stands in no table keeps its number.
"""

from __future__ import annotations

from pelagos.catalogue.records import Parameter

PARAMETERS = (
    Parameter("Pressure", "sea_water_pressure", "PRESPR01", "", "decibar"),
    Parameter("Temperature", "sea_water_temperature", "TEMPST01", "TEMP", "degree_Celsius"),
    Parameter("Practical salinity", "sea_water_salinity", "PSALST01", "PSAL", "1"),
)

OCEANS = {"A": "Atlantic Ocean", "P": "Pacific Ocean", "I": "Indian Ocean"}

PROFILERS = {
    831: "P-ALACE float",
    835: "PROVOR IV",
    836: "PROVOR III",
    837: "ARVOR-C, SBE conductivity sensor",
    838: "ARVOR-D, SBE conductivity sensor",
    839: "PROVOR II, SBE conductivity sensor",
    840: "PROVOR, no conductivity sensor",
    841: "PROVOR, SBE conductivity sensor",
    842: "PROVOR, FSI conductivity sensor",
    843: "Polar Ocean Profiling System (POPS), PROVOR, SBE CTD",
    844: "ARVOR, SBE conductivity sensor",
    845: "Webb Research float, no conductivity sensor",
    846: "Webb Research float, SBE conductivity sensor",
    847: "Webb Research float, FSI conductivity sensor",
    848: "APEX-EM, SBE conductivity sensor",
    849: "APEX-D, SBE conductivity sensor",
    850: "SOLO, no conductivity sensor",
    851: "SOLO, SBE conductivity sensor",
    852: "SOLO, FSI conductivity sensor",
    853: "SOLO2, SBE conductivity sensor",
    854: "S2A, SBE conductivity sensor",
    855: "NINJA, no conductivity sensor",
    856: "NINJA, SBE conductivity sensor",
    857: "NINJA, FSI conductivity sensor",
    858: "NINJA, TSK conductivity sensor",
    859: "NEMO, no conductivity sensor",
    860: "NEMO, SBE conductivity sensor",
    861: "NEMO, FSI conductivity sensor",
    862: "SOLO-D, SBE conductivity sensor",
    863: "NAVIS-A, SBE conductivity sensor",
    864: "NINJA-D, SBE conductivity sensor",
    865: "NOVA, SBE conductivity sensor",
    866: "ALAMO, no conductivity sensor",
    867: "ALAMO, RBR conductivity sensor",
    868: "ALAMO, SBE conductivity sensor",
    870: "HM2000",
    871: "COPEX",
    872: "S2X",
    873: "ALTO",
    874: "SOLO-D MRV",
}

INSTITUTIONS = {
    "AO": "AOML, USA",
    "BO": "BODC, United Kingdom",
    "CI": "Institute of Ocean Sciences, Canada",
    "CS": "CSIRO, Australia",
    "EA": "Euro-Argo, Europe",
    "GE": "BSH, Germany",
    "HZ": "CSIO, China",
    "IF": "Ifremer, France",
    "IN": "INCOIS, India",
    "JA": "JMA, Japan",
    "JM": "JAMSTEC, Japan",
    "KM": "KMA, Korea",
    "KO": "KORDI, Korea",
    "LV": "Laboratoire Océanographique de Villefranche, France",
    "MB": "MBARI, USA",
    "ME": "MEDS, Canada",
    "NA": "NAVO, USA",
    "NM": "NMDIS, China",
    "PL": "IOPAN, Poland",
    "PM": "PMEL, USA",
    "RU": "Russia",
    "SI": "Scripps Institution of Oceanography, USA",
    "SP": "Spain",
    "UW": "University of Washington, USA",
    "VL": "Far Eastern Regional Hydrometeorological Research Institute, Russia",
    "WH": "Woods Hole Oceanographic Institution, USA",
}


def profiler(code: str) -> str:
    """The name of a float with CTD by its code, such as 846 or 0846; its number if unknown."""
    if not code.isdecimal():
        return ""
    return PROFILERS.get(int(code), f"Profiler type {int(code)}")
