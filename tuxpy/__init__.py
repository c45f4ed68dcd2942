"""tuxpy: a static file web server whose life cycle is a program of system calls."""
