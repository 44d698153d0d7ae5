"""A report as JSON and as Markdown: nothing is lost, and what it is stands in its schema."""

import json
import re
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from loadgen.views import Sheet
from variants.compare.baseline import changes, differences
from variants.compare.finding import find
from variants.compare.metrics import METRICS
from variants.compare.output import Outcome
from variants.compare.report import NoReport, Report
from variants.compare.views import markdown
from variants.compare.views.sheets import changes_since, sheets

from . import made_up

SCHEMA: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "docs" / "compare.schema.json").read_text()
)


@pytest.fixture(scope="module")
def report() -> Report:
    """A report."""
    return made_up.report()


@pytest.fixture(scope="module")
def bad() -> Report:
    """A report on servers that nobody wants to have."""
    return made_up.report(made_up.bad_study())


@pytest.fixture(scope="module")
def written(report: Report) -> dict[str, Any]:
    """Its JSON, with what changed since another one."""
    text = json.dumps(Outcome.of(report, None, report, 0.05).as_json(), allow_nan=False)
    data: dict[str, Any] = json.loads(text)
    return data


def test_the_schema_is_one() -> None:
    """By the standard it names."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_a_report_is_as_its_schema_says(written: dict[str, Any]) -> None:
    """All of it: whatever is not described there is not allowed."""
    jsonschema.validate(written, SCHEMA, jsonschema.Draft202012Validator)
    assert SCHEMA["properties"].keys() == written.keys()


def test_the_schema_refuses_what_is_none(written: dict[str, Any]) -> None:
    """It is not so wide that everything fits."""
    for broken in broken_copies(written):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(broken, SCHEMA, jsonschema.Draft202012Validator)


def broken_copies(written: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Reports, each with one thing wrong."""
    first = written["measurements"][0]
    yield {**written, "schema": "dumb_async.variants.compare/0"}
    yield {**written, "more": 1}
    yield {name: written[name] for name in written if name != "study"}
    yield {**written, "measurements": [{**first, "connections": "ten"}]}
    yield {**written, "measurements": [{name: first[name] for name in first if name != "usage"}]}
    yield {**written, "findings": {**written["findings"], "falls": [{"contestant": "x"}]}}


def test_a_report_is_read_as_it_was_written(report: Report) -> None:
    """Every raw count of it; so the same follows from it."""
    again = Report.from_json(json.dumps(report.as_json()))
    for one in fields(Report):
        assert getattr(report, one.name) == getattr(again, one.name), one.name
    assert find(report) == find(again)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "not JSON"),
        ("[]", "its schema is None"),
        ('{"schema": "x"}', "its schema is 'x'"),
        ('{"schema": "dumb_async.variants.compare/1"}', "lacks something"),
    ],
)
def test_what_is_no_report_is_refused(text: str, complaint: str) -> None:
    """In one line."""
    with pytest.raises(NoReport, match=complaint):
        Report.from_json(text)


def test_a_report_with_a_broken_measurement_is_refused(report: Report) -> None:
    """Whatever is missing in it."""
    data = report.as_json()
    for name in ("contestant", "result", "usage"):
        broken = {**data["measurements"][0], name: {"schema": "none"}}
        if name == "contestant":
            del broken[name]
        with pytest.raises(NoReport):
            Report.from_json(json.dumps({**data, "measurements": [broken]}))


def tables(text: str) -> list[list[list[str]]]:
    """The tables of a Markdown document, as cells; a cell may have an escaped bar in it."""
    found: list[list[list[str]]] = [[]]
    for line in text.splitlines():
        if line.startswith("|"):
            found[-1].append(re.split(r"(?<!\\)\|", line)[1:-1])
        elif found[-1]:
            found.append([])
    return [table for table in found if table]


def test_markdown_has_every_table_with_all_its_cells(report: Report) -> None:
    """As many in each row as in the head; the rule below that."""
    findings = find(report)
    text = markdown.render(report, findings)
    expected = list(sheets(report, findings))
    found = tables(text)
    assert len(expected) == len(found)
    for sheet, table in zip(expected, found, strict=True):
        assert len(sheet.rows) + 2 == len(table)
        assert {len(sheet.head)} == {len(row) for row in table}
        assert all(re.fullmatch("-{2,3}:?", rule) for rule in table[1])
    assert "NEVER" in text
    assert "iterative: paralysed: none of 400 PINGs was answered" in text


def test_markdown_has_the_verdicts(bad: Report) -> None:
    """Of each metric: a slow server is slower, and ours as fast as itself."""
    found = [table for table in tables(markdown.render(bad, find(bad))) if " verdict " in table[0]]
    assert len(METRICS) == len(found)
    for head, _, *rows in found:
        at = head.index(" verdict ")
        assert {" asyncio (again) ": " no difference ", " slow ": " slower "} == {
            row[0]: row[at] for row in rows
        }


def test_markdown_of_a_hostile_name_is_text(report: Report) -> None:
    """No tag, no code, no link comes out of it."""
    text = markdown.render(report, find(report))
    assert "alert(1)" in text
    assert not re.search(r"(?<!\\)<", text)


def test_an_interrupted_report_says_so_first(report: Report) -> None:
    """Before any figure."""
    partial = replace(report, partial=True, measurements=[])
    lines = [line for line in markdown.render(partial, find(partial)).splitlines() if line]
    assert "PARTIAL" in lines[1]


def test_what_changed_is_a_table_of_its_own(report: Report) -> None:
    """With what the two reports differ in."""
    other = replace(report, machine={"cpus": 64})
    sheet: Sheet = changes_since(list(changes(other, report)), differences(other, report))
    text = markdown.render(other, find(other), sheet)
    assert "What has changed since the baseline?" in text
    assert "the machine differs" in text
    assert len(sheet.head) == len(sheet.rows[0])
