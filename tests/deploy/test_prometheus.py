"""Alert rules, dashboard and scrape configuration: as promtool sees them, and against what is shown."""

import json
import re
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import promql_parser as promql
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.deploy.places import DEPLOY, ROOT, find_program
from tests.installation import scrape

PROMETHEUS = DEPLOY / "prometheus"
DASHBOARD = json.loads((DEPLOY / "grafana" / "directory-bridge.json").read_text(encoding="utf-8"))
PANELS: list[dict[str, Any]] = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
OF_PROMETHEUS = {"up": {"job", "instance"}}  # what it adds itself
GRAFANAS = {"$__rate_interval": "5m", "$__range": "6h"}


def load(name: str) -> Any:
    """Return one of the files."""
    return yaml.safe_load((PROMETHEUS / name).read_text(encoding="utf-8"))


RULES: list[dict[str, Any]] = [rule for group in load("rules.yml")["groups"] for rule in group["rules"]]


@pytest.fixture
def promtool() -> str:
    """The program that comes with Prometheus (Debian: `prometheus`)."""
    return find_program("promtool", "deploy/prometheus")


def run(*command: str, told: str = "") -> None:
    """Run a program that has to find nothing wrong; `told`: what it reads from its standard input."""
    done = subprocess.run(command, input=told, capture_output=True, text=True, check=False, cwd=PROMETHEUS)
    assert done.returncode == 0, done.stdout + done.stderr


# rules


def test_promtool_accepts_the_rules(promtool: str) -> None:
    """Syntax, expressions and templates; and the example that loads them."""
    run(promtool, "check", "rules", "--lint-fatal", "rules.yml")
    run(promtool, "check", "config", "--lint-fatal", "prometheus.yml")


def test_rules_fire_when_they_should(promtool: str) -> None:
    """And not before: each is quiet first, then says what is wrong."""
    run(promtool, "test", "rules", "rules.test.yml")


def test_every_rule_is_tested() -> None:
    """Both quiet and firing."""
    quiet, firing = set[str](), set[str]()
    for case in load("rules.test.yml")["tests"]:
        for look in case["alert_rule_test"]:
            (firing if look.get("exp_alerts") else quiet).add(look["alertname"])
    assert quiet == firing == {rule["alert"] for rule in RULES}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_alert_says_how_bad_it_is_and_what_to_do(rule: dict[str, Any]) -> None:
    """Its runbook is a section of docs/operating.md."""
    told = rule["annotations"]
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert told.keys() == {"summary", "description", "runbook_url"}
    page, _, anchor = told["runbook_url"].partition("#")
    headings = re.findall(r"^#+ (.+)$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
    assert anchor in {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


def test_example_scrapes_what_the_rules_ask_for() -> None:
    """By the name of the job."""
    config = load("prometheus.yml")
    jobs = {job["job_name"] for job in config["scrape_configs"]}
    asked = {name for rule in RULES for name in re.findall(r'job="([^"]+)"', rule["expr"])}
    assert (jobs, config["rule_files"]) == (asked, ["rules.yml"])


# metrics


def test_promtool_accepts_the_metrics(promtool: str) -> None:
    """Names, units, help."""
    run(promtool, "check", "metrics", told=scrape())


def queries() -> Iterator[tuple[str, str]]:
    """All expressions of rules and dashboard, with where they stand."""
    yield from ((rule["alert"], rule["expr"]) for rule in RULES)
    for panel in PANELS:
        yield from ((panel["title"], target["expr"]) for target in panel["targets"])


def shown() -> dict[str, dict[str, set[str]]]:
    """What a scrape shows: sample -> label -> values."""
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for family in text_string_to_metric_families(scrape()):
        for sample in family.samples:
            for name, value in sample.labels.items():
                found[sample.name][name].add(value)
            found[sample.name]["job"] = {"directory-bridge"}
    return found


def selectors(expression: str) -> tuple[list[promql.VectorSelector], set[str]]:
    """Return what an expression asks for, and the labels that it groups by."""
    for variable, value in GRAFANAS.items():
        expression = expression.replace(variable, value)
    asked: list[promql.VectorSelector] = []
    grouped: set[str] = set()

    def visit(node: promql.Expr) -> None:
        if isinstance(node, promql.VectorSelector):
            asked.append(node)
        if isinstance(node, promql.MatrixSelector):
            asked.append(node.vector_selector)
        if isinstance(node, promql.AggregateExpr) and node.modifier:
            grouped.update(node.modifier.labels)

    promql.walk(promql.parse(expression), visit)
    return asked, grouped


@pytest.mark.parametrize(("place", "expression"), [*queries()])
def test_every_query_asks_for_what_there_is(place: str, expression: str) -> None:
    """Names of metrics and labels, and the values that are asked for by name."""
    there = shown()
    asked, grouped = selectors(expression)
    assert asked, place
    for selector in asked:
        name = str(selector.name)
        labels = there[name] if name in there else {each: set() for each in OF_PROMETHEUS[name]}
        matchers = selector.matchers.matchers
        assert {matcher.name for matcher in matchers} | grouped <= labels.keys(), f"{place}: {name}"
        for matcher in matchers:
            if matcher.name in ("state", "outcome") and matcher.op == promql.MatchOp.Equal:
                assert matcher.value in labels[matcher.name], f"{place}: {name}"
            if matcher.name in ("state", "outcome") and matcher.op == promql.MatchOp.Re:
                assert set(matcher.value.split("|")) <= labels[matcher.name], f"{place}: {name}"


def inmost(expression: str) -> Iterator[tuple[str, str]]:
    """Return each metric that an expression asks for, with what first aggregates it: sum, max, …, or ""."""
    for variable, value in GRAFANAS.items():
        expression = expression.replace(variable, value)
    found: list[tuple[str, str]] = []
    within = [""]

    def enter(node: promql.Expr) -> None:
        if isinstance(node, promql.AggregateExpr):
            within.append(str(node.op))
        if isinstance(node, promql.MatrixSelector | promql.VectorSelector):
            selector = node.vector_selector if isinstance(node, promql.MatrixSelector) else node
            found.append((str(selector.name), within[-1]))

    def leave(node: promql.Expr) -> None:
        if isinstance(node, promql.AggregateExpr):
            within.pop()

    promql.walk(promql.parse(expression), enter, leave)
    return iter(found)


@pytest.mark.parametrize(("place", "expression"), [*queries()])
def test_figures_of_the_installation_are_not_added_up(place: str, expression: str) -> None:
    """Every receiver shows the same: two of them are not two workers. The receivers' own are added up."""
    own = ("bridge_deliveries_", "bridge_events_", "bridge_delivery_", "bridge_secret_", "up")
    for name, by in inmost(expression):
        assert by in ({"sum", ""} if name.startswith(own) else {"max", "min", ""}), f"{place}: {name}"


# the dashboard


def test_panels_are_told_apart() -> None:
    """By their ids, and their queries by their letters; none lies over another."""
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    places: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        letters = [target["refId"] for target in panel.get("targets", [])]
        assert len(letters) == len(set(letters))
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & places, panel["title"]
        places |= cells


def test_dashboard_leaves_the_choice_of_prometheus_to_its_reader() -> None:
    """Every panel and variable asks the data source that is chosen; every variable that is used is there."""
    variables = {each["name"]: each for each in DASHBOARD["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    asking = [*PANELS, *(target for panel in PANELS for target in panel["targets"])]
    asking += [each for each in variables.values() if each["type"] == "query"]
    assert all(each["datasource"] == chosen for each in asking)
    used = set(re.findall(r"\$(?!__)\{?(\w+)", json.dumps([panel["targets"] for panel in PANELS])))
    assert used == variables.keys()


def test_variables_ask_for_what_there_is() -> None:
    """`label_values(metric, label)`"""
    there = shown()
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            found = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]["query"])
            assert found
            assert found[2] in there[found[1]]


def test_dashboard_is_one_for_everybody() -> None:
    """It names no host, and nothing that belongs to one Grafana."""
    text = json.dumps(DASHBOARD)
    assert DASHBOARD["id"] is None
    assert not re.search(r"https?://|localhost|127\.0", text)
