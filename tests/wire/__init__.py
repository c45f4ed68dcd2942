"""Raw bytes in, raw bytes out: the running server against RFC 9110 and RFC 9112."""
