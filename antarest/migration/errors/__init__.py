"""What can go wrong, one class a fact, and the values that every room speaks of."""
