"""Numbers as people read them, in reports, tables and pages."""

import pytest

from svdd.messages import number


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "-"),
        (float("nan"), "-"),
        (float("inf"), "inf"),
        (float("-inf"), "-inf"),
        ("x", "x"),
        (True, "True"),
        (0, "0"),
        (0.0, "0"),
        (-0.0, "0"),
        (7, "7"),
        (1234567, "1,234,567"),
        (2.0, "2"),
        (12.34, "12.3"),
        (99.94, "99.9"),
        (99.96, "100"),
        (9.996, "10"),
        (0.9996, "1"),
        (0.09996, "0.1"),
        (999.4, "999"),
        (999.5, "1,000"),
        (999.6, "1,000"),
        (-999.6, "-1,000"),
        (1000.4, "1,000"),
        (9999.6, "10,000"),
        (12345.6, "12,346"),
        (-12345.6, "-12,346"),
        (0.000123456, "0.000123"),
        (1.23456e-7, "1.23e-07"),
        (-1.23456e-7, "-1.23e-07"),
        (1.5e20, "1.5e+20"),
    ],
)
def test_numbers_are_readable(value, shown):
    assert number(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(999.96, "1,000"), (1234.5, "1,234"), (9.87654, "9.877"), (12345.6, "12,346")]
)
def test_more_digits_are_shown_where_they_are_wanted(value, shown):
    assert number(value, 4) == shown
