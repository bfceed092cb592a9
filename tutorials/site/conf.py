"""Sphinx's settings for the site: the course, its documents, and the reference from docstrings.

`python tutorials/build.py --site DIR` copies this folder and the course side by side, writes one
page of the reference per module, and runs Sphinx on the copy.
"""

from __future__ import annotations

import posixpath
from pathlib import Path
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx import addnodes

import numpymlp

project = "numpymlp"
version = release = numpymlp.__version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["exercises", "site"]

# The notebooks hold their outputs.
nb_execution_mode = "off"
nb_merge_streams = True
nb_code_prompt_show = "Show the {type}"
nb_code_prompt_hide = "Hide the {type}"
myst_enable_extensions = ["amsmath", "dollarmath", "html_image"]
myst_heading_anchors = 3

default_role = "code"
add_module_names = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say types and shapes
autodoc_use_type_comments = False
autodoc_inherit_docstrings = False
# What matplotlib and scikit-learn add to their subclasses.
OTHERS = "set, set_fit_request, set_partial_fit_request, set_score_request"
autodoc_default_options = {"exclude-members": OTHERS}
autodoc_mock_imports = ["mpi4py", "onnx"]
napoleon_google_docstring = False
napoleon_custom_sections = [("Attributes", "params_style")]  # listed as parameters are

html_theme = "furo"
html_title = f"numpymlp {version}"
html_static_path = ["static"]
html_css_files = ["style.css"]
html_copy_source = False
html_show_copyright = False
html_math_renderer = "mathml"


def mathml(node: Any, display: str) -> str:
    """Return a formula as MathML, which browsers show without any script."""
    formula = convert(node.astext(), display=display)
    if "\\" in formula:
        raise ValueError(f"latex2mathml expected commands that it knows, got {node.astext()!r}")
    return formula


def inline(translator: Any, node: Any) -> None:
    translator.body.append(mathml(node, "inline"))
    raise nodes.SkipNode


def block(translator: Any, node: Any) -> None:
    translator.body.append(f'<div class="formula">{mathml(node, "block")}</div>\n')
    raise nodes.SkipNode


def give_title(app: Any, page: str, source: list[str]) -> None:
    """Name the tables of the benchmark, which are generated, by their machine."""
    if page.startswith("results/benchmark/") and not source[0].startswith("# "):
        source[0] = f"# Benchmark: {page.split('/')[2]}\n\n{source[0]}"


def link_public_names(app: Any, doctree: Any) -> None:
    """Leave the words of a docstring's types alone, unless they are public names."""
    for node in list(doctree.findall(addnodes.pending_xref)):
        if node["refdomain"] == "py" and node["reftarget"] not in numpymlp.__all__:
            node.replace_self(node.children)


def link_source(app: Any, doctree: Any, page: str) -> None:
    """Let links to the package's files lead to their pages, which viewcode makes."""
    shown = getattr(app.env, "_viewcode_modules", {})
    root = Path(app.srcdir).parent.resolve()
    for node in list(doctree.findall(addnodes.download_reference)):
        path = (Path(app.srcdir, page).parent / node["reftarget"]).resolve()
        module = path.relative_to(root).with_suffix("").as_posix().removesuffix("/__init__")
        if shown.get(module.replace("/", ".")):
            target = posixpath.relpath(f"_modules/{module}.html", posixpath.dirname(page) or ".")
            link = nodes.reference("", "", *node.children, refuri=target, internal=True)
            node.replace_self(link)


def setup(app: Any) -> None:
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    app.connect("source-read", give_title)
    app.connect("doctree-read", link_public_names)
    app.connect("doctree-resolved", link_source)
