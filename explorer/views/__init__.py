"""What stands on the pages; a folder where a page has parts of its own."""
