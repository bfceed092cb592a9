"""The page in a real browser: draw, look inside, step back, follow a link."""

import numpy as np
import pytest
from page.browser import chromium
from small_mnist import small_mnist

from numpymlp.__main__ import main
from numpymlp.data import load_mnist

# A 3 in one stroke, in shares of the field.
THREE = [
    (0.30, 0.25), (0.50, 0.18), (0.68, 0.28), (0.60, 0.45), (0.40, 0.50), (0.62, 0.52),
    (0.70, 0.70), (0.50, 0.85), (0.30, 0.75),
]  # fmt: skip
EVIL = "<script>window.evil = 1</script>"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "a-run"
    data = small_mnist(tmp_path_factory.mktemp("mnist"), 6000, 300)
    settings = ["--hidden", "48,24", "--epochs", "6", "--no-figures", "--no-check", "--quiet"]
    assert main(["train", "--output", str(folder), "--data", str(data), *settings]) == 0
    assert main(["page", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser, run):
    """The page, freshly opened; at the end there was no error and no request from elsewhere."""
    context = browser.new_context(viewport={"width": 1200, "height": 900}, has_touch=True)
    page, faults = context.new_page(), []
    page.on("console", lambda message: faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda r: r.url.startswith(("file:", "data:")) or faults.append(r.url))
    page.goto((run / "page.html").as_uri())
    yield page
    context.close()
    assert faults == []


def text_of(page, name):
    return page.locator(name).inner_text().replace("\u00a0", " ")


def place(page, share):
    box = page.locator("#field").bounding_box()
    return box["x"] + share[0] * box["width"], box["y"] + share[1] * box["height"]


def draw(page, points=THREE):
    page.mouse.move(*place(page, points[0]))
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*place(page, point), steps=6)
    page.mouse.up()


def loss(page):
    return float(text_of(page, "#loss").split(", before")[0].split()[-1].replace("\u2212", "-"))


def test_a_digit_drawn_by_mouse_is_read(page):
    draw(page)
    assert "It reads 3" in text_of(page, "#answer")
    page.locator("#undo").click()
    assert "label of this test image" in text_of(page, "#answer")
    page.locator("#clear").click()
    assert "Nothing is drawn" in text_of(page, "#answer")
    page.mouse.click(*place(page, (0.5, 0.5)))
    draw(page)
    assert "It reads" in text_of(page, "#answer")


def test_a_digit_drawn_by_touch_is_read(page):
    session = page.context.new_cdp_session(page)
    for kind, points in [("touchStart", THREE[:1]), *(("touchMove", [p]) for p in THREE)]:
        at = [dict(zip("xy", place(page, point), strict=True)) for point in points]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": at})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.wait_for_function("document.querySelector('#answer').textContent.includes('reads 3')")


def test_a_click_on_a_unit_shows_its_sum_and_switching_it_off_changes_the_answer(page):
    tile = page.locator("#tiles button").nth(2)
    unit = tile.get_attribute("data-unit")
    tile.click()
    assert f"Unit {unit} of hidden layer 1" in text_of(page, "#unit")
    assert "sum of w x" in text_of(page, "#unit")
    before = page.evaluate("Array.from(numpymlp.pass.logits)")
    page.locator("#unit button").click()
    assert not np.allclose(before, page.evaluate("Array.from(numpymlp.pass.logits)"))
    page.locator("#allon").click()
    assert page.evaluate("Array.from(numpymlp.pass.logits)") == before


def test_each_step_lowers_the_loss_and_reset_brings_the_weights_back(page):
    page.locator("#rate").fill("-4")
    first = loss(page)
    page.locator("#one").click()
    second = loss(page)
    page.locator("#ten").click()
    assert loss(page) < second < first
    page.locator("#reset").click()
    assert loss(page) == first


def test_a_link_shows_the_same_page(page):
    draw(page)
    page.locator("#truths button").nth(8).click()
    page.locator("#one").click()
    page.locator("#tiles button").nth(1).click()
    page.wait_for_function("location.hash.includes('unit')")
    page.wait_for_timeout(300)
    link = page.evaluate("location.href")
    expected = [text_of(page, name) for name in ("#answer", "#loss", "#unit", "#upstream")]
    page.goto("about:blank")
    page.goto(link)
    assert [text_of(page, name) for name in ("#answer", "#loss", "#unit", "#upstream")] == expected


def test_the_slider_of_the_training_run_shows_the_weights_of_that_time(page):
    page.wait_for_selector("#times button")
    trained = page.evaluate(
        "Array.from(numpymlp.lesson.network.parameters.slice(100 * 48, 200 * 48))"
    )
    page.locator("#times button").first.click()
    start = page.evaluate(
        "Array.from(numpymlp.lesson.network.parameters.slice(100 * 48, 200 * 48))"
    )
    assert not np.allclose(trained, start, atol=1e-3)
    page.wait_for_function(  # it follows when the pen rests
        "document.querySelector('#epochvalue').textContent.trim() === 'at the start'"
    )


def test_a_distortion_is_seen_by_the_network(page):
    page.locator("#distortions summary").click()
    before = page.evaluate("Array.from(numpymlp.pass.seen)")
    page.locator("#turn").fill("90")
    turned = page.evaluate("Array.from(numpymlp.pass.seen)")
    image = np.reshape(before, (28, 28))
    np.testing.assert_allclose(np.reshape(turned, (28, 28)), np.rot90(image, -1), atol=1e-9)


def test_the_answer_of_the_page_is_that_of_predict_proba(page, run):
    from numpymlp.experiments.begun import load_run
    from numpymlp.experiments.folders import read_config, read_data

    network = load_run(run)
    x = read_data(read_config(run)["data"]).x_test
    for number in (0, 7):
        page.locator("#strip button").nth(number).click()
        seen = np.array(page.evaluate("Array.from(numpymlp.pass.seen)"))
        assert np.abs(x - seen).max(axis=1).min() < 1e-6  # one of the test images
        found = page.evaluate("Array.from(numpymlp.pass.probabilities)")
        np.testing.assert_allclose(found, network.predict_proba(seen[None])[0], atol=1e-5)


def test_the_page_is_used_without_a_mouse(page):
    page.locator("#truths [aria-checked=true]").focus()
    before = page.evaluate("numpymlp.pass.truth")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("numpymlp.pass.truth") == (before + 1) % 10
    page.locator("#strip button").nth(4).focus()
    page.keyboard.press("Enter")
    assert page.evaluate("numpymlp.state.sample") == 4
    names = page.evaluate(
        """[...document.querySelectorAll("canvas[role], section, input, button")].map((e) =>
            e.ariaLabel || e.getAttribute("aria-labelledby") || e.textContent || e.title ||
            e.closest("label")?.textContent || "")"""
    )
    assert all(names)


def test_each_group_of_buttons_is_one_stop_of_the_tab_key(page):
    page.wait_for_selector("#times button")
    stops = "[...document.querySelectorAll('button, input, summary, a, [tabindex]')]"
    count = f"{stops}.filter((e) => e.tabIndex >= 0 && e.checkVisibility()).length"
    assert page.evaluate(count) < 25
    page.locator("#strip button[tabindex='0']").focus()
    for key, place in (("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1)):
        page.keyboard.press(key)
        assert page.evaluate("[...document.activeElement.parentElement.children].indexOf("
                             "document.activeElement)") == place  # fmt: skip
    page.keyboard.press("Enter")
    assert page.evaluate("numpymlp.state.sample") == 1
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement === document.querySelector('#strip').children[2]")
    assert page.locator("#strip button[tabindex='0']").count() == 1


def test_on_a_phone_the_answer_is_seen_while_drawing(page):
    page.set_viewport_size({"width": 360, "height": 740})
    field, answer = (page.locator(name).bounding_box() for name in ("#field", "#answer"))
    assert answer["y"] + answer["height"] - field["y"] < 480
    seen = page.locator("#seen").bounding_box()
    assert seen["y"] > answer["y"]


def test_a_scribble_is_doubted_and_a_sure_digit_is_not(page):
    page.wait_for_selector("#times button")
    assert page.evaluate("numpymlp.lesson.copies.length") == 32
    doubts = []
    for number in range(12):
        page.locator("#strip button").nth(number).click()
        means = page.evaluate("numpymlp.lesson.meanProbabilities(numpymlp.pass.seen, [])")
        weak = max(means) < 0.7
        page.wait_for_function(  # it follows when the pen rests
            "(weak) => document.querySelector('#doubt').textContent.startsWith('A weak') === weak",
            arg=weak,
        )
        doubts.append(weak)
    assert 0 < sum(doubts) < 12


def test_beside_the_steps_it_is_said_when_the_answer_becomes_right(page):
    assert "which is wrong. Take steps until it is right." in text_of(page, "#now")
    page.locator("#rate").fill("-1")
    page.locator("#ten").click()
    assert "which is right. More steps make it surer." in text_of(page, "#now")


def test_the_tiles_of_the_units_stand_in_straight_rows(page):
    for layer in (0, 1):
        page.locator("#layers button").nth(layer).click()
        boxes = page.evaluate(
            """[...document.querySelectorAll("#tiles button")].map((e) => {
            const [a, b] = [e, e.firstChild].map((each) => each.getBoundingClientRect());
            return [a.top, a.height, b.top - a.top, b.width, b.height];
        })"""
        )
        tops = np.array(boxes)
        assert np.ptp(tops[:, 1:], axis=0).max() < 0.6, tops
        assert np.abs(tops[:, 3] - tops[:, 4]).max() < 0.6, tops


@pytest.mark.parametrize("width", [360, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_its_width(page, width, scheme):
    page.emulate_media(color_scheme=scheme)
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (colour == "rgb(255, 255, 255)") == (scheme == "light")
    page.set_viewport_size({"width": width, "height": 800})
    page.wait_for_selector("#times button")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_names_of_classes_and_runs_are_shown_as_text(browser, run, tmp_path):
    import shutil

    evil = tmp_path / EVIL.replace("/", "-")
    shutil.copytree(run, evil)
    names = ",".join([EVIL, *"123456789"])
    assert main(["page", str(evil), "--classes", names, "--output", str(tmp_path / "p.html")]) == 0
    page = browser.new_page()
    page.goto((tmp_path / "p.html").as_uri())
    assert page.evaluate("window.evil") is None
    assert EVIL in page.locator("#bars").inner_text()
    assert "<script>" in page.locator("h1").inner_text()
    page.close()


def test_the_default_network_fits_into_two_and_a_half_megabytes(tmp_path):
    from numpymlp import mlp
    from numpymlp.experiments.snapshots import MOST_SNAPSHOTS, Snapshot
    from numpymlp.page.contents import page_contents
    from numpymlp.page.html import page_html

    network = mlp([784, 192, 10], activation="relu", rng=np.random.default_rng(0))
    snapshots = [Snapshot.of(network, epoch) for epoch in range(MOST_SNAPSHOTS)]
    contents = page_contents(
        network,
        *load_mnist()[1],
        image_shape=(28, 28),
        class_names=list("0123456789"),
        snapshots=snapshots,
    )
    assert len(contents["snapshots"]) == MOST_SNAPSHOTS
    assert len(page_html("t", "s", contents)) <= 2_500_000


def test_the_filters_of_each_convolution_stand_in_a_row_of_their_own(browser, tmp_path):
    from numpymlp import lenet
    from numpymlp.page.contents import page_contents
    from numpymlp.page.html import page_html

    network = lenet(filters=(3, 4), hidden=8, rng=np.random.default_rng(0))
    x, y = (part[:100] for part in load_mnist()[1])
    names = list("0123456789")
    contents = page_contents(network, x, y, image_shape=(28, 28), class_names=names, snapshots=[])
    (tmp_path / "p.html").write_text(page_html("LeNet", "", contents), encoding="utf-8")
    page = browser.new_page()
    page.goto((tmp_path / "p.html").as_uri())
    rows = page.evaluate(
        """[...document.querySelectorAll("#filters .tiles")].map((row) =>
            [...row.children].map((tile) => tile.getBoundingClientRect().height))"""
    )
    assert [len(row) for row in rows] == [3, 4]
    assert all(np.ptp(row) < 0.6 for row in rows), rows
    page.close()


def test_data_that_are_no_images_get_a_page_without_a_drawing_field(browser, tmp_path):
    from numpymlp import mlp
    from numpymlp.page.contents import page_contents
    from numpymlp.page.html import page_html

    rng = np.random.default_rng(0)
    network = mlp([6, 5, 3], activation="tanh", rng=rng)
    x, y = rng.normal(size=(50, 6)).astype(np.float32), rng.integers(0, 3, 50)
    names = ["setosa", "versicolor", "virginica"]
    contents = page_contents(network, x, y, image_shape=None, class_names=names, snapshots=[])
    (tmp_path / "p.html").write_text(page_html("Iris", "", contents), encoding="utf-8")
    page = browser.new_page()
    page.goto((tmp_path / "p.html").as_uri())
    assert not page.locator("#field").is_visible()
    page.wait_for_selector("#training", state="hidden")
    page.locator("#strip button").nth(3).click()
    seen = np.array(page.evaluate("Array.from(numpymlp.pass.seen)"))
    found = page.evaluate("Array.from(numpymlp.pass.probabilities)")
    np.testing.assert_allclose(found, network.predict_proba(seen[None])[0], atol=1e-5)
    assert any(name in text_of(page, "#answer") for name in names)
    page.close()
