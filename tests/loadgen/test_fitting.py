"""Tables that fit a terminal, whatever its width."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from loadgen.views import Sheet, parts, show_sheet
from loadgen.views.fitting import GAP

words = st.text("abc µ", max_size=12).map(str.strip)


@st.composite
def sheets(draw: st.DrawFn) -> Sheet:
    """Any table, its figures at the most as long as figures are."""
    columns = draw(st.integers(1, 8))
    names = draw(st.integers(1, min(columns, 2)))
    row = st.tuples(*[words] * names, *[st.text("0123456789.µ", max_size=12)] * (columns - names))
    rows = draw(st.lists(row, min_size=1, max_size=4))
    head = draw(st.lists(words, min_size=columns, max_size=columns))
    return Sheet("title", head, [*rows], names)


def shown(sheet: Sheet, width: int) -> str:
    """What stands on a terminal of that width."""
    out = io.StringIO()
    show_sheet(sheet, Console(file=out, width=width, force_terminal=True, color_system=None))
    return out.getvalue()


@given(sheets(), st.integers(40, 140))
def test_every_figure_is_there_as_a_whole(sheet: Sheet, width: int) -> None:
    """On a line of the terminal, and no line is longer than that."""
    found = shown(sheet, width).splitlines()
    assert max(map(len, found)) <= width
    for row in sheet.rows:
        for figure in row[sheet.names :]:
            assert not figure or any(figure in line.split() for line in found), found


@given(sheets(), st.integers(40, 140))
def test_every_column_is_in_one_part(sheet: Sheet, width: int) -> None:
    """But names, which are in all of them."""
    found = [*parts(sheet.head, sheet.rows, sheet.names, width)]
    figures = [column for part in found for column in part if column >= sheet.names]
    assert [*range(sheet.names, len(sheet.head))] == figures
    for part in found:
        assert {*range(sheet.names)} <= {*part}
        if sheet.names == 1:
            assert sum(part.values()) + GAP * (len(part) - 1) <= width


def test_what_fits_is_one_table() -> None:
    """No narrower than it need be."""
    sheet = Sheet("", ["server", "p50", "p99"], [["asyncio", "1.0 ms", "8.99 ms"]])
    assert [{0: 7, 1: 6, 2: 7}] == [*parts(sheet.head, sheet.rows, sheet.names, 80)]
    assert 1 == len([*parts(sheet.head, sheet.rows, sheet.names, 7 + 6 + 7 + 2 * GAP)])
    assert 2 == len([*parts(sheet.head, sheet.rows, sheet.names, 7 + 6 + 7 + 2 * GAP - 1)])


@pytest.mark.parametrize("width", [40, 66, 80, 100])
def test_words_are_broken_between_words(width: int) -> None:
    """In notes, and in columns that hold no figures."""
    text = "none of 100 PINGs was answered: it serves one client at a time"
    sheet = Sheet("falls", ["server", "served", "why"], [["iterative", "1", text]], 1, [text])
    found = shown(sheet, width).split()
    assert found.count("answered:") == found.count("client") == 2
