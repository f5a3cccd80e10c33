//! `antiphon send`: writes a message to an agent or a person on another machine.

use antiphon_core::fact::{TextError, check_text, escape};
use antiphon_core::letter::{self, TEXT_BYTES_MAX};
use antiphon_server::dto::NewMessageDto;
use clap::Args;

use super::remember::read_text;
use crate::daemon::Session;
use crate::outcome::{Outcome, Problem};
use crate::render;

/// Options of `send`.
#[derive(Debug, Args)]
#[command(allow_missing_positional = true)]
pub(crate) struct SendArgs {
    /// For whom: a member's name, its peer id, or the beginning of it
    #[arg(conflicts_with = "role")]
    pub(crate) peer: Option<String>,
    /// The text, or `-` to read it from stdin
    #[arg(required = true)]
    pub(crate) text: String,
    /// For every other member that holds this role
    #[arg(long, value_name = "ROLE")]
    pub(crate) role: Option<String>,
    /// The message it answers; without PEER and --role it goes to whoever wrote that
    #[arg(long, value_name = "ID")]
    pub(crate) reply_to: Option<String>,
    /// What it points to: the id of a fact, or an address that begins with ucxl://; repeatable
    #[arg(long = "ref", value_name = "FACT|ADDRESS")]
    pub(crate) refs: Vec<String>,
    /// Sending again with the same key within a day sends nothing more
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
    /// Write control and bidirectional characters visibly instead of refusing them
    #[arg(long)]
    pub(crate) escape: bool,
}

/// Runs the command.
pub(crate) async fn run(args: SendArgs, session: &Session) -> Outcome {
    let text = if args.text == "-" { read_text(std::io::stdin().lock())? } else { args.text };
    let text = if args.escape { escape(&text) } else { text };
    check(&text).map_err(|error| Problem::from(&letter::Error::Text(error)))?;
    let message = NewMessageDto {
        to: args.peer,
        role: args.role,
        text,
        refs: args.refs,
        reply_to: args.reply_to,
        idempotency_key: args.idempotency_key,
        ..NewMessageDto::default()
    };
    let sent = session.node().await?.send_message(&message).await?;
    session.output.result(&sent, render::messages::sent)
}

/// A text that can never be sent is refused before a node is started or megabytes are handed to it.
fn check(text: &str) -> Result<(), TextError> {
    check_text("the message", text, TEXT_BYTES_MAX)
}
