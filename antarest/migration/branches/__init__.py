"""The database follows the checkout; revisions are written and checked."""
