"""Studies, their tags, and the groups that share them."""
