"""``python -m dumb_async``."""

from .starting import begin

if __name__ == "__main__":
    begin(0)
    from .cli import main

    main()
