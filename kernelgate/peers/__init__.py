"""Whole models side by side with what a user would run instead: llama.cpp and transformers, on the same weights."""


class PeersError(ValueError):
    """What cannot be compared, in one line."""
