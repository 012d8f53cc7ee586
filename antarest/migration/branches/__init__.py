"""Commands for development: the database follows the checkout, and revisions are written and checked."""
