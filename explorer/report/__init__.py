"""A view as one HTML file, and as a snippet of Python."""
