"""The proofs that earlier runs have stored. A run uses a stored proof again, unless something it depends on changed."""
