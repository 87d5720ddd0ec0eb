"""The pages in headless Chromium, clicked through: rows open, filters filter, dark is dark, and nothing complains."""

import json
import shutil
from importlib.util import find_spec

import pytest
from picture_documents import NEEDS_LIBRARIES, gate_document, gate_row, gate_run, stored_runs
from profiled_models import importable, profiled

from kernelgate.pictures import gate_html, report_html
from kernelgate.profile import picture

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
pytestmark = [
    NEEDS_LIBRARIES,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no Chromium and chromedriver are installed"),
    pytest.mark.skipif(find_spec("selenium") is None, reason="the browser is driven by selenium: pip install selenium"),
]
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--window-size=1400,1000",
)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


class Page:
    """What a reader does and sees."""

    def __init__(self, driver, path):
        self.driver = driver
        self.scheme("light")
        driver.get(path.as_uri())

    def ask(self, expression, *arguments):
        return self.driver.execute_script(f"return {expression}", *arguments)

    def all(self, selector):
        return self.driver.find_elements("css selector", selector)

    def scheme(self, name):
        features = [{"name": "prefers-color-scheme", "value": name}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def rows(self):
        """What the rows that are seen say; in one question, since there are hundreds."""
        seen = "[...document.querySelectorAll('tr.row')].filter(row => row.checkVisibility())"
        return self.ask(f"{seen}.map(row => row.innerText.replaceAll('\\t', ' '))")

    def drawn(self):
        """How many figures are seen that Plotly has drawn."""
        return sum(svg.is_displayed() for svg in self.all(".figure .main-svg:first-child"))

    def is_one_colour(self):
        """Whether figures take on the colour of the page: on a change of scheme, within a moment."""
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.driver, 10).until(lambda _: self.background() == self.figure_background())
        return True

    def background(self):
        return self.ask("getComputedStyle(document.body).backgroundColor")

    def figure_background(self):
        return self.ask("getComputedStyle(document.querySelector('.figure .main-svg')).backgroundColor")

    def check(self):
        """No error or warning was told, nothing was fetched, and nothing in the data ran."""
        assert self.driver.get_log("browser") == []
        assert self.ask("performance.getEntriesByType('resource').map(entry => entry.name)") == []
        assert self.ask("typeof hacked") == "undefined"
        assert self.ask("document.documentElement.scrollWidth <= innerWidth"), "the page is wider than the window"


def test_gate_page(chromium, tmp_path):
    gate_html.write(tmp_path / "gate.html", *gate_run(300))
    page = Page(chromium, tmp_path / "gate.html")
    assert len(page.rows()) == 300 and page.drawn() == 0
    assert page.rows()[0].startswith("FAIL")

    page.all("button.open")[0].click()
    assert page.drawn() == 2
    assert len(page.all("#detail-0 .scatterlayer .point")) == 2 * (5 * 20 + 5), "rounds and processes, head and control"
    worst = page.all("#detail-0 table.structure tbody tr")[0]
    assert worst.text == "fusions 2 3 worse 2 -> 3 fusions, +30 % bytes"
    assert [line.text for line in page.all("#detail-0 pre .added")] == ["+%c = copy(%a)", "+%b = mul(%c)"]

    page.scheme("dark")
    assert page.is_one_colour()
    dark = page.background()
    page.scheme("light")
    assert page.is_one_colour() and page.background() != dark

    page.all('.chip[data-tag="FAIL"]')[0].click()
    page.all('.chip[data-tag="INCONCLUSIVE"]')[0].click()
    assert [row.split()[0] for row in page.rows()] == ["FAIL", "INCONCLUSIVE"] and page.drawn() == 2
    page.all('.chip[data-tag="FAIL"]')[0].click()
    assert page.drawn() == 0, "what was open under a row goes with it"
    page.all('.chip[data-tag="INCONCLUSIVE"]')[0].click()
    page.all("#search")[0].send_keys("case299 pass")
    assert len(page.rows()) == 1 and page.all("#shown")[0].text == "1 of 300"

    cell = page.all("tr.row:not([hidden]) td.number")[-1]
    cell.click()
    assert page.drawn() == 2
    cell.click()
    assert page.drawn() == 0
    page.check()


def test_a_gate_page_of_hostile_names_runs_none_of_them(chromium, tmp_path):
    hostile = ["</script><script>hacked=1</script>", "\"'><img src=x onerror=hacked=1>", "<!--<script>", "]]>%{x}$y$"]
    rows = [gate_row(name) | {"listing": {"base": "", "head": name}, "reason": name} for name in hostile]
    gate_html.write(tmp_path / "gate.html", gate_document(rows) | {"asked": hostile[0]})
    page = Page(chromium, tmp_path / "gate.html")
    for button in page.all("button.open"):
        button.click()
    assert page.drawn() == len(hostile)
    assert {button.text.strip() for button in page.all("button.open")} == set(hostile)
    page.check()


def test_report_page(chromium, tmp_path):
    runs = stored_runs(20, step_at=9)
    for number, run in enumerate(runs):
        run["benchmarks"][0]["params"]["case"] = "<b>bold</b>"
        (tmp_path / f"{number:04}.json").write_text(json.dumps(run))
    report_html.write(tmp_path / "report.html", sorted(tmp_path.glob("*.json")))
    page = Page(chromium, tmp_path / "report.html")
    assert page.drawn() == 2
    assert "rope <b>bold</b>" in [text.text for text in page.all(".ytick text")]
    page.all('.chip[data-tag="slower"]')[0].click()
    assert len(page.rows()) == 1 and "numba_rows" in page.rows()[0]
    page.all('tr.row[data-tag="slower"] button')[0].click()
    assert page.drawn() == 3
    page.scheme("dark")
    assert page.is_one_colour()
    page.check()


def test_profile_page(chromium, tmp_path):
    with importable(tmp_path):
        picture.write(tmp_path / "profile.html", profiled("reference", count=9))
    page = Page(chromium, tmp_path / "profile.html")
    assert page.drawn() == 2
    parts = ["generate", "prefill", "step", "layers", "attention", "feed-forward", "norm", "head", "sampling", "other"]
    assert set(parts) == {row.text.split()[0] for row in page.all("table.plain tbody tr")}
    assert len(page.all(".icicle .slice")) == len(page.all("table.plain tbody tr"))
    assert len(page.all(".scatterlayer .point")) == 8
    page.scheme("dark")
    assert page.is_one_colour()
    page.check()
