"""A run's own claim, and what is left of claims when their process is gone or slept too long."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from promptlab.log.connection import Connection
from promptlab.model import utc_now

__all__ = ["Claims", "Holder"]


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a claim, and whether it ran out: until another owner takes it, it can still be renewed."""

    owner: str
    expired: bool


class Claims(Connection):
    """Claims beyond those of one request (cache.py)."""

    def holder(self, name: str, draw: int = 0) -> Holder | None:
        """Whose claim this is, also one that ran out."""
        sql = "SELECT owner, expires_at <= ? FROM claims WHERE request_hash = ? AND draw = ?"
        for owner, expired in self.rows(sql, (utc_now(), name, draw)):
            return Holder(owner, bool(expired))
        return None

    def claim_owner(self, name: str) -> str | None:
        """Whose claim this is: one look-up, for what is checked at every step of a run."""
        owner: str | None = self.value("SELECT owner FROM claims WHERE request_hash = ? AND draw = 0", (name,))
        return owner

    def hand_over_claims(self, old: str, new: str, seconds: float) -> None:
        """All claims of one owner are another's from now on."""
        until = datetime.now(UTC) + timedelta(seconds=seconds)
        text = until.isoformat(timespec="milliseconds")[:-6] + "Z"
        self.execute("UPDATE claims SET owner = ?, expires_at = ? WHERE owner = ?", (new, text, old))

    def expired_owners(self) -> list[str]:
        """The owners of claims that ran out."""
        return [
            owner for (owner,) in self.rows("SELECT DISTINCT owner FROM claims WHERE expires_at <= ?", (utc_now(),))
        ]

    def forget_expired_claims_of(self, owner: str) -> None:
        """Remove what this owner left behind."""
        self.execute("DELETE FROM claims WHERE owner = ? AND expires_at <= ?", (owner, utc_now()))
