"""Put a page together: the template, the style, the numbers and the modules of `web/`."""

from __future__ import annotations

import html
import json
import re
import string
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

# The modules in the order of their imports. In the page they are one script.
MODULES = (
    "convolution", "network", "digit", "lesson", "colours", "state", "drawing", "elements", "page",
)  # fmt: skip


def page_html(title: str, summary: str, contents: Mapping[str, Any]) -> str:
    """Return the HTML page, which needs no other file.

    Parameters
    ----------
    title, summary : str
        Plain text; shown as such, whatever it holds.
    contents : mapping
        What `page_contents` returns.
    """
    web = files("numpymlp.page") / "web"
    template = string.Template((web / "page.html").read_text(encoding="utf-8"))
    # Inside a script element, "<" could begin the element's end or a comment.
    payload = json.dumps(contents, allow_nan=False).replace("<", "\\u003c")
    return template.substitute(
        title=html.escape(title),
        summary=html.escape(summary),
        drawing=" data-drawing" if contents["shape"] else "",
        style=(web / "style.css").read_text(encoding="utf-8"),
        payload=payload,
        script=script(),
    )


def script() -> str:
    """Return the modules as one script: without imports, and without the word export."""
    web = files("numpymlp.page") / "web"
    texts = [(web / f"{name}.mjs").read_text(encoding="utf-8") for name in MODULES]
    joined = "\n".join(re.sub(r"^import [^;]*;\n", "", text, flags=re.M) for text in texts)
    return re.sub(r"^export ", "", joined, flags=re.M)
