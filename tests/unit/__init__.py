"""The judge's modules one by one, without engine or socket. odd_tree.py is the root, openers.py opens beneath it."""
