"""``python -m loadgen``."""

from dumb_async.starting import begin

if __name__ == "__main__":  # agents import this module, too
    begin()
    from loadgen.commands import main
    from loadgen.interrupting import heeding

    with heeding():
        main(prog_name="python -m loadgen")
