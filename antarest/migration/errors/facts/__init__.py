"""The errors: one class a fact, each with its values and the way on."""
