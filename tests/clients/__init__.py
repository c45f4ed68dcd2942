"""Programs that people download with, against the server: each does its work, and does it as HTTP offers it."""
