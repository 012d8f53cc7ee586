"""The diagram of the schema: its tables, and the layout of tables and lines."""
