"""What the tests of the page need from outside: Node, and Chromium driven by Playwright."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

WEB = Path(__file__).parents[2] / "numpymlp" / "page" / "web"


def missing(what, advice):
    """Skip the tests where a program is missing; in CI it must be there."""
    reason = f"{what} is not installed: {advice}"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def in_node(program, value):
    """Run a JavaScript program that imports the page's modules; `input` is a value from JSON.

    The program sets `output`, which is returned.
    """
    node = shutil.which("node") or missing("Node", "apt-get install nodejs")
    text = f"""
        import {{ readFileSync, writeFileSync }} from "node:fs";
        const input = JSON.parse(readFileSync(0, "utf8"));
        let output;
        {program.replace("WEB/", WEB.as_uri() + "/")}
        writeFileSync(1, JSON.stringify(output, (_, v) => ArrayBuffer.isView(v) ? [...v] : v));
    """
    # Imports stand first in a module.
    imports, rest = [], []
    for line in text.splitlines():
        (imports if line.strip().startswith("import ") else rest).append(line)
    result = subprocess.run(
        [node, "--input-type=module", "-e", "\n".join(imports + rest)],
        input=json.dumps(value),
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def chromium():
    """Return a headless Chromium as a context manager that yields a Playwright browser."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("Playwright", 'pip install -e ".[test]"')
    program = shutil.which("chromium") or missing("Chromium", "apt-get install chromium")

    class Chromium:
        def __enter__(self):
            self.playwright = sync_playwright().start()
            return self.playwright.chromium.launch(
                executable_path=program, args=["--no-sandbox", "--disable-dev-shm-usage"]
            )

        def __exit__(self, *error):
            self.playwright.stop()

    return Chromium()
