"""Proofs of earlier runs: as long as nothing has changed on which one depends, it need not be made again."""
