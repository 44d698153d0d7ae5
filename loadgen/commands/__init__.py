"""The commands of ``python -m loadgen``."""

import click

from dumb_async import __version__

from .c10k import c10k
from .dist import dist
from .doctor import doctor
from .find_max import find_max
from .program import Program
from .run import run
from .saved import merge_command, report
from .scenario import scenario
from .selftest import selftest
from .sweep import sweep


@click.group(
    cls=Program, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="loadgen")
def main() -> None:
    """Load a server that speaks a line protocol, and measure it honestly.

    Ctrl-C, SIGTERM or SIGHUP once: what there is, is printed and saved; twice: at once.

    Exit status: 0 ok, 1 failed, 2 usage, 3 invalid (the generator was the bottleneck),
    99 a threshold was missed, 130 interrupted.
    """


for command in (
    run,
    dist,
    c10k,
    find_max,
    sweep,
    merge_command,
    report,
    scenario,
    doctor,
    selftest,
):
    main.add_command(command)
