"""The report in a real browser: what it shows, what it lets one choose, and what it never does."""

import random
import re
from collections.abc import Iterator
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any, Final

import duckdb
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ViewportSize, expect

from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from bedrock_async_etl.options import ReportOptions
from bedrock_async_etl.report.report import write_report
from tests import timelines, troubles
from tests.bedrock_async_etl.copies import ACCOUNT, RAY, REEL, invocation, modelled
from tests.bedrock_async_etl.copies import report as run_of
from tests.builds import build_models

pytestmark = pytest.mark.integration

HOSTILE: Final = "<script>alert(1)</script><img src=x onerror=alert(1)>"
DESKTOP: Final[ViewportSize] = {"width": 1280, "height": 900}
PHONE: Final[ViewportSize] = {"width": 390, "height": 844}
SIZES: Final = {"desktop": DESKTOP, "phone": PHONE}
CHARTS: Final = ("failure-risk", "volume", "latency", "fleet")
FIGURES: Final = ("invocations", "failure-risk", "survival-p50", "survival-p95", "open", "stuck")
TWENTY_MODELS: Final = """
update bedrock.async_invokes
set model_id = 'vendor.model-' || hash(invocation_arn) % 20, account_id = '111122223333',
    region = 'us-east-1'
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> DuckDBDestination:
    """Seventy days of two accounts in two regions."""
    path = tmp_path_factory.mktemp("copy") / "copy.duckdb"
    return timelines.modelled(path, 20_000, timedelta(days=70))


@pytest.fixture(scope="module")
def report(copy: DuckDBDestination, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(copy, path, ReportOptions(quotas=[f"{REEL}=12"]))
    return path


class Opened:
    """A page, and everything that it must not have done."""

    def __init__(self, context: BrowserContext, report: Path, fragment: str = "") -> None:
        self.page = context.new_page()
        self.trouble: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.trouble.append(message.text))
        self.page.on("pageerror", lambda error: self.trouble.append(str(error)))
        self.page.on("dialog", lambda dialog: self.trouble.append(dialog.message))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(f"{report.as_uri()}{fragment}")
        expect(self.page.locator("#freshness h2")).to_be_visible()

    def figures(self) -> list[float | None]:
        values = [
            self.page.locator(f"[data-figure={name}]").get_attribute("data-value")
            for name in FIGURES
        ]
        return [float(value) if value else None for value in values]

    def drawn(self) -> dict[str, str]:
        return {name: self.page.locator(f"#{name} > svg").inner_html() for name in CHARTS}


@pytest.fixture
def opened(browser: Browser, report: Path) -> Iterator[Opened]:
    """The report on a desktop; that it was quiet is looked at in the end."""
    with browser.new_context(viewport=DESKTOP) as context:
        opened = Opened(context, report)
        yield opened
        assert opened.trouble == []
        assert opened.requests == [report.as_uri()]


def one(destination: DuckDBDestination, sql: str) -> list[tuple[Any, ...]]:
    with destination.connection() as connection:
        return connection.sql(sql).fetchall()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_it_is_drawn_on_every_screen_and_asks_for_nothing(
    browser: Browser, report: Path, size: str, scheme: Any
) -> None:
    with browser.new_context(viewport=SIZES[size], color_scheme=scheme) as context:
        opened = Opened(context, report)
        assert all(opened.drawn().values())
        assert opened.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert opened.page.evaluate("document.documentElement.dataset.theme") == scheme
        assert (opened.trouble, opened.requests) == ([], [report.as_uri()])


@pytest.mark.parametrize(
    ("age", "told", "is_stale"),
    [
        (timedelta(minutes=12), "12 min ago", False),
        (timedelta(hours=24), "1 d ago", False),
        (timedelta(days=3, hours=4), "3 d 4 h ago", True),
        (-timedelta(hours=1), "0 s ago", False),
    ],
)
def test_it_says_how_old_it_is_when_it_is_looked_at(
    browser: Browser,
    report: Path,
    copy: DuckDBDestination,
    age: timedelta,
    told: str,
    is_stale: bool,
) -> None:
    [(as_of,)] = one(copy, "select max(as_of) from bedrock_analytics.scopes")
    with browser.new_context(viewport=DESKTOP) as context:
        page = context.new_page()
        page.clock.set_fixed_time(as_of + age)
        page.goto(report.as_uri())
        figure = page.locator("[data-figure=freshness]")
        expect(figure).to_have_text(told)
        is_marked = "stale" in (figure.locator("..").get_attribute("class") or "")
        assert is_marked == is_stale


def test_a_long_path_of_the_destination_is_broken_on_a_phone(
    browser: Browser, report: Path, tmp_path: Path
) -> None:
    path = tmp_path / "report.html"
    path.write_text(re.sub(r'"duckdb:[^"]*"', f'"duckdb:/{100 * "x"}"', report.read_text()))
    with browser.new_context(viewport=PHONE) as context:
        page = Opened(context, path).page
        button = page.locator("#theme").bounding_box()
        assert button
        assert button["x"] + button["width"] <= PHONE["width"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_nothing_in_it_keeps_anybody_from_reading_it(
    browser: Browser, report: Path, size: str, scheme: Any
) -> None:
    """By the rules of axe, the numbers behind a chart and one model alone among them."""
    with browser.new_context(viewport=SIZES[size], color_scheme=scheme, bypass_csp=True) as context:
        page = context.new_page()
        page.goto(report.as_uri())
        page.get_by_text("Show the numbers").first.click()
        assert Axe().run(page).violations_count == 0
        page.locator("#breakdown td button").first.click()
        assert Axe().run(page).violations_count == 0


@pytest.mark.parametrize(("width", "media"), [(1440, "screen"), (390, "screen"), (794, "print")])
def test_no_table_is_cut_off(browser: Browser, report: Path, width: int, media: Any) -> None:
    """On a screen, on a phone, and on paper of A4."""
    with browser.new_context(viewport={"width": width, "height": 900}) as context:
        page = context.new_page()
        page.goto(report.as_uri())
        page.emulate_media(media=media)
        cut = page.evaluate(
            "[...document.querySelectorAll('main > section .scroll')]"
            ".filter(each => each.scrollWidth > each.clientWidth).map(each => each.ariaLabel)"
        )
        assert cut == []


def test_a_choice_keeps_the_focus_and_back_undoes_it(opened: Opened) -> None:
    page, everything = opened.page, opened.figures()
    button = page.locator("#breakdown td button").first
    model = button.inner_text()
    button.focus()
    page.keyboard.press("Enter")
    chosen = opened.figures()
    assert chosen != everything
    assert page.evaluate("document.activeElement.textContent") == model
    page.get_by_label("7 d").check(force=True)
    page.go_back()
    assert opened.figures() == chosen
    page.go_back()
    assert opened.figures() == everything
    page.go_forward()
    assert opened.figures() == chosen


def test_what_is_cut_short_is_copied_whole(browser: Browser, report: Path) -> None:
    with browser.new_context(viewport=DESKTOP) as context:
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        page = context.new_page()
        page.goto(report.as_uri())
        row = page.locator("#open tbody tr").first
        copied = []
        for what in ("its ARN", "the S3 URI"):
            row.get_by_role("button", name=f"copy {what}").click()
            expect(row.get_by_role("button", name=f"copied {what}")).to_be_visible()
            copied.append(page.evaluate("navigator.clipboard.readText()"))
        assert copied[0].startswith("arn:aws:bedrock:")
        assert copied[0].endswith(f"/{row.locator('code').first.inner_text()}")
        assert copied[1] == row.locator("code").last.inner_text()


def test_text_of_others_turns_nothing_around_it(browser: Browser, tmp_path: Path) -> None:
    """A model whose name would be read backwards, with all that follows on its line."""
    turned = "evil\u202emodel"
    rows = [invocation(f"a{n}", timedelta(hours=2), model=turned) for n in range(3)]
    rows += [invocation("b", timedelta(hours=3))]
    write_report(modelled(tmp_path / "copy.duckdb", rows), tmp_path / "report.html")
    with browser.new_context(viewport=DESKTOP) as context:
        page = Opened(context, tmp_path / "report.html").page
        page.locator("#breakdown td button").first.click()
        shown = page.evaluate("document.body.innerText")
        assert "\u202e" not in shown
        assert (
            "\u2068evil\\u202emodel\u2069 · 30 days to " in page.locator("#selection").inner_text()
        )


@pytest.mark.parametrize(
    ("name", "option"), [("Account", "444455556666"), ("Region", "eu-west-1"), ("Model", REEL)]
)
def test_every_chart_is_that_of_what_is_chosen(opened: Opened, name: str, option: str) -> None:
    before = opened.drawn()
    opened.page.get_by_label(name, exact=True).select_option(option)
    after = opened.drawn()
    assert not [chart for chart in CHARTS if after[chart] == before[chart]]
    assert option in opened.page.locator("#selection").inner_text()


def test_incidents_are_those_of_what_is_chosen(browser: Browser, tmp_path: Path) -> None:
    copy = timelines.modelled(tmp_path / "copy.duckdb", 20_000, timedelta(days=25))
    write_report(copy, tmp_path / "report.html")
    [*_, (started, failed, terminal, region)] = one(
        copy,
        "select strftime(started_at, '%-d %b %H:%M'), failed, terminal, region "
        "from bedrock_analytics.incidents order by started_at",
    )
    [other] = {"us-east-1", "eu-west-1"} - {region}
    with browser.new_context(viewport=DESKTOP) as context:
        opened = Opened(context, tmp_path / "report.html")
        row = opened.page.locator("#incidents tbody tr").filter(has_text=started)
        expect(row).to_contain_text(f"{failed} of {terminal}")
        expect(row).to_contain_text(region)
        regions = opened.page.get_by_label("Region", exact=True)
        regions.select_option(other)
        expect(row).to_have_count(0)
        regions.select_option(region)
        expect(row).to_have_count(1)
        opened.page.get_by_label("24 h").check(force=True)
        expect(row).to_have_count(0)
        assert opened.trouble == []


def test_every_chart_is_that_of_the_period(opened: Opened) -> None:
    before = opened.drawn()
    opened.page.get_by_label("24 h").check(force=True)
    after = opened.drawn()
    assert not [chart for chart in CHARTS if after[chart] == before[chart]]


def test_it_can_be_used_without_a_mouse(opened: Opened) -> None:
    page = opened.page
    page.get_by_label("Account", exact=True).focus()
    for name in ("region", "model", "cause"):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.id") == name
    page.keyboard.press("ArrowDown")
    chosen = page.locator("#cause option:checked").inner_text()
    assert chosen in page.locator("#selection").inner_text()
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowLeft")
    assert " 7 days to" in page.locator("#selection").inner_text()
    page.locator("#latency summary").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#latency table")).to_be_visible()


def test_what_is_chosen_is_in_the_address(browser: Browser, opened: Opened, report: Path) -> None:
    opened.page.get_by_label("Model", exact=True).select_option(REEL)
    opened.page.get_by_label("7 d").check(force=True)
    fragment = opened.page.evaluate("location.hash")
    with browser.new_context(viewport=DESKTOP) as context:
        again = Opened(context, report, fragment)
        assert again.figures() == opened.figures()
        assert again.trouble == []


def test_a_quota_is_drawn_for_its_model_alone(opened: Opened) -> None:
    with_quota = opened.page.locator("#in-flight figure").filter(has=opened.page.locator(".quota"))
    expect(with_quota).to_have_count(1)
    expect(with_quota).to_contain_text(REEL)
    expect(with_quota).to_contain_text(re.compile(r"peak \d+ of 12"))


def test_a_model_in_the_table_can_be_chosen(opened: Opened) -> None:
    opened.page.locator("#breakdown").get_by_role("button", name=REEL).click()
    assert opened.page.locator("#model option:checked").inner_text() == REEL


def test_the_theme_can_be_turned(opened: Opened) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    before = opened.page.evaluate(background)
    opened.page.get_by_role("button", name="Dark theme").click()
    assert opened.page.evaluate(background) != before
    expect(opened.page.get_by_role("button", name="Light theme")).to_be_visible()


def test_it_prints_light_and_without_controls(opened: Opened) -> None:
    opened.page.get_by_role("button", name="Dark theme").click()
    opened.page.emulate_media(media="print")
    assert opened.page.evaluate("getComputedStyle(document.body).backgroundColor") == (
        "rgb(255, 255, 255)"
    )
    expect(opened.page.locator("#controls")).to_be_hidden()
    expect(opened.page.locator("#selection")).to_be_visible()


def hostile(name: str, status: str = "Failed", **members: Any) -> dict[str, Any]:
    seconds = None if status == "InProgress" else 60
    summary = invocation(name, timedelta(hours=1), seconds, status)
    output = {"s3OutputDataConfig": {"s3Uri": f"s3://bucket/{HOSTILE}"}}
    return summary | {"failureMessage": HOSTILE, "outputDataConfig": output} | members


def test_what_aws_says_is_shown_as_text(browser: Browser, tmp_path: Path) -> None:
    invocations = [hostile("failed"), hostile("open", "InProgress")]
    destination = modelled(tmp_path / "copy.duckdb", invocations)
    with duckdb.connect(destination.database) as connection:
        connection.execute(
            "update bedrock.extract_runs set outcome = 'failed', error = ?", [HOSTILE]
        )
    build_models(destination)
    write_report(destination, tmp_path / "report.html")
    with browser.new_context(viewport=DESKTOP) as context:
        opened = Opened(context, tmp_path / "report.html")
        for section in ("findings", "open", "freshness"):
            expect(opened.page.locator(f"#{section}")).to_contain_text(HOSTILE)
        assert opened.page.locator("img").count() == 0
        assert opened.page.locator("main script").count() == 0
        assert opened.trouble == []


def test_what_is_wrong_is_named_on_the_first_screen(browser: Browser, tmp_path: Path) -> None:
    """With where, since when and why, and each is a click away."""
    destination = troubles.modelled(tmp_path / "copy.duckdb", 60_000, days=30)
    write_report(destination, tmp_path / "report.html")
    account, region, model = troubles.STUCK_PLACE
    outage_region, outage_model = troubles.OUTAGE_PLACE
    expected = {
        f"{outage_model}, {outage_region}": (
            "failed from 29 Mar 06:00 to 07:00 UTC",
            "internal error (fault: service).",
        ),
        f"Account {troubles.FAILING_ACCOUNT}": (
            "against 1.6\u00a0% elsewhere",
            "throughout the period",
            "of them by storage access (fault: client)",
        ),
        f"Region {troubles.SLOW_REGION}": (
            "4.9 times as slow as elsewhere with the same models",
            "throughout the period",
        ),
        f"{troubles.STUCK} stuck: {model}, {region}, account {account}": (
            "submitted from 25 Mar 12:00 to 14:57 UTC",
        ),
    }
    with browser.new_context(viewport=DESKTOP) as context:
        opened = Opened(context, tmp_path / "report.html")
        found = opened.page.locator("#findings li")
        expect(found).to_have_count(len(expected))
        for where, facts in expected.items():
            finding = found.filter(has_text=where)
            expect(finding).to_be_in_viewport()
            for fact in facts:
                expect(finding).to_contain_text(fact)
        for where, section in zip(
            expected, ("failure-risk", "failure-risk", "latency", "open"), strict=True
        ):
            found.filter(has_text=where).get_by_role("button", name="Show").click()
            [*_, place] = re.split(": |, |Account |Region ", where)
            expect(opened.page.locator("#selection")).to_contain_text(place.split()[-1])
            expect(opened.page.locator(f"#{section} h2")).to_be_in_viewport()
            expect(opened.page.locator(f"#{section}")).to_be_focused()
            expect(found.filter(has_text=where)).to_have_count(1)
            opened.page.go_back()
        assert opened.trouble == []


@pytest.mark.parametrize("seed", range(4))
def test_where_nothing_is_wrong_nothing_stands_out(
    browser: Browser, tmp_path: Path, seed: int
) -> None:
    """Many small accounts, of which some fail more often and are slower by chance."""
    chance = random.Random(seed)
    accounts = [f"{number:012}" for number in range(300_000_000_000, 300_000_000_030)]
    invocations = []
    for account, number in product(accounts, range(40)):
        age = timedelta(hours=3 + 600 * chance.random())
        status = "Failed" if chance.random() < 0.04 else "Completed"
        seconds = chance.choice([30, 300])
        summary = invocation(
            f"{account}-{number}", age, seconds, status, chance.choice([REEL, RAY])
        )
        arn = summary["invocationArn"].replace(ACCOUNT, account)
        invocations.append(summary | {"invocationArn": arn})
    runs = [run_of() | {"account_id": account} for account in accounts]
    write_report(modelled(tmp_path / "copy.duckdb", invocations, runs), tmp_path / "report.html")
    with browser.new_context(viewport=DESKTOP) as context:
        opened = Opened(context, tmp_path / "report.html")
        expect(opened.page.locator("#findings")).to_contain_text("Nothing: no incident")
        assert opened.trouble == []


def test_a_copy_of_older_invocations_asks_for_a_longer_period(
    browser: Browser, tmp_path: Path
) -> None:
    old = [invocation("old", timedelta(days=100))]
    write_report(modelled(tmp_path / "copy.duckdb", old), tmp_path / "report.html")
    with browser.new_context(viewport=DESKTOP) as context:
        opened = Opened(context, tmp_path / "report.html")
        expect(opened.page.get_by_text("There are older ones")).to_be_visible()
        assert opened.trouble == []


def test_a_cause_is_linked_by_its_name(browser: Browser, tmp_path: Path) -> None:
    """Words alone would not tell categories of one's own apart."""
    failures = [invocation(f"{n}", timedelta(hours=2), status="Failed") for n in range(5)]
    messages = ["first kind"] * 3 + ["second kind"] * 2
    rows = [
        row | {"failureMessage": message} for row, message in zip(failures, messages, strict=True)
    ]
    destination = modelled(tmp_path / "copy.duckdb", rows)
    with duckdb.connect(destination.database) as connection:
        connection.execute(
            "update bedrock_analytics.invocations set failure_category = "
            "if(failure_message = 'first kind', 'my kind', 'my_kind')"
        )
    write_report(destination, tmp_path / "report.html")
    with browser.new_context(viewport=DESKTOP) as context:
        for name, failed in (("my+kind", 3), ("my_kind", 2)):
            opened = Opened(context, tmp_path / "report.html", f"#cause=reason:{name}")
            note = opened.page.locator("[data-figure=invocations] + p")
            expect(note).to_contain_text(f"{failed} of 5 failed, {5 - failed} failed otherwise")
            assert opened.trouble == []


def test_an_empty_copy_says_so(browser: Browser, tmp_path: Path) -> None:
    write_report(modelled(tmp_path / "copy.duckdb", []), tmp_path / "report.html")
    with browser.new_context(viewport=PHONE) as context:
        opened = Opened(context, tmp_path / "report.html")
        expect(opened.page.get_by_text("No invocation has been listed yet")).to_be_visible()
        expect(opened.page.locator("#freshness")).to_contain_text("us-east-1")
        expect(opened.page.locator(".chart").first).to_be_hidden()
        assert opened.trouble == []


def test_a_single_open_invocation_has_no_rate_and_no_latency(
    browser: Browser, tmp_path: Path
) -> None:
    destination = modelled(tmp_path / "copy.duckdb", [invocation("only", timedelta(hours=1), None)])
    write_report(destination, tmp_path / "report.html")
    with browser.new_context(viewport=DESKTOP) as context:
        opened = Opened(context, tmp_path / "report.html")
        assert opened.figures() == [1, None, None, None, 1, 0]
        expect(opened.page.locator("#failure-risk")).to_contain_text("No data in this selection.")
        expect(opened.page.locator("#latency")).to_contain_text("No data in this selection.")
        expect(opened.page.locator("#volume > svg")).to_be_visible()
        expect(opened.page.locator("#open")).to_contain_text("only")
        assert opened.trouble == []


def test_a_model_of_which_nothing_ends_is_marked(browser: Browser, tmp_path: Path) -> None:
    endless = [invocation(f"{days}", timedelta(days=days), None, model=RAY) for days in range(2, 8)]
    invocations = [invocation("new", timedelta(hours=1)), *endless]
    write_report(modelled(tmp_path / "copy.duckdb", invocations), tmp_path / "report.html")
    with browser.new_context(viewport=DESKTOP) as context:
        opened = Opened(context, tmp_path / "report.html")
        stuck = opened.page.locator(".figure", has_text="Stuck now")
        expect(stuck).to_contain_text("6 unknown; nothing ends of 1 model")
        expect(stuck).to_have_class("figure alarm")
        marked = opened.page.locator("#breakdown tr", has_text="nothing ends")
        expect(marked).to_have_count(1)
        expect(marked).to_contain_text(RAY)
        expect(marked).to_contain_text("6, 6 perhaps stuck")
        expect(opened.page.locator("#open")).to_contain_text(
            f"Nothing of {RAY} has ended in 24 hours."
        )
        opened.page.get_by_label("Model", exact=True).select_option(REEL)
        expect(stuck).to_have_class("figure")
        assert opened.trouble == []


def test_a_model_that_is_new_is_compared_with_none(browser: Browser, tmp_path: Path) -> None:
    old, new = timedelta(days=40), timedelta(hours=1)
    invocations = [invocation("old", old, model="luma.ray-v2:0"), invocation("new", new)]
    destination = modelled(tmp_path / "copy.duckdb", invocations)
    write_report(destination, tmp_path / "report.html", ReportOptions(period="7d"))
    with browser.new_context(viewport=DESKTOP) as context:
        opened = Opened(context, tmp_path / "report.html", f"#model={REEL}")
        change = opened.page.locator("[data-change=invocations]")
        assert change.inner_text() == "none before"
        assert opened.trouble == []


@pytest.mark.parametrize(
    ("failed", "told"), [(24, "▲ up 2.0 points, may be chance"), (60, "▲ up 20.0 points")]
)
def test_a_change_that_may_be_chance_says_so(
    failed: int, told: str, browser: Browser, tmp_path: Path
) -> None:
    """Of 200 before, 20 failed."""
    invocations = [
        invocation(f"{age.days}-{number}", age + timedelta(minutes=30 * number), status=status)
        for age, failing in ((timedelta(days=8), 20), (timedelta(days=1), failed))
        for number in range(200)
        for status in ["Failed" if 7 * number % 200 < failing else "Completed"]
    ]
    invocations.append(invocation("oldest", timedelta(days=20)))
    destination = modelled(tmp_path / "copy.duckdb", invocations)
    write_report(destination, tmp_path / "report.html", ReportOptions(period="7d"))
    with browser.new_context(viewport=DESKTOP) as context:
        opened = Opened(context, tmp_path / "report.html")
        assert opened.page.locator("[data-change=failure-risk]").inner_text() == told


def test_a_year_of_twenty_models_is_less_than_three_megabytes(
    browser: Browser, tmp_path: Path
) -> None:
    destination = timelines.modelled(tmp_path / "copy.duckdb", 40_000, timedelta(days=365))
    with duckdb.connect(destination.database) as connection:
        connection.execute(TWENTY_MODELS)
    build_models(destination, is_full=True)
    result = write_report(destination, tmp_path / "report.html", ReportOptions(period="365d"))
    assert result.bytes < 3_000_000
    with browser.new_context(viewport=DESKTOP) as context:
        opened = Opened(context, tmp_path / "report.html")
        assert opened.page.locator("#breakdown tbody tr").count() == 20
        assert opened.trouble == []
