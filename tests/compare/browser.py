"""A headless Chromium, as Debian has it, that reaches no host but the files it is given."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By

#: What is needed, and what Debian's package is called.
_NEEDED = {"chromium": "chromium", "chromedriver": "chromium-driver"}


class NoBrowser(Exception):
    """There is none; the text says what to install."""


@contextmanager
def browser(width: int = 1280, height: int = 900, *, dark: bool = False) -> Iterator[Chrome]:
    """Run a browser with a profile of its own; it ends with the block.

    :param dark: whether it prefers dark pages.
    :raises NoBrowser: if none is installed.
    """
    chromium, driver_path = map(_found, _NEEDED)
    with tempfile.TemporaryDirectory() as profile:
        options = ChromeOptions()
        options.binary_location = chromium
        for argument in (
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            "--no-first-run", "--disable-background-networking", "--hide-scrollbars",
            "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={profile}",
            f"--window-size={width},{height}", "about:blank",
        ):  # fmt: skip
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        driver = Chrome(options, ChromeService(driver_path))
        try:
            prefer(driver, "dark" if dark else "light")
            driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", _metrics(width, height))
            yield driver
        finally:
            driver.quit()


def prefer(driver: Chrome, scheme: str) -> None:
    """Have the system prefer ``light`` or ``dark``."""
    feature = {"name": "prefers-color-scheme", "value": scheme}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})


def complaints(driver: Chrome) -> list[str]:
    """What the console has said since it was asked last, whatever level it has."""
    return [entry["message"] for entry in _log(driver, "browser")]


def requests(driver: Chrome) -> list[str]:
    """The addresses of everything that was asked for since this was asked last."""
    events = [json.loads(entry["message"])["message"] for entry in _log(driver, "performance")]
    return [
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    ]


def picture(
    html_path: Path,
    png_path: Path,
    width: int,
    height: int,
    dark: bool = False,
    element_id: str | None = None,
) -> None:
    """Write what a page looks like.

    :param width: and ``height`` of the window, in pixels.
    :param element_id: what is to be seen of it alone; ``None``: what the window shows.
    :raises NoBrowser: if none is installed.
    """
    with browser(width, height, dark=dark) as driver:
        driver.get(html_path.resolve().as_uri())
        if element_id is None:
            png = driver.get_screenshot_as_png()
        else:
            png = driver.find_element(By.ID, element_id).screenshot_as_png
        png_path.write_bytes(png)


def _log(driver: Chrome, kind: str) -> list[dict[str, Any]]:
    """What a log got since it was read last."""
    entries: list[dict[str, Any]] = driver.get_log(kind)  # type: ignore[no-untyped-call]
    return entries


def _metrics(width: int, height: int) -> dict[str, Any]:
    return {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}


def _found(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        raise NoBrowser(f"there is no {program}: apt-get install {_NEEDED[program]}")
    return found
