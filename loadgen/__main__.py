"""``python -m loadgen``."""

if __name__ == "__main__":  # agents import this module, too
    try:
        from loadgen.commands import main

        main(prog_name="python -m loadgen")
    except KeyboardInterrupt:  # before there was anything to interrupt
        raise SystemExit(130) from None
