//! Where the node listens.

/// What the control socket's MCP stream calls itself in an HTTP upgrade.
pub const MCP_PROTOCOL: &str = "antiphon-mcp";
