"""The Studies page: what runs over many images left on disk, as the paper shows its own."""
