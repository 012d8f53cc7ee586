"""The proofs that earlier runs have stored. A stored proof is used again until something changes its result."""
