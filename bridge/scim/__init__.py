"""The bridge as a SCIM 2.0 server: identity providers write users and groups, the journal gets the events."""
