"""The judge's modules one by one: no engine, no socket, no clock. odd_tree.py is the root, openers.py opens beneath it."""
