"""The sessions of a PostgreSQL server."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class ServerSession:
    """A session of a PostgreSQL server, with the values that this role may see. `begin` is that of its transaction."""

    pid: int | None = None
    application: str | None = None
    role: str | None = None
    address: str | None = None
    state: str | None = None
    begin: datetime | None = None

    @property
    def described(self) -> str:
        """The session in one line: pid, application, role, state and host."""
        if self.pid is None:
            return "a session that has ended since"
        parts = [f"pid {self.pid}", self.application, f"role {self.role}" if self.role else "", self.state]
        return ", ".join(part for part in parts if part) + (f", from {self.address}" if self.address else "")

    @property
    def since(self) -> str:
        """The time when its transaction began; empty where this role may not see it."""
        return f"{self.begin:%Y-%m-%d %H:%M:%S} UTC" if self.begin else ""
