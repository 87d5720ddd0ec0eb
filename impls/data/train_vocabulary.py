"""Train the project's own small vocabulary: python impls/data/train_vocabulary.py [vocabulary.json]

The text is what every Python brings along: its language reference (pydoc_data.topics) and the docstrings of its
standard library. So nothing is downloaded. The same Python and sentencepiece give the same file, byte for byte; other
versions have other text and give a slightly different one, and with it other token ids for the benchmarks' prompt.
"""

from __future__ import annotations

import ast
import io
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from pydoc_data.topics import topics

from sentencepiece import SentencePieceProcessor, SentencePieceTrainer

VOCAB_SIZE = 2048


def standard_text() -> Iterator[str]:
    """Lines of the language reference and of the standard library's docstrings, always in the same order."""
    for name in sorted(topics):
        yield from topics[name].splitlines()
    # Parsed, not imported: importing some modules opens windows or prints.
    for path in sorted(Path(os.__file__).parent.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                yield from (ast.get_docstring(node) or "").splitlines()


def train(lines: Iterator[str], vocab_size: int = VOCAB_SIZE) -> bytes:
    """A vocabulary in llama3.np's JSON format, trained with the options of Llama 2 that its vocabulary shows."""
    model = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=(line for line in lines if line.strip()),
        model_writer=model,
        vocab_size=vocab_size,
        model_type="bpe",
        byte_fallback=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True,
        split_digits=True,
        character_coverage=0.99995,
        num_threads=1,
        minloglevel=1,
    )
    processor = SentencePieceProcessor(model_proto=model.getvalue())
    every = range(processor.vocab_size())
    # llama2.c and llama3.np store SentencePiece's '▁' as the space that it stands for.
    tokens = [processor.id_to_piece(token_id).replace("▁", " ") for token_id in every]
    scores = [processor.get_score(token_id) for token_id in every]
    return (json.dumps({"tokens": tokens, "scores": scores}, separators=(",", ":")) + "\n").encode()


def write(target: Path, content: bytes) -> None:
    """Write beside the target and rename, so that no reader ever sees half a file."""
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=target.name, delete=False) as file:
        part = Path(file.name)
        file.write(content)
    part.chmod(0o644)
    part.replace(target)


def main() -> None:
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("vocabulary.json")
    content = train(standard_text())
    write(target, content)
    print(f"{target}: {VOCAB_SIZE} tokens, {len(content)} bytes")


if __name__ == "__main__":
    main()
