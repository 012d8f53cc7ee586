"""Studies, their tags, and the groups with which studies are shared."""
