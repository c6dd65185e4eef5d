"""ODV spreadsheets: SeaDataNet's recorded files, plain ones, and broken ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from pelagos.catalogue.formats.odv import read_odv
from pelagos.catalogue.formats.summary import Summary, UnreadableError
from shared_data import shared_data

COLUMNS = (
    "Cruise\tStation\tType\tyyyy-mm-ddThh:mm:ss.sss\tLongitude [degrees_east]\t"
    "Latitude [degrees_north]\tLOCAL_CDI_ID\tEDMO_code\tBot. Depth [m]\t"
    "PRES [dbar]\tQV:SEADATANET\tTEMP [degC]\tQV:SEADATANET"
)
FIRST = "C1\tS1\tB\t2001-12-10T17:29:00.000\t179.5\t-10\tID1\t486\t100\t10\t1\t20\t1"
NEXT = "\t\t\t\t\t\t\t\t\t1000\t1\t5\t1"
SECOND = "C1\tS2\tB\t2001-12-12T01:00:00.000\t-179.5\t-11\tID2\t486\t100\t20\t1\t20\t1"
MAPPING = (
    "//SDN_parameter_mapping",
    "//<subject>SDN:LOCAL:PRES</subject><object>SDN:P01::PRESPR01</object><units>SDN:P06::UPDB</units>",
    "//<subject>SDN:LOCAL:TEMP</subject><object>SDN:P01::TEMPPR01</object><units>SDN:P06::UPAA</units>",
)


def odv(tmp_path: Path, *lines: str, encoding: str = "utf-8", ends: str = "\n") -> Summary:
    path = tmp_path / "made.txt"
    path.write_bytes(ends.join((*lines, "")).encode(encoding))
    return read_odv(str(path))


def reason(tmp_path: Path, *lines: str) -> str:
    with pytest.raises(UnreadableError) as error:
        odv(tmp_path, *lines)
    return str(error.value)


def test_the_recorded_file_of_a_cruise() -> None:
    found = read_odv(str(shared_data("seadatanet") / "odv_input_profile_diap.txt"))
    assert found.box == pytest.approx((166.747, -21.954333, 167.127167, -20.859), abs=1e-6)
    assert (found.start, found.end) == ("2001-12-10T17:29:00+00:00", "2001-12-21T02:59:00+00:00")
    assert found.depth == (0, 149)
    assert [(one.name, one.p01, one.units) for one in found.parameters] == [
        ("NTRAYYDZ", "NTRAYYDZ", "Micromoles per litre")
    ]
    assert found.words[0] == "FI35200110014_00001_H09"
    assert "35AY" in found.words
    assert len(found.words) == 14
    assert found.title == "DIAPALIS 2"
    assert "concentrations de nitrate > 0.1 micromoles/l" in found.description


def test_the_recorded_file_with_a_byte_order_mark() -> None:
    found = read_odv(str(shared_data("seadatanet") / "odv_input_profile_00563439_ODV_withBOM.txt"))
    assert found.box == (-8.4245, 51.2471667, -8.4245, 51.2471667)
    assert (found.start, found.end) == ("2006-02-18T12:54:17+00:00",) * 2
    assert found.depth == (1, 88)
    assert [(one.p01, one.units) for one in found.parameters] == [
        ("TEMPPR01", "C"),
        ("PSALST01", "psu"),
    ]


def test_the_recorded_invalid_file_says_what_is_wrong_and_where() -> None:
    with pytest.raises(UnreadableError, match=r"line 100: a mapping .* without //SDN_parameter"):
        read_odv(str(shared_data("seadatanet") / "odv_input_profile_invalid_diap_invalid.txt"))


def test_stations_across_the_antimeridian_and_depth_from_pressure(tmp_path: Path) -> None:
    found = odv(tmp_path, *MAPPING, COLUMNS, FIRST, NEXT, SECOND)
    assert found.box == (179.5, -11, -179.5, -10)
    assert found.depth is not None
    assert found.depth[1] == pytest.approx(993, abs=3)
    assert [(one.p01, one.units) for one in found.parameters] == [("TEMPPR01", "degC")]
    assert found.words == ("ID1", "ID2")


def test_a_plain_spreadsheet_without_vocabularies(tmp_path: Path) -> None:
    found = odv(
        tmp_path,
        "Cruise\tStation\tType\tmon/day/yr\thh:mm\tLongitude [degrees_east]\t"
        "Latitude [degrees_north]\tBot. Depth [m]\tDepth [m]\tQF\tOxygen [umol/kg]\tQF",
        "C\t1\tB\t02/18/2006\t12:54\t200\t5\t88\t1\t0\t250\t0",
    )
    assert (found.box, found.start) == ((-160, 5, -160, 5), "2006-02-18T12:54:00+00:00")
    assert (found.depth, [one.name for one in found.parameters]) == ((1, 1), ["Oxygen"])


def test_other_encodings_and_line_ends(tmp_path: Path) -> None:
    text = ("//Température", COLUMNS, FIRST)
    assert odv(tmp_path, *text, encoding="latin-1", ends="\r\n").description == "Température"
    assert odv(tmp_path, *text, encoding="utf-8-sig").description == "Température"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ((), "no line of columns"),
        (("//only", "//comments"), "no line of columns"),
        (("Notes about the data",), "line 1: not the columns"),
        ((COLUMNS,), "no rows"),
        ((COLUMNS, NEXT), "line 2: the first row has no station"),
        ((COLUMNS, FIRST, "C1\tS2\tB"), "line 3: 3 columns, not 13"),
        ((COLUMNS, FIRST + "\tmore"), "line 2: 14 columns, not 13"),
        ((COLUMNS, FIRST.replace("\t-10\t", "\t-91\t")), "line 2: no position"),
        ((COLUMNS, FIRST.replace("179.5", "nan")), "line 2: no position"),
        ((*MAPPING[1:], COLUMNS, FIRST), "line 1: a mapping of columns without"),
        ((MAPPING[0], "//<subject>x</subject>", COLUMNS, FIRST), "line 2: not a mapping"),
        ((*MAPPING, COLUMNS.replace("PRES [", "DEPTH ["), FIRST), "no column 'PRES'"),
        ((COLUMNS, "x" * 300_000), "longer than"),
        ((COLUMNS, FIRST, "\0\0"), "no text"),
    ],
)
def test_broken_files_say_the_line(tmp_path: Path, lines: tuple[str, ...], said: str) -> None:
    assert said in reason(tmp_path, *lines)


def test_a_strange_date_is_no_date(tmp_path: Path) -> None:
    assert odv(tmp_path, COLUMNS, FIRST.replace("2001-12-10", "9999-99-99")).start == ""


def test_a_row_that_is_cut_off_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "cut.txt"
    content = "\n".join((COLUMNS, FIRST, SECOND)).encode()
    path.write_bytes(content[: content.rindex(b"\t-11")])
    with pytest.raises(UnreadableError, match="line 3"):
        read_odv(str(path))
