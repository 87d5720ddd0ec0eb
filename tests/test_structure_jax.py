"""Plants in JAX: each is found in the compiled program, and named."""

from textwrap import dedent

import pytest
from structure_plants import COLUMNS, KERNEL, ROWS, SIZE, needs_jax, reader, worse

from kernelgate.kernel import Kernel


@pytest.fixture
def structure(tmp_path, monkeypatch):
    return reader(tmp_path, monkeypatch)


JAX = """
import functools
import jax
import jax.numpy as jnp

def scale(x):
    return x * jax.lax.rsqrt(jnp.mean(x * x, axis=-1, keepdims=True) + 1)
"""
JAX_PLAIN = JAX + "scaled = jax.jit(scale)\n"


@needs_jax
class TestJax:
    def test_a_recompilation_a_call(self, structure):
        base = structure("jax_base", JAX_PLAIN)
        head = structure("jax_head", JAX + "def scaled(x):\n    return jax.jit(lambda x: scale(x))(x)\n")
        assert base["compilations a call"] == 0
        (difference,) = worse(base, head).values()
        assert difference.text == "compilations a call 0 -> 1"

    def test_float64_within(self, structure):
        leaky = """
        from jax import experimental
        x64 = getattr(experimental, "enable_x64", None) or jax.enable_x64
        inner = jax.jit(lambda x: scale(x.astype(jnp.float64)).astype(jnp.float32))
        def scaled(x):
            with x64(True):
                return inner(x)
        """
        base, head = structure("jax_base", JAX_PLAIN), structure("jax_head", JAX + dedent(leaky))
        assert worse(base, head)["f64 instructions"].text.startswith("f64 instructions 0 -> ")
        assert head["result dtype"] == "float32"

    def test_a_lost_donation(self, structure):
        def source(donated):
            step = f"step = jax.jit(scale, donate_argnums={donated})\n"
            return JAX + step + "def scaled(x):\n    return step(jnp.copy(x))\n"

        difference = worse(structure("jax_base", source("0")), structure("jax_head", source("()")))["aliased bytes"]
        assert (difference.base, difference.head) == (SIZE, 0)
        assert difference.text == "aliased bytes 65.5 kB -> 0 B (-100 %)"

    def test_a_materialised_repeat_of_keys(self, structure):
        keys = "@jax.jit\ndef scaled(x):\n    queries, keys = x.reshape(8, 4, 2, 256), x.reshape(8, 8, 256)\n"
        grouped = "    return jnp.einsum('hgqd,hkd->hgqk', queries, keys)\n"
        repeated = "    return jnp.einsum('nqd,nkd->nqk', queries.reshape(32, 2, 256), jnp.repeat(keys, 4, axis=0))\n"
        found = worse(structure("jax_base", JAX + keys + grouped), structure("jax_head", JAX + keys + repeated))
        assert found["temporary bytes"].head - found["temporary bytes"].base >= 4 * SIZE
        assert found["bytes accessed"].head - found["bytes accessed"].base >= 8 * SIZE

    def test_a_pass_more(self, structure):
        passes = "@jax.jit\ndef scaled(x):\n    return scale(x) + 0 * x.max(axis=-1, keepdims=True)\n"
        found = worse(structure("jax_base", JAX_PLAIN), structure("jax_head", JAX + passes))
        assert found["operations"].head > found["operations"].base
        assert found["bytes accessed"].head - found["bytes accessed"].base >= SIZE

    @pytest.mark.parametrize("loop", ["fori_loop", "scan"])
    def test_a_loop_counts_as_often_as_it_runs(self, structure, loop):
        def source(count, unrolled=False):
            step = "def step(x):\n    return scale(x @ (x.T @ x) * 0.01 + x)\n"
            body = {
                "fori_loop": f"jax.lax.fori_loop(0, {count}, lambda _, x: step(x), x)",
                "scan": f"jax.lax.scan(lambda x, _: (step(x), None), x, None, length={count})[0]",
            }[loop]
            steps = f"functools.reduce(lambda x, _: step(x), range({count}), x)"
            return JAX + step + f"@jax.jit\ndef scaled(x):\n    return {steps if unrolled else body}\n"

        few, many = structure("jax_few", source(12)), structure("jax_many", source(48))
        unrolled = structure("jax_unrolled", source(12, unrolled=True))
        assert many["flops"] / few["flops"] == pytest.approx(4, rel=0.02)
        assert many["bytes accessed"] / few["bytes accessed"] == pytest.approx(4, rel=0.1)
        assert few["flops"] == pytest.approx(unrolled["flops"], rel=0.02)
        assert few["bytes accessed"] == pytest.approx(unrolled["bytes accessed"], rel=0.1)
        assert many["loops of unknown length"] == 0
        assert {"flops", "bytes accessed"} <= worse(few, many).keys()

    def test_a_loop_of_unknown_length_is_said(self, structure):
        source = "@jax.jit\ndef scaled(x):\n    return jax.lax.while_loop(lambda x: x[0, 0] > 9, scale, scale(x))\n"
        base = structure("jax_base", JAX_PLAIN)
        assert worse(base, structure("jax_head", JAX + source))["loops of unknown length"].head == 1

    def test_a_bound_call_of_several_programs(self, structure):
        source = """
        class Model:
            first = staticmethod(jax.jit(scale))
            then = staticmethod(jax.jit(lambda x, half: half * (x + x), static_argnames="half"))
            def step(self, x):
                return self.then(self.first(x), half=0.5)
        """
        bound = Kernel(**vars(KERNEL) | {"bind": bind_model})
        base, head = structure("jax_base", JAX_PLAIN), structure("jax_head", JAX + dedent(source), bound)
        assert head["programs"] == 2
        assert head["compilations a call"] == 0
        assert head["error"] == base["error"]
        assert worse(base, head)["programs"].text == "programs 1 -> 2"

    def test_what_was_compiled_ahead_is_not_called_nothing(self, structure):
        compiled = f"ahead = jax.jit(scale).lower(jnp.ones(({ROWS}, {COLUMNS}))).compile()\n"
        ahead = compiled + "def scaled(x):\n    return ahead(x)\n"
        base, head = structure("jax_base", JAX_PLAIN), structure("jax_head", JAX + ahead)
        assert head["flops"] is None
        assert "compiled when it was bound" in worse(base, head)["flops"].text


def bind_model(module, x):
    """As a spec binds a model's operation; a reference is a plain function."""
    return (lambda: module.Model().step(x)) if hasattr(module, "Model") else lambda: module.scaled(x)


@needs_jax
def test_the_listing_is_the_program_without_where_it_came_from(structure):
    base, same = structure("jax_base", JAX_PLAIN), structure("jax_same", "# moved\n\n" + JAX_PLAIN)
    head = structure("jax_head", JAX_PLAIN.replace("+ 1", "+ 2"))
    assert "HloModule" in base["listing"]
    assert "metadata=" not in base["listing"]
    assert "FileNames" not in base["listing"]
    assert same["listing"] == base["listing"] != head["listing"]
