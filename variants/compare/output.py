"""What comes of a comparison, and the files it is written to."""

import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from loadgen.views import Sheet

from . import baseline
from .baseline import Change
from .finding import find
from .findings import Findings
from .report import NoReport, Report
from .views import markdown
from .views.sheets import changes_since, sheets

_NEEDED: Final = ("jinja2", "plotly")


class CannotWrite(Exception):
    """A report could not be written; the text says why, in one line."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A report and all that follows from it.

    :param changes: since the baseline, and ``notes`` on how far the two are alike.
    """

    report: Report
    findings: Findings
    changes: Sequence[Change] | None = None
    notes: Sequence[str] = field(default_factory=list)

    @classmethod
    def of(
        cls, report: Report, against: str | None, old: Report | None, threshold: float
    ) -> "Outcome":
        """Work everything out.

        :param against: whom to compare with, if not whom the study says.
        :param old: the baseline; ``None``: there is none.
        """
        findings = find(report, against)
        if old is None:
            return cls(report, findings)
        changes = list(baseline.changes(report, old, threshold))
        return cls(report, findings, changes, baseline.differences(report, old))

    @property
    def past(self) -> bool:
        """Whether anything got worse by more than the threshold."""
        return any(change.past for change in self.changes or ())

    @property
    def sheets(self) -> list[Sheet]:
        """All of it as text, for a terminal."""
        return [*sheets(self.report, self.findings, wide=False), *self.more]

    @property
    def more(self) -> list[Sheet]:
        """What has changed, if there is something to compare with."""
        return [] if self.changes is None else [changes_since(self.changes, self.notes)]

    def as_json(self) -> dict[str, Any]:
        """Return what `json.dumps` takes; docs/compare.md describes it."""
        data = {**self.report.as_json(), "findings": self.findings.as_json()}
        if self.changes is not None:
            data["changes"] = [change.as_json() for change in self.changes]
        return data


def load(path: Path) -> Report:
    """Read a report.

    :raises NoReport: if there is none, or it cannot be read.
    """
    try:
        return Report.from_json(path.read_bytes())
    except OSError as error:
        raise NoReport(f"{path} cannot be read: {error.strerror}") from None
    except NoReport as error:
        raise NoReport(f"{path} is no report: {error}") from None


def prepare(where: Path) -> Path:
    """Make the directory, and see that all is there to write into it, before hours of work.

    :raises CannotWrite: if not.
    """
    if missing := [name for name in _NEEDED if find_spec(name) is None]:
        raise CannotWrite(
            f"the page needs {' and '.join(missing)}: pip install 'dumb_async[compare]'"
        )
    try:
        where.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotWrite(f"{where} cannot be made: {error.strerror}") from None
    if not os.access(where, os.W_OK | os.X_OK):
        raise CannotWrite(f"{where} cannot be written to")
    return where


def write(where: Path, outcome: Outcome) -> tuple[Path | None, str]:
    """Write report.json, report.md and report.html.

    :return: where they are, and why they are not where they should be: then they are in a
        directory for temporary files, or, if that cannot be either, nowhere.
    """
    try:
        _write(prepare(where), outcome)
    except CannotWrite as error:
        elsewhere = None
        try:
            elsewhere = Path(tempfile.mkdtemp(prefix="compare-"))
            _write(elsewhere, outcome)
        except (CannotWrite, OSError):
            if elsewhere is not None:
                shutil.rmtree(elsewhere, ignore_errors=True)
            return None, str(error)
        return elsewhere, str(error)
    return where, ""


def _write(where: Path, outcome: Outcome) -> None:
    """Write them into a directory, each whole or not at all."""
    from .views import webpage  # noqa: PLC0415 - what it needs is an extra

    report, findings = outcome.report, outcome.findings
    changes = next(iter(outcome.more), None)
    try:
        _replace(where / "report.json", _compact(outcome.as_json()))
        _replace(where / "report.md", markdown.render(report, findings, changes))
        _replace(where / "report.html", webpage.render(report, findings, changes))
    except OSError as error:
        raise CannotWrite(f"{where} cannot be written to: {error.strerror}") from None


def _compact(data: dict[str, Any]) -> str:
    """Raw counts are many: some 40 KB a measurement."""
    return json.dumps(data, allow_nan=False, separators=(",", ":"))


def _replace(path: Path, text: str) -> None:
    beside = path.with_name(path.name + ".part")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
