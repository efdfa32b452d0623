"""The session, and the parts every page is built from."""
