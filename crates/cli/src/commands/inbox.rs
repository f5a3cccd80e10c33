//! `antiphon inbox`: what others wrote, and how far what was written here has come.
//!
//! A list is looked through, a conversation is read. So a list marks nothing, and whoever opens a conversation or
//! follows what comes in has read it, and its writers are told so, unless `--peek` says otherwise.

use antiphon_server::client::Client;
use antiphon_server::dto::{DeleteMessagesDto, MarkReadDto, MessageDto, MessageFilterDto, MessagesDto};
use clap::{Args, Subcommand};

use crate::daemon::Session;
use crate::outcome::Outcome;
use crate::render;
use crate::render::time::now_ms;

/// How long the node is asked to wait for a message before it is asked again, in milliseconds.
const WAIT_MS: u64 = 20_000;
/// Messages that are read at once while following.
const FOLLOWED_MAX: usize = 100;
/// What stands for all messages where ids are expected.
const ALL: &str = "all";

/// What else can be done with messages.
#[derive(Debug, Subcommand)]
pub(crate) enum InboxCommand {
    /// Delete messages from this node for good, read or not; their writers are not told
    Delete {
        /// Ids as `inbox` shows them, or the beginnings of ids
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
}

/// Options of `inbox`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct InboxArgs {
    #[command(subcommand)]
    pub(crate) command: Option<InboxCommand>,
    /// Only messages that were not read
    #[arg(long)]
    pub(crate) unread: bool,
    /// Show the conversation of this message in full, and mark it as read
    #[arg(long, value_name = "ID", conflicts_with_all = ["unread", "sent"])]
    pub(crate) thread: Option<String>,
    /// Only messages with all of these words
    #[arg(long, value_name = "WORDS")]
    pub(crate) search: Option<String>,
    /// Messages that were written here, and how far they have come
    #[arg(long, conflicts_with = "unread")]
    pub(crate) sent: bool,
    /// Show unread messages in full as they come, and mark them as read; ends with Ctrl-C
    #[arg(long, conflicts_with_all = ["sent", "before", "limit"])]
    pub(crate) follow: bool,
    /// Do not mark as read what is shown
    #[arg(long)]
    pub(crate) peek: bool,
    /// Mark messages as read and show nothing: ids, or `all`
    #[arg(long, value_name = "ID", num_args = 1.., conflicts_with_all = ["unread", "thread", "search", "sent", "follow", "peek"])]
    pub(crate) mark_read: Vec<String>,
    /// Only messages with a smaller number, as `next` in JSON gives it
    #[arg(long, value_name = "NUMBER")]
    pub(crate) before: Option<u64>,
    /// Most messages to show [default: 50]
    #[arg(long, short = 'n', value_name = "COUNT")]
    pub(crate) limit: Option<usize>,
}

/// Runs the command.
pub(crate) async fn run(args: InboxArgs, session: &Session) -> Outcome {
    let node = session.node().await?;
    if let Some(InboxCommand::Delete { ids }) = args.command {
        return delete(ids, &node, session).await;
    }
    if !args.mark_read.is_empty() {
        let all = args.mark_read.iter().any(|id| id == ALL);
        let which = MarkReadDto { ids: if all { Vec::new() } else { args.mark_read }, all };
        let marked = node.mark_read(&which).await?;
        return session.output.result(&marked, |marked| match marked.read.len() {
            0 => "They were read before.".to_owned(),
            read => format!("Marked {} as read.", render::count(read, "message")),
        });
    }
    let InboxArgs { unread, thread, search, sent, peek, before, limit, .. } = args;
    let yes = |flag: bool| flag.then_some(true);
    let filter = MessageFilterDto {
        sent: yes(sent),
        unread: yes(unread),
        thread,
        search,
        before,
        limit,
        ..MessageFilterDto::default()
    };
    if args.follow {
        return follow(filter, peek, &node, session).await;
    }
    let found = node.messages(&filter).await?;
    if filter.thread.is_some() {
        session.output.result(&found, |found| render::messages::thread(&found.messages, now_ms()))?;
        return if peek { Ok(()) } else { mark(&found.messages, &node).await };
    }
    session.output.result(&found, |found| list(found, &filter))
}

async fn delete(ids: Vec<String>, node: &Client, session: &Session) -> Outcome {
    let deleted = node.delete_messages(&DeleteMessagesDto { ids }).await?;
    session.output.result(&deleted, |deleted| {
        let mut said = format!("Deleted {}.", render::count(deleted.deleted.len(), "message"));
        if !deleted.waiting.is_empty() {
            let stayed = render::count(deleted.waiting.len(), "message");
            said.push_str(&format!("\n{stayed} stayed: somebody has not taken it yet. See: antiphon outbox list"));
        }
        said
    })
}

fn list(found: &MessagesDto, filter: &MessageFilterDto) -> String {
    let narrowed = filter.search.is_some() || filter.before.is_some() || filter.unread.is_some();
    render::messages::list(found, filter.sent == Some(true), narrowed, now_ms())
}

/// Shows unread messages as they come, each once.
async fn follow(mut filter: MessageFilterDto, peek: bool, node: &Client, session: &Session) -> Outcome {
    (filter.unread, filter.after, filter.limit) = (Some(true), Some(0), Some(FOLLOWED_MAX));
    filter.wait_ms = Some(WAIT_MS);
    loop {
        let found = node.messages(&filter).await?;
        for message in &found.messages {
            session.output.result(message, |message| render::messages::whole(message, now_ms()))?;
            filter.after = Some(message.number);
        }
        if !peek {
            mark(&found.messages, node).await?;
        }
    }
}

/// Marks as read what was shown.
async fn mark(shown: &[MessageDto], node: &Client) -> Outcome {
    let unread = shown.iter().filter(|message| !message.sent && !message.read);
    let ids: Vec<String> = unread.map(|message| message.id.clone()).collect();
    if !ids.is_empty() {
        node.mark_read(&MarkReadDto { ids, all: false }).await?;
    }
    Ok(())
}
