"""What the tests of a running server share: the site, the server in its thread, the client."""
