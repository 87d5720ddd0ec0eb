"""Generate a text and say where the time went: which parts of the model took it, and how much memory it needed."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from .. import jax_programs, numba_cache, threads
from . import ProfileError


def add(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("subject", metavar="FOLDER-IMPLEMENTATION", help="as llama-numpy_fused")
    parser.add_argument("prompt", help="text to go on from, the same in every row")
    parser.add_argument("--package", default="impls", help="the package that holds it (default: %(default)s)")
    parser.add_argument("--model", help="a shape by name, as stories15M (default: the folder's first)")
    parser.add_argument("--dtype", help="format of the weights, as bf16 (default: the implementation's first)")
    parser.add_argument("--device", default="cpu", help="cpu, gpu or tpu (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=1, metavar="ROWS", help="default: %(default)s")
    parser.add_argument("--count", type=int, default=64, metavar="TOKENS", help="a row (default: %(default)s)")
    parser.add_argument("--threads", type=int, metavar="N", help="for every library (default: one a processor)")
    parser.add_argument("--checkpoint", type=Path, metavar="PATH", help="trained weights in place of random ones")
    parser.add_argument("--tokenizer", type=Path, metavar="PATH", help="their vocabulary")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all of it for programs")
    parser.add_argument("--trace", type=Path, metavar="FILE", help="write every span for Perfetto or chrome://tracing")
    parser.add_argument("--html", type=Path, metavar="FILE", help="draw the tree (needs kernelgate[report])")


def run(options: argparse.Namespace) -> int:
    """Profile, print, and write the files asked for. ProfileError, PictureError or OSError says what is in the way."""
    for path in (options.json, options.trace, options.html):
        _check_writable(path)
    try:
        threads.pin(options.threads)
    except ValueError as error:
        raise ProfileError(str(error)) from None
    numba_cache.use()
    jax_programs.keep()
    # Else a program would come from the cache with the scopes of the source that it was compiled from.
    os.environ.setdefault("JAX_COMPILATION_CACHE_INCLUDE_METADATA_IN_KEY", "true")
    # What they import reads how many threads there are to be.
    from . import chrome, document
    from .job import Request, prepare
    from .run import profile

    if options.html:
        from ..pictures.page import library

        library("plotly.offline")
    fields = ("subject", "prompt", "package", "model", "dtype", "device", "batch_size", "count")
    job = prepare(
        Request(
            **{name: getattr(options, name) for name in fields},
            checkpoint=options.checkpoint,
            tokenizer=options.tokenizer,
        )
    )
    found = profile(job)
    for line in document.lines(found):
        print(line)
    if options.json:
        document.write(options.json, found)
    if options.trace:
        chrome.write(options.trace, found)
    if options.html:
        from .picture import write

        write(options.html, found)
    return 0


def _check_writable(path: Path | None) -> None:
    """Before minutes of work, not after."""
    if path is not None and path.is_dir():
        raise ProfileError(f"{path}: is a directory, expected a file to write")
    if path is not None and not path.absolute().parent.is_dir():
        raise ProfileError(f"{path}: there is no directory {path.absolute().parent}")
