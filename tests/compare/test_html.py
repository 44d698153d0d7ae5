"""`report.html`: what is in it, and what a browser without any network makes of it."""

import json
import math
import shutil
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.select import Select

from loadgen.views import Sheet
from variants.compare.estimates import Estimate, Verdict
from variants.compare.finding import find
from variants.compare.findings import Comparison, Findings
from variants.compare.metrics import METRICS, Mark
from variants.compare.report import Report
from variants.compare.views import charts, marking, webpage, words
from variants.compare.views.charts import contrast
from variants.compare.views.page import tables

from ..conformance.client import eventually
from . import made_up
from .browser import NoBrowser, browser, complaints, picture, prefer, requests
from .made_up import HOSTILE

#: Contestants of whom there are figures, beside the reference; panels of curves.
STARTED, PANELS, SCENARIOS = 4, 4, 8

in_browser = pytest.mark.xdist_group("chromium")


@pytest.fixture(scope="module")
def report() -> Report:
    """A report with one of everything."""
    return made_up.report()


@pytest.fixture(scope="module")
def findings(report: Report) -> Findings:
    """What follows from it."""
    return find(report)


@pytest.fixture(scope="module")
def file(report: Report, findings: Findings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of that report, as a file."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(webpage.render(report, findings), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chrome]:
    """One browser for all tests."""
    with ExitStack() as stack:
        missing = ""
        try:
            driver = stack.enter_context(browser())
        except NoBrowser as error:
            missing = str(error)
        if missing:  # not so for CI, which installs it
            pytest.skip(missing)
        yield driver


@pytest.fixture(scope="module")
def opened(chromium: Chrome, file: Path) -> Chrome:
    """The page, opened once: that takes longest of all."""
    complaints(chromium), requests(chromium)  # of what was there before
    chromium.get(file.as_uri())
    return chromium


@pytest.fixture
def page(opened: Chrome) -> Iterator[Chrome]:
    """The page. Afterwards nothing was said, and nothing asked for beyond the file.

    Tests leave it as they found it, but for the order of a table.
    """
    yield opened
    assert [] == complaints(opened)
    assert {"file", "data", "blob"} >= {url.partition(":")[0] for url in requests(opened)}


def each(page: Chrome, selector: str) -> list[WebElement]:
    """All elements of a page that a selector names."""
    return page.find_elements(By.CSS_SELECTOR, selector)


def texts(page: Chrome, selector: str) -> list[str]:
    """What stands in each of them, seen or not."""
    script = "return [...document.querySelectorAll(arguments[0])].map((one) => one.textContent)"
    found: list[str] = page.execute_script(script, selector)
    return found


def style(page: Chrome, selector: str, name: str) -> str:
    """What a style comes to, for the first element a selector names."""
    script = "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]"
    found: str = page.execute_script(script, selector, name)
    return found


def column(page: Chrome, table: str, number: int) -> list[str]:
    """The cells of a table's column, from above."""
    return texts(page, f"#{table} tbody td:nth-child({number})")


def hover(page: Chrome, element: WebElement, chart: str) -> str:
    """Move the mouse to the middle of an element; return what appears."""
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
    ActionChains(page).move_to_element(element).perform()
    assert eventually(lambda: bool(each(page, f"#{chart} .hovertext")))
    return " ".join(texts(page, f"#{chart} .hovertext tspan"))


@in_browser
def test_the_browser_tells_on_a_page(chromium: Chrome, tmp_path: Path) -> None:
    """One that warns, or that asks others for anything: or the tests below would prove nothing."""
    path = tmp_path / "tells.html"
    path.write_text("<script>console.warn('careful')</script><img src='http://example.com/a'>")
    before = chromium.current_window_handle
    chromium.switch_to.new_window("tab")
    chromium.get(path.as_uri())
    assert eventually(lambda: "http://example.com/a" in requests(chromium))
    assert any("careful" in complaint for complaint in complaints(chromium))
    chromium.close()
    chromium.switch_to.window(before)


@in_browser
def test_every_chart_is_drawn_and_has_a_name(page: Chrome) -> None:
    """None is empty, and a screen reader says what each is about."""
    charts = [chart.get_attribute("id") for chart in each(page, ".chart")]
    metrics = [f"chart-differs-{metric.name}" for metric in METRICS]
    assert ["chart-matrix", "chart-scales-ping", "chart-scales-mix", *metrics] == charts
    assert all(chart.accessible_name for chart in each(page, ".chart"))
    for chart in charts:
        assert each(page, f"#{chart} .main-svg")
        assert each(page, f"#{chart} :is(.hm image, .js-line, .bars path)")


@in_browser
def test_the_matrix_has_a_cell_for_each_contestant_and_scenario(page: Chrome) -> None:
    """One that never answered and one that failed say so, and have colours of their own."""
    cells = Counter(texts(page, "#chart-matrix .heatmap-label text"))
    assert 5 * SCENARIOS == cells.total()
    assert SCENARIOS - 1 == cells["never"]
    assert SCENARIOS == cells["failed"]
    assert 4 == len(each(page, "#chart-matrix .hm image"))  # p99 in black and in white
    assert ["asyncio", "threads", "iterative", "dud"] == texts(page, "#chart-matrix .ytick text")[
        :4
    ]


@in_browser
def test_the_mouse_finds_out_the_reason(page: Chrome) -> None:
    """In the middle of the matrix is somebody who is paralysed."""
    text = hover(page, each(page, "#chart-matrix .nsewdrag")[0], "chart-matrix")
    assert "iterative · slow-sender" in text
    assert "0 of 400 PINGs answered" in text
    assert "it serves one client at a time" in text


@in_browser
def test_reasons_stand_below_the_matrix_once_each(page: Chrome) -> None:
    """Whatever they are reasons for."""
    reasons = texts(page, "#reasons dd")
    assert 1 == sum("one client at a time" in reason for reason in reasons)
    assert [made_up.FAILURE] == [r.partition(": ")[2] for r in reasons if "everything" in r]


@in_browser
@pytest.mark.parametrize("workload", ["ping", "mix"])
def test_there_is_a_curve_for_everyone_who_started(page: Chrome, workload: str) -> None:
    """In each of the four panels; who falls over ends in a cross, before the others."""
    chart = f"#chart-scales-{workload}"
    assert STARTED * PANELS == len(each(page, f"{chart} .scatterlayer .js-line"))
    # threads and iterative fall over, at the fourth and at the second of the connections
    assert (4 + 4 + 2 + 4) * PANELS == len(each(page, f"{chart} .scatterlayer .point"))
    widths = [style_of.value_of_css_property("stroke-width")
              for style_of in each(page, f"{chart} .scatterlayer .point")]  # fmt: skip
    assert 2 * PANELS == widths.count("4px")
    assert 5 == len(each(page, f"{chart} .legend .traces"))


@in_browser
def test_a_click_on_a_name_hides_its_curves(page: Chrome) -> None:
    """In all four panels."""
    for shown in (STARTED - 1, STARTED):
        page.find_element(By.CSS_SELECTOR, "#chart-scales-ping .legendtoggle").click()
        lines = "#chart-scales-ping .scatterlayer .js-line"
        assert eventually(lambda: shown * PANELS == len(each(page, lines)))  # noqa: B023
        colours = {line.value_of_css_property("stroke") for line in each(page, lines)}
        assert shown == len(colours)


@in_browser
def test_the_mouse_finds_out_figures(page: Chrome) -> None:
    """Those of the other panels, too, and where it falls over."""
    of_threads = each(page, "#chart-scales-ping .scatterlayer .trace")[1]
    last = of_threads.find_elements(By.CSS_SELECTOR, ".point")[-1]
    text = hover(page, last, "chart-scales-ping")
    assert "threads · ping, 1,000 connections" in text
    assert "p99.9" in text
    assert "µs a request" in text
    assert "✕ falls over at 1,000 connections" in text


@in_browser
def test_there_is_a_bar_for_everyone_beside_the_reference(page: Chrome) -> None:
    """With an interval; for the reference itself it is the A/A pair. Another load has others."""
    rows = ["asyncio (again)", "threads ✕", "iterative ✕", "dud ✕"]
    for metric in METRICS:
        chart = f"#chart-differs-{metric.name}"
        assert rows == texts(page, f"{chart} .ytick text")[:4]
        assert STARTED == len(each(page, f"{chart} .bars .point"))
        assert STARTED == len(each(page, f"{chart} .errorbar"))
        assert "1×" in texts(page, f"{chart} .xtick text")
    loads = Select(page.find_element(By.ID, "load"))
    first = loads.first_selected_option.text
    assert "ping, 1,000 connections" == first
    loads.select_by_visible_text("mix, 1 connection")
    rows = ["asyncio (again)", "threads", "iterative", "dud ✕"]
    assert rows == texts(page, "#chart-differs-rate .ytick text")[:4]
    loads.select_by_visible_text(first)


@in_browser
def test_a_table_sorts_by_click(page: Chrome) -> None:
    """Numbers by what they are worth and not as texts; who has none comes last, either way."""
    head = page.find_element(By.XPATH, "//*[@id='table-scaled']//th[normalize-space()='p99']")
    number = int(head.get_property("cellIndex")) + 1  # type: ignore[arg-type]
    head.find_element(By.TAG_NAME, "button").click()
    up = column(page, "table-scaled", number)
    assert "ascending" == head.get_attribute("aria-sort")
    assert sorted(up, key=seconds) == up
    head.find_element(By.TAG_NAME, "button").click()
    down = column(page, "table-scaled", number)
    assert "descending" == head.get_attribute("aria-sort")
    missing = up.count("–")
    assert 8 == missing
    assert ["–"] * missing == up[-missing:] == down[-missing:]
    shown = down[:-missing]
    assert sorted(shown, key=seconds, reverse=True) == shown


def seconds(text: str) -> float:
    """Read a duration of a table; one that is not there is the longest."""
    if text == "–":
        return math.inf
    number, unit = text.split()
    return float(number) * {"µs": 1e-6, "ms": 1e-3, "s": 1}[unit]


@in_browser
def test_a_table_sorts_by_keyboard(page: Chrome) -> None:
    """Its heads are buttons; sorting by another one begins anew."""
    first, second = each(page, "#table-falls th button")[:2]
    first.send_keys(Keys.ENTER)
    names = column(page, "table-falls", 1)
    assert sorted(names) == names
    assert "ascending" == each(page, "#table-falls th")[0].get_attribute("aria-sort")
    second.send_keys(Keys.SPACE)
    assert ["mix"] * 5 + ["ping"] * 5 == column(page, "table-falls", 2)
    assert "none" == each(page, "#table-falls th")[0].get_attribute("aria-sort")


@in_browser
def test_dark_and_light_are_those_of_page_and_charts(page: Chrome) -> None:
    """As the system prefers, until a button is pressed."""
    button = page.find_element(By.ID, "theme")
    looks = []
    changes: list[tuple[str, Callable[[], object]]] = [
        ("light", lambda: prefer(page, "light")),
        ("dark", lambda: prefer(page, "dark")),
        ("light", button.click),
        ("light", lambda: prefer(page, "light")),
        ("dark", button.click),
        ("light", button.click),
    ]
    for theme, change in changes:
        change()
        assert eventually(lambda: theme == style(page, ":root", "colorScheme"))  # noqa: B023
        looks.append((
            style(page, "body", "backgroundColor"),
            style(page, "#chart-matrix .ytick text", "fill"),
            style(page, "#chart-scales-ping .js-line", "stroke"),
            style(page, "#chart-differs-rate .bars path", "fill"),
        ))  # fmt: skip
    light, dark = looks[:2]
    assert all(a != b for a, b in zip(light, dark, strict=True))
    assert [light, dark, light, light, dark, light] == looks


@in_browser
def test_a_name_is_text_whatever_is_in_it(page: Chrome) -> None:
    """In tables, legends, on axes and under the mouse; it adds no element and runs nowhere."""
    assert HOSTILE in column(page, "table-falls", 1)
    assert HOSTILE in page.find_element(By.ID, "command").text
    start = HOSTILE[:17] + "…"
    assert start in texts(page, "#chart-matrix .ytick text")
    assert start in texts(page, "#chart-scales-mix .legendtext")
    assert start in texts(page, "#chart-differs-rate .ytick text")
    assert 3 == len(each(page, "script"))
    last = each(page, "#chart-scales-ping .scatterlayer .trace")[3]
    text = hover(page, last.find_elements(By.CSS_SELECTOR, ".point")[0], "chart-scales-ping")
    assert f"{HOSTILE} · ping, 1 connection" in text


@in_browser
def test_verdicts_on_those_that_have_fallen_over_do_not_stand_out(page: Chrome) -> None:
    """One that serves one client of a thousand answers that one fast: that is no merit."""
    names = column(page, "table-ratios", 1)
    assert 3 + 3 == names.count("iterative ✕")
    assert 1 + 1 == names.count("iterative")
    assert 1 + 1 == names.count("threads ✕")
    standing: list[WebElement] = []
    fallen: list[WebElement] = []
    for row in each(page, "#table-ratios tbody tr"):
        loud = row.find_elements(By.CSS_SELECTOR, ".mark:is(.faster, .slow)")
        (fallen if "✕" in row.text else standing).extend(loud)
    assert standing
    assert not fallen


@in_browser
def test_a_picture_of_an_element_can_be_taken(tmp_path: Path) -> None:
    """As PNG, as large as the element is."""
    if not all(map(shutil.which, ("chromium", "chromedriver"))):
        pytest.skip("there is no chromium")
    page, target = tmp_path / "page.html", tmp_path / "page.png"
    page.write_text("<div id='box' style='width: 30px; height: 20px; background: red'></div>")
    picture(page, target, 400, 300, dark=True, element_id="box")
    png = target.read_bytes()
    assert b"\x89PNG" == png[:4]
    assert (30, 20) == struct.unpack(">II", png[16:24])


#: Elements that overlap: for each pair of titles, those whose boxes have a point in common.
_OVERLAPS = """
const boxes = [...document.querySelectorAll(arguments[0])].map((one) => one.getBoundingClientRect());
return boxes.filter((a, at) => boxes.slice(at + 1).some((b) =>
  a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom)).length
"""  # noqa: E501
#: Tables that are wider than what they are in.
_WIDE = """
return [...document.querySelectorAll(".scroll")].filter((one) => one.scrollWidth > one.clientWidth)
  .map((one) => one.firstElementChild.id)
"""
#: Text on the page, outside charts, that has less contrast with what is behind it than 4.5:1.
_PALE = """
const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
  .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
  .reduce((sum, c, at) => sum + c * [0.2126, 0.7152, 0.0722][at], 0);
const read = (text) => text.match(/[0-9.]+/g).map(Number);
const behind = (one) => {
  for (; one; one = one.parentElement) {
    const colour = read(getComputedStyle(one).backgroundColor);
    if (colour[3] !== 0) return colour;
  }
};
const pale = [];
for (const one of document.querySelectorAll("body *:not(script, noscript, noscript *, svg, svg *)")) {
  if (one.closest(".chart") || ![...one.childNodes].some((n) => n.nodeType === 3 && n.data.trim())) continue;
  const [a, b] = [light(read(getComputedStyle(one).color)), light(behind(one))].sort((x, y) => y - x);
  if ((a + 0.05) / (b + 0.05) < 4.5) pale.push(one.textContent);
}
return pale
"""  # noqa: E501


def resize(page: Chrome, width: int) -> None:
    """Make the window so wide, and wait until charts fit it."""
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    room = "return document.querySelector('#chart-scales-ping').clientWidth"
    drawn = "#chart-scales-ping .main-svg"
    assert eventually(lambda: page.execute_script(room) == int(each(page, drawn)[0].size["width"]))


@in_browser
def test_it_fits_into_every_window(page: Chrome) -> None:
    """No table scrolls sideways in a wide one; in no other one do titles of charts overlap."""
    try:
        resize(page, 1400)
        assert [] == page.execute_script(_WIDE)
        for width, columns in ((1400, 2), (900, 2), (500, 1)):
            resize(page, width)
            for chart in ("chart-scales-ping", "chart-matrix"):
                for titles in (".annotation", ".xtick text"):
                    assert 0 == page.execute_script(_OVERLAPS, f"#{chart} {titles}"), width
            lefts = {title.location["x"] for title in each(page, "#chart-scales-ping .annotation")}
            assert columns == len(lefts)
            assert width >= page.execute_script("return document.documentElement.scrollWidth")
    finally:
        resize(page, 1280)


@in_browser
def test_all_text_stands_out_from_what_is_behind_it(page: Chrome) -> None:
    """By 4.5:1 (WCAG AA), in light and in dark."""
    root, before = "document.documentElement.dataset.theme", "light"
    try:
        for theme in ("dark", before):
            page.execute_script(f"{root} = '{theme}'")
            assert [] == page.execute_script(_PALE)
    finally:
        page.execute_script(f"{root} = '{before}'")


@pytest.mark.parametrize("theme", charts.THEMES, ids=lambda theme: str(theme.name))
def test_what_stands_in_a_cell_can_be_read(
    report: Report, findings: Findings, theme: charts.Theme
) -> None:
    """On whatever colour it is; of the whole scale no part is too near to both inks."""
    for place in range(101):
        colour = contrast.on_scale(theme.scale, place / 100)
        assert contrast.contrast(contrast.ink(colour), colour) >= 4.5
    figure: Any = charts.matrix(report, findings, theme)
    cells = 0
    for trace in figure.data:
        width = trace.zmax - trace.zmin
        scale = [[at, colour] for at, colour in trace.colorscale]
        for heat, text in zip(chain(*trace.z), chain(*trace.text),
                              strict=True):  # fmt: skip
            assert (heat is None) == (not text)
            if heat is not None:
                colour = contrast.on_scale(scale, (heat - trace.zmin) / width)
                assert contrast.contrast(trace.textfont.color, colour) >= 4.5
                cells += 1
    assert 5 * SCENARIOS == cells


def test_contrast_is_that_of_the_standard() -> None:
    """Figures that others have, too."""
    assert pytest.approx(21) == contrast.contrast("#000000", "#ffffff")
    assert pytest.approx(4.48, abs=0.01) == contrast.contrast("#777777", "#ffffff")
    assert 1 == contrast.contrast("#2f78b3", "#2f78b3")
    assert "#808080" == contrast.on_scale([[0.0, "#000000"], [1.0, "#ffffff"]], 0.5)
    assert "#ffffff" == contrast.on_scale([[0.0, "#000000"], [1.0, "#ffffff"]], 2)


def symbols(figure: Any) -> list[str]:
    """Markers of all points of curves that are no crosses."""
    return [each for trace in figure.data for each in trace.marker.symbol if "x-" not in each]


def test_what_all_have_is_said_once_and_marked_nowhere() -> None:
    """As in a quick comparison, where the generator is always the limit of a closed loop."""
    report = made_up.report(made_up.quick_study(), saturated=("ping",))
    findings = find(report)
    said = marking.by_workload(findings)
    assert {"ping": {Mark.GENERATOR}, "paced": set()} == said
    assert symbols(charts.curves(report, findings, "ping", charts.THEMES[0]))
    for workload in ("ping", "paced"):
        drawn = symbols(charts.curves(report, findings, workload, charts.THEMES[0]))
        assert not any("open" in symbol for symbol in drawn)
    for table in (tables.scaled(report, findings), tables.ratios(report, findings)):
        assert not any("saturated" in cell.text for row in table.rows for cell in row)
    text = webpage.render(report, findings).partition('id="figures"')[0]
    assert 1 == text.count("In every load of ping there are rounds in which the generator was")
    assert "Hollow" not in text


def test_what_some_have_is_marked_there(report: Report, findings: Findings) -> None:
    """Then a hollow point tells it from others, and the page says what it is."""
    assert frozenset() == marking.by_workload(findings)["ping"]
    drawn = symbols(charts.curves(report, findings, "ping", charts.THEMES[0]))
    assert 0 < sum("open" in symbol for symbol in drawn) < len(drawn)
    rows = [cell.text for row in tables.scaled(report, findings).rows for cell in row]
    assert any("generator saturated in 5 rounds" in text for text in rows)
    text = webpage.render(report, findings)
    assert "Hollow" in text
    assert "In every load of ping" not in text


def test_what_every_cell_has_is_in_none(report: Report, findings: Findings) -> None:
    """A dagger in each of them would say nothing."""
    every = replace(findings, watched=[replace(one, marks={Mark.DISTURBED: 1})
                                       for one in findings.watched])  # fmt: skip
    for those, daggers in ((findings, 1), (every, 0)):
        figure: Any = charts.matrix(report, those, charts.THEMES[0])
        cells = [text for trace in figure.data for row in trace.text for text in row]
        assert daggers == sum("†" in text for text in cells)
        page = webpage.render(report, those).partition('id="figures"')[0]
        assert (daggers > 0) == ("†" in page)
        assert (daggers == 0) == ("In every cell there are rounds" in page)


@pytest.mark.parametrize("values", [[5.5e-3, 5.9e-3], [5e-3], [1e-3], [0.9, 0.95], [2e-6, 3.1]])
def test_every_axis_has_ticks(findings: Findings, report: Report, values: list[float]) -> None:
    """However few loads there are, and however near to each other their values."""
    one = next(s for s in findings.scaled if (s.contestant, s.workload) == ("asyncio", "ping"))
    scaled = [replace(one, p99=value, cpu_us=value * 1e6, resident_bytes=value * 1e9)
              for value in values]  # fmt: skip
    figure: Any = charts.curves(
        report, Findings("asyncio", scaled=scaled), "ping", charts.THEMES[0]
    )
    assert (one.connections,) == tuple(figure.layout.xaxis.tickvals)
    low, high = figure.layout.xaxis.range
    assert low < math.log10(one.connections) < high
    for axis, factor in ((figure.layout.yaxis2, 1), (figure.layout.yaxis3, 1e6),
                         (figure.layout.yaxis4, 1e9)):  # fmt: skip
        low, high = axis.range or map(math.log10, (min(values) * factor, max(values) * factor))
        assert low <= math.log10(min(values) * factor)
        assert math.log10(max(values) * factor) <= high
        assert sum(low <= math.log10(tick) <= high for tick in axis.tickvals) >= 2


def test_a_slow_server_is_slower() -> None:
    """In the table and in the chart, by throughput and by p99; ours is as fast as itself."""
    report = made_up.report(made_up.bad_study())
    findings = find(report)
    rows = {row[0].text: row for row in tables.ratios(report, findings).rows}
    assert ["asyncio (again)", "slow", "crashing ✕", "hanging ✕", "broken ✕"] == list(rows)
    for column, metric in enumerate(METRICS[:2], start=3):
        assert rows["slow"][column].text.startswith("slower: ")
        assert "slow" == rows["slow"][column].look
        assert rows["asyncio (again)"][column].text.startswith("no difference: ")
        assert words.NOTHING == rows["hanging ✕"][column].text
        figure: Any = charts.ratios(report, findings, metric, ("ping", 5), charts.THEMES[0])
        bars = dict(zip(Verdict, figure.data, strict=False))
        assert (1, 1) == (len(bars[Verdict.SLOWER].x), len(bars[Verdict.SAME].x))
    assert '<span class="mark slow">slower: ' in webpage.render(report, findings)


def test_no_script_runs_but_ours(file: Path) -> None:
    """The page itself forbids all others, and whatever would come from elsewhere."""
    text = file.read_text(encoding="utf-8")
    policy = text.partition('Content-Security-Policy" content="')[2].partition('"')[0]
    assert "default-src 'none'" in policy
    script = next(part for part in policy.split("; ") if part.startswith("script-src"))
    assert 2 == script.count("sha256-")
    assert "unsafe" not in script
    assert "<script>alert" not in text


def test_a_saved_report_gives_the_same_page(report: Report, findings: Findings, file: Path) -> None:
    """Nothing in it is known only while it is measured."""
    saved = Report.from_json(json.dumps(report.as_json()))
    assert findings == find(saved)
    assert file.read_text(encoding="utf-8") == webpage.render(saved, findings)


def test_a_question_that_was_not_asked_has_no_chart(report: Report) -> None:
    """Its section says so."""
    nothing = replace(report, observations=[], measurements=[])
    text = webpage.render(nothing, find(nothing))
    assert 3 == text.count("That was not asked for.")
    assert 'class="chart"' not in text
    watched = replace(report, measurements=[])
    assert 2 == webpage.render(watched, find(watched)).count("That was not asked for.")


def test_what_to_be_careful_about_stands_in_the_head(report: Report) -> None:
    """Interrupted, on one core, rounds that are marked; and none of it where it is not so."""
    bare = replace(report, measurements=[])
    text = webpage.render(bare, find(bare))
    assert "Servers ran on CPU 0 and nowhere else, the load and its bystander on CPU 1." in text
    assert "1 of 40 measurements is marked" in text
    assert 'id="partial"' not in text
    assert 'id="share-a-core"' not in text
    cpus = {"server": [0, 2], "load": [1, 3], "share_a_core": True}
    bad = replace(bare, partial=True, study={**bare.study, "cpus": cpus})
    text = webpage.render(bad, find(bad))
    assert "Servers ran on CPUs 0 and 2" in text
    assert 'id="partial"' in text
    assert 'id="share-a-core"' in text


def test_changes_are_a_table_of_their_own(report: Report) -> None:
    """With an anchor."""
    bare = replace(report, measurements=[], observations=[])
    changes = Sheet("Since <then>", ["What", "Now"], [["<p99>", "1.5×"]], notes=["slow <day>"])
    text = webpage.render(bare, find(bare), changes)
    assert 'href="#changes"' in text
    for shown in ("Since &lt;then&gt;", "&lt;p99&gt;", "slow &lt;day&gt;"):
        assert shown in text
    assert "#changes" not in webpage.render(bare, find(bare))


@pytest.mark.parametrize(
    ("low", "high", "arrows"),
    [(None, None, 0), (0.9, 1.6, 0), (0.9, math.inf, 1), (0.0, math.inf, 2), (0.0, 1.6, 1)],
)
def test_intervals_without_an_end_are_arrows(
    report: Report, findings: Findings, low: float | None, high: float | None, arrows: int
) -> None:
    """And those there are none of are not drawn; no number in the chart is infinite."""
    comparison = Comparison(Estimate(1.3, low, high, 5), 1.02, Verdict.SAME)
    one = next(s for s in findings.scaled if s.contestant == "asyncio")
    alone = Findings("asyncio", scaled=[replace(one, comparisons={"rate": comparison})])
    load = (one.workload, one.connections)
    figure: Any = charts.ratios(report, alone, METRICS[0], load, charts.THEMES[0])
    bars, ends = figure.data[list(Verdict).index(Verdict.SAME)], figure.data[-1]
    assert arrows == len(ends.x)
    assert (1, pytest.approx(0.3)) == (bars.base[0], bars.x[0])
    assert (low is None) == (bars.error_x.array[0] == 0 == bars.error_x.arrayminus[0])
    json.dumps(figure.to_plotly_json(), allow_nan=False)
