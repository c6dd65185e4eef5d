"""The embedded WebDAV server: people's workspaces, and the shared folders of virtual labs."""
