"""`python -m kernelgate profile`: where the time of a generated text went, by the parts of the model."""


class ProfileError(ValueError):
    """What cannot be profiled as asked, in one line."""
