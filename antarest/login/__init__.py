"""Who may do what: people, bots, groups and their roles."""
