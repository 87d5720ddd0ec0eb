"""The compiled functions that one call enters from Python, whatever module or object holds them."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from .numba_assembly import Hot, hot_loop
from .numba_ir import LoopCount, count_loops


@dataclass(frozen=True)
class Compiled:
    """What is known of one function compiled for one signature, with all that was linked into it."""

    hot: Hot
    loops: LoopCount
    object_mode: bool


@dataclass(frozen=True)
class Entered:
    """A dispatcher (what `@njit` returns) and the signature that it was entered with, one of those it has compiled."""

    dispatcher: Any
    signature: tuple[Any, ...]

    @property
    def reflected(self) -> bool:
        """Whether it takes a Python list or set, which is copied in and out at each call."""
        return any(getattr(kind, "reflected", False) for kind in self.signature)

    def compiled(self) -> Compiled:
        return _compiled(self.dispatcher, self.signature)


def entered(call: Callable[[], Any]) -> set[Entered]:
    """The functions that `call` enters, which must have been compiled before."""
    seen: set[Entered] = set()
    with _entries(lambda dispatcher, positional, named: seen.add(_resolved(dispatcher, positional, named))):
        call()
    return seen


@contextmanager
def _entries(tell: Callable[[Any, tuple[Any, ...], dict[str, Any]], object]) -> Iterator[None]:
    """Within it, `tell` hears each entry: the dispatcher, and Numba's types of its arguments."""
    from numba.core import dispatcher

    kinds: Any = dispatcher.Dispatcher
    # Dispatchers are called through a slot that this class inherits from C; a `__call__` of its own comes before that.
    own = vars(kinds).get("__call__")
    enter = kinds.__call__

    def heard(entering: Any, *positional: Any, **named: Any) -> Any:
        kind = entering.typeof_pyval
        tell(entering, tuple(map(kind, positional)), {name: kind(value) for name, value in named.items()})
        return enter(entering, *positional, **named)

    kinds.__call__ = heard
    try:
        yield
    finally:
        if own is None:
            del kinds.__call__
        else:
            kinds.__call__ = own


def _resolved(dispatcher: Any, positional: tuple[Any, ...], named: dict[str, Any]) -> Entered:
    """With the compiled signature that Numba picks for arguments of these types."""
    template, _, folded, rest = dispatcher.get_call_template(positional, named)
    if signature := template(dispatcher.typingctx).apply(folded, rest):
        return Entered(dispatcher, signature.args)
    # In object mode all arguments are Python objects, whatever their types.
    (objects,) = {args for args, result in dispatcher.overloads.items() if result.objectmode}
    return Entered(dispatcher, objects)


@functools.cache
def _compiled(dispatcher: Any, signature: tuple[Any, ...]) -> Compiled:
    with warnings.catch_warnings():
        # Of what it takes from its cache on disk Numba shows neither assembly nor IR, and says so in a warning.
        warnings.simplefilter("error", UserWarning)
        with suppress(UserWarning):
            return _shown(dispatcher.overloads[signature])
    return _shown(_anew(dispatcher, signature))


def _anew(dispatcher: Any, signature: tuple[Any, ...]) -> Any:
    from numba import jit

    with warnings.catch_warnings():
        # Whatever Numba has to say of this function, it said when it was compiled first.
        warnings.simplefilter("ignore")
        anew = jit(**dispatcher.targetoptions)(dispatcher.py_func)
        anew.compile(signature)
    (result,) = anew.overloads.values()
    return result


def _shown(result: Any) -> Compiled:
    return Compiled(
        hot_loop(result.library.get_asm_str()),
        count_loops(result.library.get_llvm_str()),
        bool(result.objectmode or result.lifted),
    )
