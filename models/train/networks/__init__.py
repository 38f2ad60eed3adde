"""The networks a bundle can be trained from, one file each."""
