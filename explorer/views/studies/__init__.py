"""The Studies page: the results of runs over many images, shown as the paper shows its own."""
