"""The parts of the pages; a page with many parts has a folder of its own."""
