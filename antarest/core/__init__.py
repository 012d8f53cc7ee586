"""What everything else stands on: configuration, errors and the connection to the database."""
