"""Verdicts: each step from the definitions, then in its chain; assumptions, repairs, notes."""

from softxent.derive.judge.report import check_document

__all__ = ["check_document"]
