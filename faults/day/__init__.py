"""A day in small: writers, handlers of all tempers, and relays that are killed; `make day` runs it."""
