"""What is not the model: everything that the variants share."""
