"""What the app computes: work in line, and the results it keeps."""
