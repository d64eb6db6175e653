"""The check of a spool and its repair: what a damaged database still holds, and what is made of it."""
