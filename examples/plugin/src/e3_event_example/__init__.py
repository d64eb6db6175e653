"""Two handlers that a stranger could have written."""
