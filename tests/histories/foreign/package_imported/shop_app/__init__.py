"""The application, which contains its revisions."""
