"""Measure models under one protocol: every number with what it was measured on, its error, and real pictures beside the made ones."""

from genart_hub.evaluate.measure import table
from genart_hub.evaluate.samples import evaluate

__all__ = ["evaluate", "table"]
