"""The tests: `unit` for one module each, `integration` for the migrations and the commands as users run them."""
