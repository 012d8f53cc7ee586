"""Code that the tests share: `projects` and `data` to work on, `programs` and `servers` to run, and `checks`."""
