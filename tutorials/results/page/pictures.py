"""The pictures of `page.md`: the page of a run, with a digit drawn on it, in Chromium.

    .venv/bin/numpymlp page RUN --output page.html
    .venv/bin/python tutorials/results/page/pictures.py page.html

It needs the extra `test` and Debian's package `chromium`.
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

HERE = Path(__file__).parent
# A 3 in one stroke, in shares of the field.
THREE = [
    (0.30, 0.25), (0.50, 0.18), (0.68, 0.28), (0.60, 0.45), (0.40, 0.50), (0.62, 0.52),
    (0.70, 0.70), (0.50, 0.85), (0.30, 0.75),
]  # fmt: skip
SECTIONS = {"forward": "h-draw", "inside": "h-units", "backward": "h-back"}


def main() -> None:
    """Draw a digit on the page, choose its class, take ten steps, and photograph each section."""
    address = Path(sys.argv[1]).resolve().as_uri()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for name, section in SECTIONS.items():
            scheme = "dark" if name == "inside" else "light"
            page = browser.new_page(
                viewport={"width": 1000, "height": 800},
                color_scheme=scheme,
                device_scale_factor=1.5,
            )
            page.goto(address)
            box = page.locator("#field").bounding_box()
            for n, (x, y) in enumerate(THREE):
                place = box["x"] + x * box["width"], box["y"] + y * box["height"]
                page.mouse.move(*place, steps=6 if n else 1)
                if n == 0:
                    page.mouse.down()
            page.mouse.up()
            page.locator("#truths button").nth(5).click()
            if name == "backward":
                page.locator("#ten").click()
            page.mouse.move(0, 0)
            page.wait_for_timeout(500)
            page.locator(f"section[aria-labelledby={section}]").screenshot(
                path=str(HERE / f"{name}.png")
            )
        browser.close()


if __name__ == "__main__":
    main()
