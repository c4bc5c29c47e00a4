"""The names, or keyed digests of names, under which a profile knows patients."""

from __future__ import annotations

import hmac
from dataclasses import dataclass

DIGEST_LENGTH = 12


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """Patients by their own names, or, with a salt, by a keyed digest that only its holder undoes.

    >>> Pseudonyms().of("sub-01"), Pseudonyms("our secret").of("sub-01")
    ('sub-01', 'id-63bd57374ddf')
    """

    salt: str = ""

    def of(self, subject: str) -> str:
        """The name of a subject in the profile."""
        if not self.salt:
            return subject
        digest = hmac.new(self.salt.encode(), subject.encode(), "sha256").hexdigest()
        return f"id-{digest[:DIGEST_LENGTH]}"
