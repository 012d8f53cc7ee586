"""The checkout that the revisions come from: what git has of them elsewhere, and those that were applied from here.

It hides how a script is found that this checkout does not have. Without git, or in an installed copy, nothing is found,
and nothing here is an error.
"""
