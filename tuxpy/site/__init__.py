"""From a request to an answer: the one part of the judge that touches the file system."""
