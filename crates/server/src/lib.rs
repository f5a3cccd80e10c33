//! The doors of an Antiphon node: MCP and the HTTP API.
