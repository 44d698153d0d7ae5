"""``python -m variants``."""

import sys

from dumb_async.starting import begin

if __name__ == "__main__":
    begin(None if "compare" in sys.argv[1:2] else 0)
    from variants.cli import main

    main(prog_name="python -m variants")
