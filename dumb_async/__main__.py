"""``python -m dumb_async``."""

from .cli import main

if __name__ == "__main__":
    main()
