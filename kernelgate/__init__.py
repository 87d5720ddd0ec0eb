"""Measuring and judging numerical kernels: a pytest plugin beside pytest-benchmark."""
