"""What the steps of the workflows do where a run goes wrong, or a report is hostile: no laptop sees them run."""

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

YAML = pytest.importorskip("ruamel.yaml", reason="needs pip install 'kernelgate[lint]'").YAML

FOLDER = Path(__file__).parent.parent / ".github" / "workflows"


def jobs(workflow):
    return YAML(typ="safe", pure=True).load((FOLDER / f"{workflow}.yml").read_text())["jobs"]


@pytest.fixture
def run(tmp_path):
    """Runs a named step of a workflow as a runner would, with programs of ours in place of tox and gh."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "output").touch()

    def run(workflow, step, cwd=tmp_path, programs=None, **environment):
        steps = [one for job in jobs(workflow).values() for one in job["steps"]]
        (found,) = [one for one in steps if one.get("name") == step]
        for name, text in (programs or {}).items():
            (tmp_path / "bin" / name).write_text(text)
            (tmp_path / "bin" / name).chmod(0o755)
        script = tmp_path / "step"
        script.write_text(found["run"])
        shell = [sys.executable] if found.get("shell") == "python" else ["bash", "-e"]
        environment |= {"PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}", "RUNNER_TEMP": str(tmp_path)}
        environment |= {"GITHUB_OUTPUT": str(tmp_path / "output")}
        return subprocess.run(
            [*shell, script], cwd=cwd, env=os.environ | environment, capture_output=True, text=True, timeout=60
        )

    return run


@pytest.mark.parametrize(
    ("code", "verdict", "expected"),
    [(0, "PASS", 0), (1, "FAIL", 0), (1, "PASS", 1), (1, None, 1), (2, "FAIL", 2), (3, None, 3), (5, None, 5)],
)
def test_a_shard_is_red_where_it_crashed_and_not_where_it_failed(run, tmp_path, code, verdict, expected):
    document = json.dumps({"schema": 1, "rows": [{"row": "rope-numba_fused", "verdict": verdict}]}, indent=1)
    write = f"echo '{document}' > {tmp_path}/gate.json\n" if verdict else ""
    tox = f'#!/bin/sh\necho "$@" > {tmp_path}/arguments\n{write}exit {code}\n'
    done = run("gate", "Judge the shard", programs={"tox": tox}, BASE="abc", SHARD="2/4", REPORT=str(tmp_path))
    assert done.returncode == expected, done.stderr
    arguments = (tmp_path / "arguments").read_text()
    assert arguments == f"run -e gate -- --against abc --shard 2/4 --gate-report {tmp_path}\n"


@pytest.mark.parametrize(("result", "code"), [("success", 0), ("failure", 1), ("cancelled", 1), ("skipped", 1)])
def test_there_is_no_verdict_while_a_shard_is_missing(run, result, code):
    assert run("gate", "Every shard was judged", SHARDS=result).returncode == code
    assert jobs("gate")["gate"]["if"] == "${{ always() }}"


def test_the_base_is_found_by_branch_tag_and_parent(run, tmp_path):
    def git(*arguments, cwd=tmp_path / "origin"):
        identity = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
        command = ["git", *identity, *arguments]
        return subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True).stdout.strip()

    (tmp_path / "origin").mkdir()
    git("init", "--quiet", "--initial-branch=main")
    git("commit", "--quiet", "--allow-empty", "--message=base")
    git("tag", "--annotate", "v1", "--message=one")
    base = git("rev-parse", "HEAD")
    git("checkout", "--quiet", "-b", "change")
    git("commit", "--quiet", "--allow-empty", "--message=change")
    git("checkout", "--quiet", "main")
    git("checkout", "--quiet", "-b", "merge")
    git("merge", "--quiet", "--no-ff", "--no-edit", "change")
    git("clone", "--quiet", str(tmp_path / "origin"), str(tmp_path / "clone"), cwd=tmp_path)
    for ref in ("HEAD^1", "main", "v1", base, base[:12]):
        (tmp_path / "output").write_text("")
        assert run("gate", "Find the commit to compare with", cwd=tmp_path / "clone", REF=ref).returncode == 0, ref
        assert (tmp_path / "output").read_text() == f"commit={base}\n", ref
    for ref in ("absent", "--since=2020", "--all", "$(touch owned)", ""):
        done = run("gate", "Find the commit to compare with", cwd=tmp_path / "clone", REF=ref)
        assert done.returncode == 1
        assert "no such branch, tag or commit here" in done.stderr
    assert not (tmp_path / "clone" / "owned").exists()


GH = """#!{python}
import json, pathlib, sys
folder = pathlib.Path({folder!r})
arguments = sys.argv[1:]
sent = json.loads(sys.stdin.read()) if "--input" in arguments else None
with (folder / "calls").open("a") as file:
    file.write(json.dumps([arguments, sent]) + "\\n")
replies = json.loads((folder / "replies").read_text())
path = arguments[1].removeprefix("repos/o/r/").partition("?")[0]
reply = replies.get(path, []) if "page=2" not in arguments else []
sys.stdout.buffer.write((folder / "zip").read_bytes() if path.endswith("/zip") else json.dumps(reply).encode())
"""


@pytest.fixture
def comment(run, tmp_path):
    """What the commenting step sends, as (arguments, body), given a report and what GitHub holds."""

    def comment(report, pulls=((7, "c0ffee"),), comments=(), created="2026-01-02T00:00:00Z", size=100):
        with zipfile.ZipFile(tmp_path / "zip", "w") as file:
            file.writestr("gate.md", report)
        artifact = {"id": 3, "expired": False, "created_at": created, "size_in_bytes": size}
        replies = {
            "pulls": [{"number": number, "head": {"sha": sha}} for number, sha in pulls],
            "actions/runs/5/artifacts": {"artifacts": [artifact]},
            "issues/7/comments": [{"id": i, "user": user, "body": body} for i, user, body in comments],
        }
        (tmp_path / "replies").write_text(json.dumps(replies))
        (tmp_path / "calls").write_text("")
        event = {"OWNER": "fork", "BRANCH": "a&head=x", "COMMIT": "c0ffee", "CONCLUSION": "failure", "RUN": "5"}
        event |= {"STARTED": "2026-01-01T23:00:00Z", "GITHUB_REPOSITORY": "o/r", "GITHUB_SERVER_URL": "https://s"}
        program = GH.format(python=sys.executable, folder=str(tmp_path))
        done = run("gate-comment", "Comment on the pull request", programs={"gh": program}, **event)
        calls = [json.loads(line) for line in (tmp_path / "calls").read_text().splitlines()]
        return done, [(arguments[1:], sent["body"]) for arguments, sent in calls if sent]

    return comment


TABLE = "### Head\n\n| verdict | row |\n| --- | --- |\n<details><summary>2 passed</summary>\n\n</details>\n"


def test_the_first_report_is_a_comment_and_the_next_replaces_it(comment):
    (((path, *_), body),) = comment(TABLE)[1]
    assert path == "repos/o/r/issues/7/comments"
    assert body.endswith(TABLE)
    assert "failure, see its [run](https://s/o/r/actions/runs/5)" in body
    others = [(1, {"login": "someone"}, body), (2, None, body), (4, {"login": "github-actions[bot]"}, "other")]
    (((path, *options), _),) = comment(TABLE, comments=[*others, (9, {"login": "github-actions[bot]"}, body)])[1]
    assert (path, options[:2]) == ("repos/o/r/issues/comments/9", ["--method", "PATCH"])


def test_a_report_can_neither_link_nor_mention_nor_hide(comment):
    hostile = "@owner [a](https://x.y) ![i](//x) <img src=x> <!-- \u202e \\[b](c) &commat;owner #1 GH-2 www.x.y <br>"
    ((_, body),) = comment(hostile)[1]
    told = body.partition("as text.\n\n")[2]
    assert told
    assert not re.search(r"@\w|\[|://|<(?!br>)|\u202e|&commat|#\d|GH-\d|www\.", told.replace("&#91;", ""))
    assert "<br>" in told


def test_a_long_report_is_cut_and_a_huge_one_refused(comment):
    ((_, body),) = comment("x[" * 100_000)[1]
    assert 60_000 < len(body) < 65_536
    assert "cut short" in body
    done, sent = comment(TABLE, size=1_000_001)
    assert done.returncode == 1
    assert not sent
    ((_, body),) = comment(b"\xff" * 500_000)[1]
    assert len(body) < 65_536


def test_a_run_without_a_report_says_so(comment):
    ((_, body),) = comment(TABLE, created="2026-01-01T00:00:00Z")[1]
    assert "no verdict" in body
    assert "###" not in body


@pytest.mark.parametrize("pulls", [(), ((7, "0ld"),), ((7, "c0ffee"), (8, "c0ffee"))])
def test_a_run_of_no_one_pull_request_is_not_commented_on(comment, pulls):
    done, sent = comment(TABLE, pulls=pulls)
    assert done.returncode == 0, done.stderr
    assert not sent


def test_the_history_is_gathered_from_every_night_but_this_one(run, tmp_path):
    gh = (
        '#!/bin/sh\nif [ "$1" = api ]; then printf "11\\n12\\n13\\n"; exit; fi\n'
        f'echo "$@" >> {tmp_path}/downloads\n[ "$3" != "$BROKEN" ]\n'
    )
    done = run("nightly", "Gather the earlier nights", programs={"gh": gh}, GITHUB_RUN_ID="12", GH_REPO="o/r")
    assert done.returncode == 0, done.stderr
    downloads = (tmp_path / "downloads").read_text().splitlines()
    assert [line.split()[2] for line in downloads] == ["11", "13"]
    broken = run("nightly", "Gather the earlier nights", programs={"gh": gh}, GITHUB_RUN_ID="12", BROKEN="11")
    assert broken.returncode == 1
