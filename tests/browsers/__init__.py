"""Programs of other people against the server: a browser, and proxies that keep and revalidate."""
