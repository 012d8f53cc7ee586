"""The names that a revision should not take from here."""

TABLE = "t"
