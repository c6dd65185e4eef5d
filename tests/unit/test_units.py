import pytest
from hypothesis import given
from hypothesis import strategies as st
from pelagos.units import format_bytes, format_seconds, parse_bytes, parse_seconds


@pytest.mark.parametrize(
    ("text", "count"),
    [("2 GiB", 2**31), ("2GB", 2 * 10**9), ("1.5 KiB", 1536), ("0 B", 0), (512, 512)],
)
def test_byte_units_are_iec_and_si(text: object, count: int) -> None:
    assert parse_bytes(text) == count


@pytest.mark.parametrize(
    ("text", "seconds"), [("90 s", 90), ("30 min", 1800), ("2h", 7200), ("7d", 604800), (60, 60)]
)
def test_durations_become_seconds(text: object, seconds: int) -> None:
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize("text", ["2", "GiB", "2 Gib ram", "-2 GiB", "", None, True, [2], -1])
def test_a_number_without_a_known_unit_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match=r"unit|negative|such as"):
        parse_bytes(text)


def test_the_error_shows_an_example_and_the_known_units() -> None:
    with pytest.raises(ValueError, match="known: s, min, h, d, w"):
        parse_seconds("2 hours")


@given(st.integers(min_value=0, max_value=2**50))
def test_what_is_shown_can_be_parsed_again_within_a_thousandth(count: int) -> None:
    assert parse_bytes(format_bytes(count)) == pytest.approx(count, rel=1e-3, abs=1)


def test_durations_are_shown_in_the_largest_whole_unit() -> None:
    shown = [format_seconds(s) for s in (90, 120, 7200, 604800, 0.25)]
    assert shown == ["90 s", "2 min", "2 h", "7 d", "0.25 s"]
