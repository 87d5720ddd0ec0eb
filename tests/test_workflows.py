"""The workflows: what they may do. What their steps do is held in `test_workflow_steps.py`."""

import configparser
import itertools
import re
from pathlib import Path

import pytest

YAML = pytest.importorskip("ruamel.yaml", reason="needs pip install 'kernelgate[lint]'").YAML

ROOT = Path(__file__).parent.parent
WORKFLOWS = {path.stem: path.read_text() for path in sorted((ROOT / ".github" / "workflows").glob("*.yml"))}
INSTALL = "python -m pip install --constraint constraints.txt tox"
# What runs code of the repository other than through tox.
CODE = re.compile(r"\b(pytest|python3?|pip|npm|make|bash|sh|source)\s|\.tox/|(^|\s)\.{1,2}/", re.MULTILINE)


def parse(text):
    return YAML(typ="safe", pure=True).load(text)


def steps(workflow):
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def environments():
    """The environments of tox.ini, factors in braces written out."""
    ini = configparser.ConfigParser(interpolation=None)
    ini.read(ROOT / "tox.ini")
    for section in ini.sections():
        if section.startswith("testenv:"):
            factors = re.split(r"\{(.*?)\}", section.removeprefix("testenv:"))
            yield from map("".join, itertools.product(*(factor.split(",") for factor in factors)))


def asked(job, step):
    """The environments that a step has tox run, a variable that stands for a matrix written out."""
    for name in re.findall(r"tox run -e (\S+)", step.get("run", "")):
        variable = step.get("env", {}).get(name.strip('"$'), "")
        matrix = re.fullmatch(r"\$\{\{ matrix\.(\w+) \}\}", variable)
        yield from job["strategy"]["matrix"][matrix[1]] if matrix else [name]


def faults(text):
    """What is wrong with a workflow, in words."""
    workflow = parse(text)
    if workflow.get("permissions") != {}:
        yield "permissions at the top"
    if "concurrency" not in workflow:
        yield "no concurrency"
    for job in workflow["jobs"].values():
        if "permissions" not in job or "timeout-minutes" not in job:
            yield "a job without permissions or timeout"
        if "write" in job["permissions"].values() and any("uses" in step for step in job["steps"]):
            yield "an action with a token that writes"
        for step in job["steps"]:
            unknown = set(asked(job, step)) - set(environments())
            if unknown:
                yield f"tox.ini has no {unknown.pop()}"
    for line in re.findall(r"^.*\buses: .*$", text, re.MULTILINE):
        if not re.search(r"uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line):
            yield "an action that is not pinned"
    for step in steps(workflow):
        run = step.get("run", "")
        if "${{" in run:
            yield "an expression inside a script"
        if run.count("tox run") > 1 or (step.get("shell") != "python" and run != INSTALL and CODE.search(run)):
            yield "more than one tox call"
        if step.get("uses", "").startswith("actions/checkout@") and step["with"]["persist-credentials"] is not False:
            yield "a checkout that keeps its token"


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_holds_to_the_rules(name):
    assert list(faults(WORKFLOWS[name])) == []


@pytest.mark.parametrize(
    ("right", "wrong", "fault"),
    [
        ("permissions: {}", "permissions: read-all", "permissions at the top"),
        ("concurrency:", "env:", "no concurrency"),
        ("    timeout-minutes: 5\n", "", "a job without permissions or timeout"),
        ("contents: read", "contents: write", "an action with a token that writes"),
        ("tox run -e merge", "tox run -e marge", "tox.ini has no marge"),
        ("download-artifact@37930b1c2abaa49bbe596cd826c3c89aef350131 # v7.0.0", "download-artifact@v7", "not pinned"),
        ('--against "$BASE"', "--against ${{ github.event.pull_request.base.ref }}", "an expression inside a script"),
        ('echo "shards: $SHARDS"', "python tools/check.py", "more than one tox call"),
        ("persist-credentials: false", "persist-credentials: true", "a checkout that keeps its token"),
    ],
)
def test_a_workflow_that_breaks_a_rule_is_found(right, wrong, fault):
    assert right in WORKFLOWS["gate"]
    assert any(fault in found for found in faults(WORKFLOWS["gate"].replace(right, wrong)))


def test_only_the_comment_is_written_and_from_none_of_the_pull_requests_code():
    writers = [
        (name, job, right)
        for name, text in WORKFLOWS.items()
        for job, content in parse(text)["jobs"].items()
        for right, level in content["permissions"].items()
        if level != "read"
    ]
    assert writers == [("gate-comment", "comment", "pull-requests")]
    assert not re.search(r"checkout@|tox|refs/pull|git ", WORKFLOWS["gate-comment"])


def test_an_action_has_one_version_everywhere():
    pins = {tuple(use.split("@")) for text in WORKFLOWS.values() for use in re.findall(r"uses: (.*)", text)}
    assert len(pins) == len({action for action, _ in pins})


def lost(workflow):
    """What steps of tox write to the runner's folder, and no later step of their job takes up."""
    for job in workflow["jobs"].values():
        for number, step in enumerate(job["steps"]):
            run = step.get("run", "")
            later = str(job["steps"][number + 1 :])
            for name in re.findall(r"(?:-o |json=)\"?\$RUNNER_TEMP/([\w.]+)", run.partition("tox run")[2]):
                if not re.search(rf"(runner\.temp }}}}|RUNNER_TEMP)/{re.escape(name)}\b", later):
                    yield name


@pytest.mark.parametrize("name", WORKFLOWS)
def test_what_a_job_writes_is_kept(name):
    assert list(lost(parse(WORKFLOWS[name]))) == []


def test_a_report_that_nobody_keeps_is_found():
    text = WORKFLOWS["nightly"].replace("path: ${{ runner.temp }}/selftest.json", "path: elsewhere")
    assert list(lost(parse(text))) == ["selftest.json"]


def test_the_gates_own_proof_is_kept_where_it_fell_short_too():
    steps = parse(WORKFLOWS["nightly"])["jobs"]["selftest"]["steps"]
    (upload,) = [step for step in steps if "upload-artifact" in step.get("uses", "")]
    assert upload["if"] == "${{ !cancelled() }}"
    assert upload["with"]["path"].endswith("/selftest.json")
    assert any(step.get("run", "").startswith("tox run -e gate-selftest -- -o") for step in steps)
