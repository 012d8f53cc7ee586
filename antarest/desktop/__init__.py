"""The local desktop application: it shows a database in the browser, with one running instance a database."""
