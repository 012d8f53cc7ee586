"""The socket and the uvicorn server that serve an application."""
