"""What an operator may lay down for a site: names, fields, redirects, access. Values that are checked when made."""
