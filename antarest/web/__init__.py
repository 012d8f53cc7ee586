"""The application that reads the database over HTTP: its queries, its routes, and how it is launched and served."""
