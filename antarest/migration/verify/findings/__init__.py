"""The findings of a proof: the kinds, and the modules that find them."""
