"""The site: it is built without a warning, and every page of it works in a browser, offline.

It needs the extra `site` and takes about a minute, so it is slow; `.ci/run` runs it.
"""

import functools
import os
import re
import subprocess
import sys
import threading
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest
from page.browser import chromium, missing

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "tutorials" / "build.py"
COURSE = sorted(path.stem for path in (ROOT / "tutorials").glob("[0-9][0-9]_*.ipynb"))
PHONE = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the site, built once."""
    for module in ("sphinx", "myst_nb", "furo", "latex2mathml"):
        try:
            __import__(module)
        except ImportError:
            missing(module, 'pip install -e ".[site]"')
    target = tmp_path_factory.mktemp("site").resolve()
    command = [sys.executable, BUILD, "--site", target]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return target


def pages(site):
    return sorted(path.relative_to(site).as_posix() for path in site.rglob("*.html"))


class Links(HTMLParser):
    """The links and the anchors of a page."""

    def __init__(self, path):
        super().__init__()
        self.links, self.anchors = set(), set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ("id", "name"):
                self.anchors.add(value)
            elif name in ("href", "src") and value:
                self.links.add(value)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def address(site):
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=site))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser, address):
    """A page that may ask only the server; at the end nothing was asked elsewhere or failed."""
    context = browser.new_context(viewport=PHONE)
    page, faults = context.new_page(), []

    def answer(route):
        if route.request.url.startswith((address, "data:")):
            route.continue_()
        else:
            faults.append(f"asks {route.request.url}")
            route.abort()

    context.route("**/*", answer)
    page.on("console", lambda message: message.type == "error" and faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("requestfailed", lambda r: "ABORTED" in r.failure or faults.append(f"failed: {r.url}"))
    page.on("response", lambda r: r.status >= 400 and faults.append(f"{r.status}: {r.url}"))
    yield page
    context.close()
    assert faults == []


@pytest.mark.slow
def test_the_site_has_the_course_its_documents_and_the_reference(site):
    found = set(pages(site))
    assert {f"{name}.html" for name in COURSE} <= found
    documents = {"cheat_sheet", "notation", "wrong_gradients", "teaching", "coming_from"}
    others = {"index", "search", "digits", "network", "results/ladder", "api/layers"}
    assert {f"{name}.html" for name in documents | others} <= found
    for name in COURSE:
        text = (site / f"{name}.html").read_text(encoding="utf-8")
        assert 'rel="next"' in text or name == COURSE[-1]
        assert 'rel="prev"' in text


@pytest.mark.slow
def test_every_public_name_is_in_the_reference(site):
    import numpymlp

    anchors = set().union(*(Links(path).anchors for path in (site / "api").glob("*.html")))
    documented = {anchor.rpartition(".")[2] for anchor in anchors if anchor}
    assert set(numpymlp.__all__) - documented == set()


@pytest.mark.slow
def test_every_link_leads_somewhere(site):
    parsed = {site / name: Links(site / name) for name in pages(site) if name != "digits.html"}
    dead = []
    for path, page in parsed.items():
        for link in page.links:
            target, anchor = urldefrag(link)
            if re.match(r"[a-z]+:", target):
                continue
            file = path.parent / unquote(target.partition("?")[0]) if target else path
            file = file.resolve()
            there = file.is_file() and file.is_relative_to(site)
            if not there or (anchor and file in parsed and anchor not in parsed[file].anchors):
                dead.append(f"{path.relative_to(site)}: {link}")
    assert dead == []


@pytest.mark.slow
def test_formulas_are_mathml_and_answers_are_folded(site):
    text = (site / "03_softmax.html").read_text(encoding="utf-8")
    assert text.count("<math ") > 10
    assert "<details>" in text
    for name in pages(site):
        scripts = re.findall(r"<script[^>]*>", (site / name).read_text(encoding="utf-8"))
        assert not any("http" in tag or "mathjax" in tag.lower() for tag in scripts), name


@pytest.mark.slow
def test_every_page_opens_offline_and_fits_a_phone(page, site, address):
    wide = []
    for name in pages(site):
        page.goto(f"{address}/{name}")
        if name != "digits.html":
            width = page.evaluate("document.documentElement.scrollWidth")
            wide += [f"{name}: {width} pixels"] * (width > PHONE["width"])
    assert wide == []


@pytest.mark.slow
def test_the_search_finds_a_page(page, address):
    page.goto(f"{address}/search.html?q=backpropagation")
    page.wait_for_selector("#search-results li a")
    assert "ackpropagation" in page.inner_text("#search-results")


@pytest.mark.slow
def test_pictures_have_a_light_ground_in_dark_mode(page, address):
    page.emulate_media(color_scheme="dark")
    page.goto(f"{address}/{COURSE[0]}.html")
    image = page.locator("article img").first
    assert image.evaluate("e => getComputedStyle(e).backgroundColor") == "rgb(255, 255, 255)"
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert max(map(int, re.findall(r"\d+", ground)[:3])) < 64


@pytest.mark.slow
def test_the_embedded_network_reads_a_digit(page, address):
    page.goto(f"{address}/network.html")
    page.locator("iframe").scroll_into_view_if_needed()
    frame = page.frame_locator("iframe")
    frame.locator("canvas").first.wait_for()


@pytest.mark.parametrize(("module", "extra"), [("sphinx", "site"), ("jupytext", "site")])
def test_a_missing_package_gets_one_line_of_help(module, extra, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(f"import sys; sys.modules[{module!r}] = None\n")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, BUILD, "--site", tmp_path / "site"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1, done.stderr
    assert f"pip install -e '.[{extra}]'" in done.stderr
    assert not (tmp_path / "site").exists()
