"""The errors of a launch (`app.E1xx`) and of requests (`app.E4xx`, `app.E5xx`)."""
