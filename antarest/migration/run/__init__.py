"""One run of revisions: its segments, its retries and its commits."""
