"""What a daemon needs of the operating system: sockets, users, signals, the pid file, the log, the service manager.

Nothing here knows HTTP or a site.
"""
