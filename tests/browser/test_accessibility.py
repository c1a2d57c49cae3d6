"""What axe, a keyboard and a screen reader meet: every tab, light and dark, wide and narrow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.resources import files
from types import MappingProxyType
from typing import Any

import pytest

from tests.browser.explorer import Explorer, VisitMaker

AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
CONTROLS = frozenset(
    {"button", "link", "textbox", "searchbox", "spinbutton", "combobox", "listbox", "radio", "checkbox", "switch",
     "slider", "tab", "menuitem", "option"}
)  # fmt: skip


def _explore(explorer: Explorer) -> None:
    """A run that is over, looked at in its second turn; everything folded away is open."""
    explorer.choose("fast")
    explorer.run()
    explorer.page.locator("#recmas-strip .recmas-turn").nth(1).click()
    explorer.until(lambda: explorer.page.locator(".recmas-now").count(), "the way back to now")
    _unfold(explorer)


def _together(explorer: Explorer) -> None:
    """Three specialists think at once."""
    explorer.pick_pattern("Mixture")
    for _ in range(3):
        explorer.step()


def _train(explorer: Explorer) -> None:
    """A training that is over."""
    explorer.page.get_by_role("tab", name="Train", exact=True).click()
    explorer.page.fill("#recmas-t-form [name='lap.0.steps']", "3")
    explorer.press("Start")
    said = explorer.page.locator("#recmas-t-status")
    explorer.until(lambda: said.inner_text().strip().startswith("Finished"), "the training's end")
    explorer.until(lambda: explorer.page.locator("#recmas-t-map .main-svg").count(), "the map of before and after")


def _compare(explorer: Explorer) -> None:
    """Three answers, and a survey with its figure."""
    explorer.page.get_by_role("tab", name="Compare", exact=True).click()
    said = explorer.page.locator("#recmas-c-columns, #recmas-compare")
    explorer.until(lambda: said.first.is_visible(), "the tab")
    explorer.page.locator("#recmas-c-run").click()
    answers = explorer.page.locator("#recmas-compare .recmas-good, #recmas-compare .recmas-bad")
    explorer.until(lambda: answers.count() >= 3, "three answers")
    explorer.page.get_by_label("Timed one by one", exact=True).fill("2")
    explorer.page.locator("#recmas-c-start").click()
    explorer.until(lambda: explorer.page.locator(".recmas-figure-rounds .main-svg").count(), "the survey's figure")


def _intervene(explorer: Explorer) -> None:
    """A branch beside its run, and every thought's worth."""
    explorer.choose("fast")
    explorer.run()
    explorer.page.get_by_role("tab", name="Intervene", exact=True).click()
    go = explorer.page.locator("#recmas-i-go")
    explorer.until(go.is_enabled, "the run on this tab")
    go.click()
    explorer.until(lambda: explorer.page.locator("#recmas-i-outcome [data-card=branch]").count(), "the branch")
    _unfold(explorer)
    explorer.until(go.is_enabled, "the branch's end")
    explorer.page.locator("#recmas-intervene [data-send='weigh']").first.click()
    heat = explorer.page.locator(".recmas-influence .recmas-heat")
    explorer.until(lambda: heat.count() and go.is_enabled(), "the heat map")


def _learn(explorer: Explorer) -> None:
    """A lesson under way, its card over the lessons."""
    explorer.page.get_by_role("tab", name="Learn", exact=True).click()
    explorer.page.click("[data-begin=thought]")
    explorer.page.wait_for_selector(".recmas-coach[data-lesson=thought]")
    explorer.page.get_by_role("tab", name="Learn", exact=True).click()


def _unfold(explorer: Explorer) -> None:
    """Open what is folded away; pressed by its own code, as a narrow page has its buttons before it."""
    explorer.page.evaluate("document.querySelectorAll('.label-wrap:not(.open)').forEach((button) => button.click())")
    explorer.until(lambda: not explorer.page.locator(".label-wrap:not(.open):visible").count(), "all to be open")


TABS: Mapping[str, Callable[[Explorer], None]] = MappingProxyType(
    {"explore": _explore, "together": _together, "compare": _compare, "intervene": _intervene, "train": _train,
     "learn": _learn}
)  # fmt: skip


def _findings(explorer: Explorer) -> list[str]:
    """What axe finds to be serious or critical, a line for each element."""
    found = explorer.page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{each['impact']} {each['id']}: {node['target']} {node['html'][:120]} {node.get('failureSummary', '')[:240]}"
        for each in found["violations"]
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]


def _unnamed(explorer: Explorer) -> list[dict[str, Any]]:
    """Controls that a screen reader would call by nothing, from the browser's own accessibility tree."""
    browser = explorer.page.context.new_cdp_session(explorer.page)
    nodes = browser.send("Accessibility.getFullAXTree")["nodes"]
    shown = [node for node in nodes if not node["ignored"] and node.get("role", {}).get("value") in CONTROLS]
    assert len(shown) > 10
    return [node for node in shown if not node.get("name", {}).get("value", "").strip()]


_DRESSED = """() => {
  const muted = getComputedStyle(document.body).getPropertyValue("--recmas-muted").trim();
  const fading = document.getAnimations().some((each) => each instanceof CSSTransition);
  return !fading && [...document.querySelectorAll(".js-plotly-plot")].every((plot) => plot.layout.font.color === muted);
}"""


def _look(explorer: Explorer, theme: str, width: int) -> None:
    """The same state of the page, in another theme and width."""
    explorer.page.set_viewport_size({"width": width, "height": 900})
    explorer.page.evaluate(f"document.body.classList.toggle('dark', {str(theme == 'dark').lower()})")
    explorer.until(lambda: explorer.page.evaluate(_DRESSED), "the other colours")


@pytest.mark.parametrize("tab", TABS)
def test_axe_finds_nothing_serious_and_every_control_has_a_name(visit: VisitMaker, tab: str) -> None:
    explorer = visit(width=1280)
    TABS[tab](explorer)
    explorer.page.evaluate(AXE)
    found: dict[str, Any] = {}
    for theme in ("light", "dark"):
        for width in (1280, 390):
            _look(explorer, theme, width)
            found[f"{theme}, {width}"] = [*_findings(explorer), *_unnamed(explorer)]
    assert not {look: things for look, things in found.items() if things}


_FOCUSED = """async () => {
  for (let frame = 0; frame < 2; frame++) await new Promise(requestAnimationFrame);  // fields are scrolled to late
  const at = document.activeElement;
  if (!at || at === document.body) return null;
  const unseen = at.matches("input") && getComputedStyle(at).opacity === "0" ? at.parentElement : at;
  const style = getComputedStyle(unseen), box = unseen.getBoundingClientRect();
  const over = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
  return {
    inside: [...document.querySelectorAll("[id^=recmas-]")].filter((each) => each.contains(at)).map((each) => each.id),
    what: at.outerHTML.slice(0, 100), ring: style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth),
    covered: !over || !(unseen.contains(over) || over.contains(unseen)),
  };
}"""


def _stops(explorer: Explorer) -> list[dict[str, Any]]:
    """Where the Tab key stops, from the top of the page to its end."""
    explorer.page.locator(".recmas-skip").focus()  # the page's first stop
    stops: list[dict[str, Any]] = []
    while len(stops) < 150:
        explorer.page.keyboard.press("Tab")
        stop = explorer.page.evaluate(_FOCUSED)
        if stop is None:
            return stops
        stops.append(stop)
    raise AssertionError("the Tab key never comes to the end of the page")


@pytest.mark.parametrize("width", [1280, 390])
def test_the_tab_key_goes_through_explore_in_order_and_is_seen(visit: VisitMaker, width: int) -> None:
    explorer = visit(width=width)
    explorer.step()
    stops = _stops(explorer)
    assert not [stop for stop in stops if stop["ring"] < 2]
    assert not [stop for stop in stops if stop["covered"]]
    first = {name: i for i, stop in reversed(list(enumerate(stops))) for name in stop["inside"]}
    order = ("cards", "question", "rounds", "step", "map-of", "table", "strip")
    assert sorted(order, key=lambda name: first[f"recmas-{name}"]) == list(order)


def test_the_first_stop_leads_past_the_choices(explorer: Explorer) -> None:
    explorer.page.keyboard.press("Tab")
    explorer.page.keyboard.press("Enter")
    assert explorer.page.evaluate("document.activeElement.id") == "recmas-stage"
    explorer.page.keyboard.press("Tab")
    assert "recmas-topology-save" in explorer.page.evaluate(_FOCUSED)["inside"]


def test_what_changes_is_said_where_it_is_listened_to(explorer: Explorer) -> None:
    live = explorer.page.locator("#recmas-status[role=status]")
    explorer.until(lambda: live.count() == 1, "a status that is read aloud")
    live.evaluate("(box) => { box.theSame = true; }")
    said = explorer.step()
    assert live.evaluate("(box) => box.theSame")  # a new box would not be read
    assert said in live.inner_text()
    assert not live.locator("[role=status], [aria-live]").count()  # nor twice


def test_parts_that_fold_say_whether_they_are_open(explorer: Explorer) -> None:
    button = explorer.page.get_by_role("button", name="Keyboard", exact=True)
    explorer.until(lambda: button.get_attribute("aria-expanded") == "false", "a folded part")
    button.click()
    explorer.until(lambda: button.get_attribute("aria-expanded") == "true", "an open part")


def test_the_map_is_a_figure_with_its_caption(explorer: Explorer) -> None:
    caption = " ".join(explorer.page.locator("#recmas-caption").inner_text().split())
    assert caption
    figure = explorer.page.get_by_role("figure", name=caption[:40], exact=False)
    explorer.until(lambda: figure.count() == 1, "the map to be a figure that its caption names")


def test_a_figure_sends_nothing_elsewhere(explorer: Explorer) -> None:
    assert explorer.page.locator(".modebar-btn").count() >= 4
    assert not explorer.page.locator(".modebar-btn[data-title*='hare']").count()


def test_who_asked_for_little_motion_gets_none(explorer: Explorer) -> None:
    explorer.page.emulate_media(reduced_motion="reduce")
    explorer.choose("fast")
    for _ in range(4):  # three thoughts, and on its way to the next agent
        explorer.step()
    moving = explorer.page.locator(".recmas-motion")
    assert moving.count()
    assert not moving.first.is_visible()
    assert not explorer.page.evaluate("document.getAnimations().filter((each) => each.playState === 'running').length")
