"""``python -m loadgen``."""

from dumb_async.starting import begin, started

if __name__ == "__main__":  # agents import this module, too
    begin()
    from loadgen.commands import main

    started()
    main(prog_name="python -m loadgen")
