"""A viewer in a browser, looked at and measured: what the tests of the viewer and the bench of the page share."""

import io

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from playwright.sync_api import Frame, Page

STILL = "body[data-loaded=all][data-state=still], body.compact[data-state=still], body[data-state=failed]"
PATIENCE = 60_000  # ms

Pixels = NDArray[np.int64]  # (row, column, channel)

# Turns the picture a little before each frame that the browser draws.
TURN = """async (milliseconds) => {
  const began = performance.now();
  while (performance.now() - began < milliseconds) {
    document.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowLeft", shiftKey: true, bubbles: true }));
    await new Promise(requestAnimationFrame);
  }
  return Number(document.body.dataset.framesPerSecond);
}"""


def settle(page: Page | Frame) -> None:
    """Wait until all is read and nothing moves."""
    page.wait_for_selector(STILL, timeout=PATIENCE)


def picture(page: Page | Frame) -> Pixels:
    """Return what is seen of the tissue, once nothing moves."""
    settle(page)
    taken = page.locator("#holder").screenshot()
    return np.asarray(PIL.Image.open(io.BytesIO(taken)).convert("RGB"), dtype=np.int64)


def told(page: Page | Frame, name: str) -> str:
    """Return what the viewer tells of itself: a key of `document.body.dataset`."""
    return str(page.evaluate("(name) => document.body.dataset[name]", name))


def load_seconds(page: Page) -> float:
    """Return the seconds from the start of the navigation to the first picture of cells, drawn."""
    page.wait_for_selector("body[data-load-milliseconds]", timeout=PATIENCE)
    return float(told(page, "loadMilliseconds")) / 1000


def turning(page: Page, seconds: float = 3.0) -> float:
    """Return how many pictures a second are drawn while the tissue is turned."""
    settle(page)
    return float(page.evaluate(TURN, 1000 * seconds))


def playing(page: Page, seconds: float = 3.0) -> float:
    """Return how many pictures a second are drawn while the times of a run are played and the tissue is turned."""
    settle(page)
    page.locator("#speed").select_option("16")
    page.locator("#time").fill("0")
    page.locator("#play").click()
    page.locator("#scene").focus()
    return float(page.evaluate(TURN, 1000 * seconds))
