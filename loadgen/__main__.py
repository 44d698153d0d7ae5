"""``python -m loadgen``."""

if __name__ == "__main__":  # agents import this module, too
    from loadgen.commands import main

    main(prog_name="python -m loadgen")
