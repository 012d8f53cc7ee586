"""The local desktop application: it shows a database in the browser. Each database has at most one running instance."""
