"""The proofs that earlier runs have stored. A proof is used again until something changes that affects its result."""
