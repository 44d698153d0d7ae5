"""Export in the format of HdrHistogram, for the tools that read its logs."""

from datetime import datetime
from pathlib import Path

from .histogram import LONGEST, Histogram


class CannotExport(Exception):
    """The library that knows the format is not there."""


def write_log(path: Path, histogram: Histogram, begun: str, seconds: float) -> None:
    """Write ``histogram`` as the one interval of a log, version 1.3, in microseconds.

    :param begun: when it begins, as ISO 8601 has it.
    :param seconds: how long it is.
    :raises CannotExport: if the extra ``hdr`` is not installed.
    :raises OSError: if the file can not be written.
    """
    try:
        from hdrh.histogram import HdrHistogram  # noqa: PLC0415 - an extra
        from hdrh.log import HistogramLogWriter  # noqa: PLC0415
    except ImportError:
        raise CannotExport("--hdr needs hdrhistogram: pip install 'dumb_async[hdr]'") from None
    exported = HdrHistogram(1, LONGEST, 3)
    for micros, count in histogram:
        exported.record_value(micros, count)
    start = datetime.fromisoformat(begun).timestamp()
    exported.set_start_time_stamp(start * 1000)
    exported.set_end_time_stamp((start + seconds) * 1000)
    with path.open("w", encoding="utf-8") as file:
        log = HistogramLogWriter(file)
        log.output_comment("response times in microseconds, from dumb_async's load generator")
        log.output_log_format_version()
        log.output_base_time(start * 1000)
        log.output_legend()
        log.output_interval_histogram(exported, max_value_unit_ratio=1.0)
