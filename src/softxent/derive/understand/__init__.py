"""What a document means: definitions, roles, index sets, scopes, cases, assumptions, claims."""

from softxent.derive.understand.reading import Claim, Read, Reading

__all__ = ["Claim", "Read", "Reading"]
