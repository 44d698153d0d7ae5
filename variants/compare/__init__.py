"""Compare: which model holds, which breaks, and by how much."""
