"""Tokamax, made to work under pytest: it reads absl's flags, which absl would parse from the command line."""

import tokamax
from absl import flags

flags.FLAGS.mark_as_parsed()

__all__ = ["tokamax"]
