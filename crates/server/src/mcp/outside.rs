//! Readers of what clients of MCP send, for [`crate::outside`].

use rmcp::model::{ClientJsonRpcMessage, JsonObject};
use serde::de::DeserializeOwned;

use super::args;
use super::memory::NAMES;
use super::memory::input::Input;

/// Reads a message of the protocol, and gives it as it would be written.
pub fn mcp_message(text: &[u8]) -> Option<Vec<u8>> {
    let message: ClientJsonRpcMessage = serde_json::from_slice(text).ok()?;
    serde_json::to_vec(&message).ok()
}

/// Reads arguments of the tools that every agent sees; says how many of the tools take them.
pub fn tool_arguments(text: &[u8]) -> usize {
    fn takes<T: DeserializeOwned>(arguments: &JsonObject) -> bool {
        args::read::<T>(arguments.clone()).is_ok()
    }
    let Ok(arguments) = serde_json::from_slice::<JsonObject>(text) else { return 0 };
    let tools = [
        takes::<args::Remember>,
        takes::<args::Update>,
        takes::<args::Forget>,
        takes::<args::Get>,
        takes::<args::Recall>,
        takes::<args::Status>,
        takes::<args::Nothing>,
    ];
    tools.iter().filter(|takes| takes(&arguments)).count()
}

/// Names of the tools of the memory server.
pub const fn memory_tools() -> &'static [&'static str] {
    &NAMES
}

/// Reads arguments of a tool of the memory server; gives what is said of wrong ones.
///
/// # Errors
/// In the words of the original.
pub fn memory_tool(tool: &str, text: &[u8]) -> Result<(), String> {
    let arguments = serde_json::from_slice::<JsonObject>(text).map_err(|error| error.to_string())?;
    Input::read(tool, arguments).map(drop)
}
