"""Find a service by its name, ``module:attribute``."""

import importlib
import sys
from pathlib import Path

from ..protocol import Service


class ServiceNotFound(Exception):
    """What was named is no service; the message says what to do."""


def search_current_folder() -> None:
    """Import from the current folder as well, and first; for a command line, whose user is there.

    ``python -m`` does so by itself, unless it is told not to (``-P``).
    """
    if not {"", str(Path.cwd())} & set(sys.path):
        sys.path.insert(0, "")


def load_service(name: str) -> Service:
    """Import the service called ``module:attribute``, from where Python imports modules.

    :raises ServiceNotFound: if there is none; the cause is chained where the module
        itself failed.
    """
    module_name, colon, attribute = name.partition(":")
    if not (module_name and colon and attribute):
        raise ServiceNotFound(f"{name!r} is not of the form module:name")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise ServiceNotFound(f"{name}: {error}") from error
    except (Exception, SystemExit) as error:
        raise ServiceNotFound(f"{name}: {type(error).__name__}: {error}") from error
    service = getattr(module, attribute, None)
    if not isinstance(service, Service):
        raise ServiceNotFound(f"{name}: there is no Service of that name in the module")
    return service
