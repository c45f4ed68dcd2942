"""HTTP as the RFCs have it: text to values and back. Pure; no file, no policy, no socket."""
