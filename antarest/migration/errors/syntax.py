"""Parses Python code. Several threads can call the function at once."""

import ast
import threading

# On Python 3.11, two threads that parse at once can meet "AST constructor recursion depth mismatch": the interpreter
# keeps one count of the depth for all threads, and the garbage collector may change the thread half-way.
_LOCK = threading.Lock()


def parse(source: str | bytes, filename: str = "<unknown>") -> ast.Module:
    """Return the syntax tree of Python source code.

    Args:
        source: the source code; bytes are decoded as Python decodes a file.
        filename: the name of the file, for messages.

    Raises:
        SyntaxError: the source is not Python.
        ValueError: the source has a null byte.
    """
    with _LOCK:
        return ast.parse(source, filename=filename)
