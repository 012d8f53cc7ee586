"""The accounts of people and bots, the groups, and the roles of accounts in groups."""
