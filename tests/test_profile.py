"""`python -m kernelgate profile`: the tree adds up, and timers are off but for the profile."""

import sys
import time

import pytest
from profiled_models import PACKAGE, calls, check_sums, importable, profiled

from kernelgate.profile import ProfileError, cycles, document
from kernelgate.profile.job import Request, prepare
from kernelgate.profile.marks import timed_parts
from kernelgate.profile.run import profile
from kernelgate.profile.spans import Recorder, Recording, Share, Span
from kernelgate.profile.tree import OTHER, grow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    with importable(tmp_path_factory.mktemp("toys")) as folder:
        yield folder


@pytest.fixture(scope="module")
def found(folder):
    return profiled("reference")


def test_every_part_is_found_and_counted(found):
    parts = {"layers": 1, "layers/attention": 2, "layers/feed-forward": 2, "norm": 1, "head": 1, "sampling": 1}
    expected = {"": 1, "prefill": 1, "step": 4}
    expected |= {
        f"{where}/{part}": times * count
        for where, times in (("prefill", 1), ("step", 4))
        for part, count in parts.items()
    }
    assert calls(found.tree) == expected
    check_sums(found.tree)


def test_it_generates_what_the_model_does(found):
    model = found.job.load()
    logits, cache = model.prefill(found.job.tokens)
    for token in found.tokens.T:
        assert (logits.argmax(-1) == token).all()
        logits, cache = model.decode(token, cache)
    assert document.text(found) == bytes(found.tokens[0].tolist()).decode()


def held(model):
    """Every function that a profile may replace."""
    modules = [module for name, module in sys.modules.items() if name.startswith(PACKAGE)]
    owners = [*modules, *(one for module in modules for one in vars(module).values() if isinstance(one, type)), model]
    return {
        (id(owner), name): value
        for owner in owners
        for name, value in vars(owner).items()
        if callable(value) or isinstance(value, classmethod)
    }


def test_timers_are_there_within_a_profile_only(found):
    model, recorder = found.job.load(), Recorder()
    before = held(model)
    with pytest.raises(KeyError), timed_parts(PACKAGE, model, recorder):
        within = held(model)
        model.prefill(found.job.tokens)
        raise KeyError
    replaced = {name for (_, name), value in within.items() if value is not before[_, name]}
    assert replaced == {"run", "twice_marked", "head", "normalise", "attention", "feed_forward"}
    assert held(model) == before
    recorded = len(recorder.spans)
    assert recorded == 7
    model.prefill(found.job.tokens)
    assert len(recorder.spans) == recorded


def test_a_model_without_marks_says_so(folder):
    found = profiled("numpy_unmarked", count=1)
    assert calls(found.tree) == {"": 1, "prefill": 1, "prefill/sampling": 1}
    assert found.decode_rate is None
    assert "marks no parts" in "\n".join(document.lines(found))


def test_a_model_that_generates_whole_texts(folder, found):
    whole = profiled("numpy_whole")
    assert (whole.tokens == found.tokens).all()
    assert calls(whole.tree)["layers/attention"] == 10 and "step" not in calls(whole.tree)
    check_sums(whole.tree)


def test_a_step_that_counts_its_cycles(folder, monkeypatch):
    monkeypatch.setattr(cycles, "clock", lambda: lambda: 2 * time.perf_counter_ns())
    counted = profiled("numpy_counted")
    parts = {"layers": None, "layers/attention": 3, "layers/mlp": 3, "head": 3, "sampling": 1}
    expected = {f"prefill/{part}": count for part, count in parts.items()}
    expected |= {f"step/{part}": count and 4 * count for part, count in parts.items()}
    assert calls(counted.tree) == {"": 1, "prefill": 1, "step": 4} | expected
    check_sums(counted.tree)
    step = counted.tree.at(("step",))
    head, layers = step.at(("head",)), step.at(("layers",))
    # Half of it and a quarter, but for rounding.
    assert layers.duration == pytest.approx(2 * head.duration, rel=0.05) and head.duration < step.duration / 4
    assert not counted.job.load().on

    monkeypatch.setattr(cycles, "clock", lambda: lambda: 0)
    uncounted = profiled("numpy_counted")
    assert set(calls(uncounted.tree)) == {"", "prefill", "prefill/sampling", "step", "step/sampling"}
    assert "no counter of cycles" in "\n".join(document.lines(uncounted))


def test_parts_that_take_more_than_the_whole_are_refused():
    recording = Recording([Span(("generate",), 0, 10), Span(("generate", "step"), 1, 8)], [Share(1, ("head",), 8)])
    tree = grow(recording)
    assert [(node.name, node.duration) for _, node in tree.walk()] == [
        ("generate", 10),
        ("step", 8),
        ("head", 8),
        (OTHER, 2),
    ]
    recording.shares.append(Share(1, ("layers",), 1))
    with pytest.raises(ValueError, match="the parts of step take 1 ns longer"):
        grow(recording)


def test_a_real_model():
    found = profile(prepare(Request("llama-numpy_fused", "", model="tiny", batch_size=2, count=3)))
    assert calls(found.tree) == {"": 1, "prefill": 1, "step": 2} | {
        f"{where}/{part}": times * steps
        for where, steps in (("prefill", 1), ("step", 2))
        for part, times in {
            "embedding": 1,
            "layers": 1,
            "layers/attention": 2,
            "layers/feed-forward": 2,
            "head": 1,
            "sampling": 1,
        }.items()
    }
    check_sums(found.tree)


def test_a_prompt_that_the_vocabulary_of_a_model_has_not():
    with pytest.raises(ProfileError, match="give its own --tokenizer"):
        prepare(Request("llama-numpy_fused", "once upon a time", model="tiny"))
