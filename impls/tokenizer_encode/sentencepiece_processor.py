"""What SentencePiece offers, with a model made from the same vocabulary."""

import numpy as np
from jaxtyping import Int32
from sentencepiece import SentencePieceProcessor

from ..vocabulary_files import to_model


def prepare(tokens, scores, byte_ids):
    return (SentencePieceProcessor(model_proto=to_model(tokens, scores, byte_ids)),)


def tokenizer_encode(text: str, processor: SentencePieceProcessor) -> Int32[np.ndarray, " ids"]:
    """`SentencePieceProcessor.encode`, its list made the array that a model takes."""
    return np.array(processor.encode(text), np.int32)
