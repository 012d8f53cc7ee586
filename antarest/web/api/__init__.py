"""The HTTP API: one module a subject, each with a router."""
