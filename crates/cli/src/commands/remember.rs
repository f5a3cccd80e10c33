//! `antiphon remember`: writes a fact.

use std::io::Read;

use antiphon_core::fact::{self, Level, check_content, escape};
use antiphon_server::dto::NewFactDto;
use clap::Args;

use crate::daemon::Session;
use crate::outcome::{Code, Outcome, Problem};

/// Most bytes that are read from stdin: 16 MiB. It is far above the limit of a fact, so that the answer to too long a
/// text can name its length.
const STDIN_BYTES_MAX: usize = 16 << 20;

/// Options of `remember`.
#[derive(Debug, Args)]
pub(crate) struct RememberArgs {
    /// The text, or `-` to read it from stdin
    pub(crate) text: String,
    /// How far it reaches: 0-3, project, domain, module, snippet; 0 and 1 are shared, unless the
    /// team was founded otherwise
    #[arg(long, default_value = "domain")]
    pub(crate) level: String,
    /// Area of knowledge
    #[arg(long)]
    pub(crate) domain: Option<String>,
    /// Module inside the domain
    #[arg(long)]
    pub(crate) module: Option<String>,
    /// A tag; repeatable
    #[arg(long = "tag", value_name = "TAG")]
    pub(crate) tags: Vec<String>,
    /// Keep it on this node, whatever its level
    #[arg(long)]
    pub(crate) private: bool,
    /// Seal it: only this role can read it, and whoever may read that role
    #[arg(long)]
    pub(crate) role: Option<String>,
    /// How sure you are, 0 to 1
    #[arg(long)]
    pub(crate) confidence: Option<f64>,
    /// Where it was taken from: a file, an address
    #[arg(long)]
    pub(crate) source: Option<String>,
    /// Remembering again with the same key writes nothing new
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
    /// Write control and bidirectional characters visibly instead of refusing them
    #[arg(long)]
    pub(crate) escape: bool,
}

/// Runs the command.
pub(crate) async fn run(args: RememberArgs, session: &Session) -> Outcome {
    let content = if args.text == "-" { read_text(std::io::stdin().lock())? } else { args.text };
    let content = if args.escape { escape(&content) } else { content };
    check(&content, &args.level).map_err(|error| Problem::from(&error))?;
    let draft = NewFactDto {
        content,
        level: Some(args.level.into()),
        domain: args.domain,
        module: args.module,
        tags: args.tags,
        private: args.private,
        role: args.role,
        confidence: args.confidence,
        source: args.source,
        idempotency_key: args.idempotency_key,
        escape: args.escape,
        ..NewFactDto::default()
    };
    let written = session.node().await?.remember(&draft).await?;
    session.output.result(&written, |written| match written.outcome.as_str() {
        "written" => format!("Remembered as {}.", written.id),
        _ => format!("Remembered before as {}.", written.id),
    })
}

/// A fact that can never be remembered is refused before a node is started or megabytes are sent to it.
fn check(content: &str, level: &str) -> Result<(), fact::Error> {
    check_content(content)?;
    level.parse::<Level>()?;
    Ok(())
}

/// Reads a text whole, within [`STDIN_BYTES_MAX`].
pub(crate) fn read_text(input: impl Read) -> Result<String, Problem> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(STDIN_BYTES_MAX).unwrap_or(u64::MAX);
    input
        .take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Problem::new(Code::Failed, "stdin cannot be read").why(error.to_string()))?;
    if bytes.len() > STDIN_BYTES_MAX {
        return Err(Problem::new(Code::TooLarge, "the text on stdin has more than 16 MiB")
            .why("a fact has at most 60 KiB")
            .hint("split it, or import it: antiphon import markdown DIR"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Problem::new(Code::Invalid, "the text on stdin is not UTF-8")
            .why(format!("byte {at} begins no character"))
            .hint("convert it first: iconv -t UTF-8 FILE | antiphon remember -")
    })
}
