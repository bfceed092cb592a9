"""The page as one file: names are shown as text, and nothing is loaded from elsewhere."""

import re

import numpy as np
from page.browser import WEB

from numpymlp import mlp
from numpymlp.page.contents import page_contents
from numpymlp.page.html import MODULES, page_html, script

EVIL = "</script><script>alert(1)</script><!--"


def page(title="A page", names=("a", "b", "c")):
    rng = np.random.default_rng(0)
    network = mlp([9, 4, 3], activation="relu", rng=rng)
    x, y = rng.random((20, 9)).astype(np.float32), rng.integers(0, 3, 20)
    contents = page_contents(network, x, y, image_shape=(3, 3), class_names=names, snapshots=[])
    return page_html(title, title, contents)


def test_names_and_titles_are_shown_as_text_whatever_they_hold():
    plain, evil = page(), page(EVIL, (EVIL, "&amp;", "$title"))
    assert evil.count("<script") == plain.count("<script") == 2
    assert evil.count("<!--") == plain.count("<!--")
    assert "alert(1)" in evil


def test_the_page_names_no_other_file_or_place():
    text = page()
    assert not re.search(r"https?:|//[a-z]+\.|@import|src=|href=\"(?!data:,)", text)


def test_the_script_is_all_modules_without_imports_and_exports():
    text = script()
    assert not re.search(r"^(import|export)\b", text, re.M)
    names = re.findall(r"^(?:const|let|function|class) (\w+)", text, re.M)
    assert len(names) == len(set(names)), "a name stands in two modules"
    assert {f"{name}.mjs" for name in MODULES} == {path.name for path in WEB.glob("*.mjs")}
