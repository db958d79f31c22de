"""The data, the training and the judging of the embedded model `tiny`."""
