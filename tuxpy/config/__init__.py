"""What the operator asked for: words to values, refused in one sentence that names the remedy."""
