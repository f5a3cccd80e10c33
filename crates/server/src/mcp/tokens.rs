//! What the tool lists cost an agent, counted as a model counts.
//!
//! Not every client shows its model all of a list, and models count differently. The whole answer to `tools/list` in the
//! tokens of o200k is a bound that can be checked anywhere without a network.

use antiphon_core::fact::Level;
use rmcp::model::ListToolsResult;

use super::{ToolProfile, tools};

/// Most tokens of the core list.
const CORE_TOKENS_MAX: usize = 2_000;
/// Most tools of the core profile.
const CORE_TOOLS_MAX: usize = 9;

fn tokens(profile: ToolProfile) -> (usize, usize) {
    let tools = tools::of(profile, Level::default());
    let count = tools.len();
    let list = serde_json::to_string(&ListToolsResult::with_all_items(tools)).unwrap();
    (count, tiktoken_rs::o200k_base().unwrap().encode_ordinary(&list).len())
}

#[test]
#[expect(clippy::print_stdout, reason = "the figures of the documentation come from here")]
fn the_core_list_costs_at_most_two_thousand_tokens() {
    for profile in [ToolProfile::Full, ToolProfile::ReadOnly, ToolProfile::MemoryServer, ToolProfile::Core] {
        let (count, tokens) = tokens(profile);
        // To be seen with --nocapture.
        println!("{}: {count} tools, {tokens} tokens", profile.name());
        if profile == ToolProfile::Core {
            assert!(count <= CORE_TOOLS_MAX, "{count} tools");
            assert!(tokens <= CORE_TOKENS_MAX, "{tokens} tokens");
        }
    }
}
