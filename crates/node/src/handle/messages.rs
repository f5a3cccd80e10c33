//! Messages between agents: sending, reading, and how far they have come.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use antiphon_core::ids::{MessageId, NodeId};
use antiphon_core::letter::{Kept, Letter};
use antiphon_core::outbox::{Outgoing, Sealer};
use antiphon_core::time::UnixMillis;
use antiphon_store::{
    Db, Error as StoreError, MESSAGES_READ_MAX, MESSAGES_SHOWN_MAX, MessageFilter, MessageView, NewMessage, Push,
    Reader, Resolved, Which,
};
use antiphon_vault::random;

use super::Handle;
use crate::api::{Addressee, Error, Inbox, InboxQuery, MessageDraft, MessageShown, Receivers};
use crate::clock::now;
use crate::outbox::letters;
use crate::tasks::Tasks;
use crate::team::TeamState;

/// Most characters of an unknown id that an error repeats.
const SHOWN_CHARS_MAX: usize = 64;

impl Handle {
    /// Writes a message to a member, or to every member of a role. It is on disk, sealed, when this returns, and is
    /// delivered as soon as its receivers can be reached. One whose key was used lately is not sent; the one that was
    /// is returned.
    ///
    /// # Errors
    /// [`Error::Message`] for one that is unfit, [`Error::NotAMember`], [`Error::UnknownRole`],
    /// [`Error::NobodyInRole`], [`Error::MessageNotFound`] and [`Error::MessageAmbiguous`] for what it answers, and
    /// [`Error::Store`] when there is no room for more.
    pub async fn send_message(&self, draft: MessageDraft) -> Result<MessageShown, Error> {
        if let Some(key) = &draft.key
            && let Some(sent) = self.sent_message(key).await?
        {
            return Ok(sent);
        }
        let (team, at) = (self.team().await?, now());
        let parent = match &draft.reply_to {
            Some(text) => Some(self.message(text).await?.message),
            None => None,
        };
        let receivers = self.receivers(&draft.to, parent.as_ref(), &team, at).await?;
        let own = team.own.node;
        let id = MessageId::of_author(&own, at, random::bytes()?);
        let thread = parent.as_ref().map_or(id, |parent| parent.thread);
        let kept = Kept { role: receivers.role, agent: draft.agent, text: draft.text, refs: draft.refs };
        let reply_to = parent.map(|parent| parent.id);
        let to = receivers.nodes.clone();
        let (key, written) = (self.shared.key.clone(), kept.clone());
        let seal = move || -> Result<Vec<Outgoing>, Error> {
            let Kept { role, agent, text, refs } = written;
            let letter =
                Letter { team: team.own.team, id, thread, reply_to, from: own, to: own, role, at, agent, text, refs };
            let one = |to: NodeId| letters::letter(&Letter { to, ..letter.clone() }, &key, &team);
            to.into_iter().map(one).collect()
        };
        let items = Tasks::compute(seal).await.map_err(|_| Error::Stopped)??;
        let (to, sealer, key) = (receivers.nodes, self.pen().sealer(), draft.key);
        let note = move |db: &mut Db, rows: &[Push]| {
            let row = |at: usize| rows.get(at).map(Push::id);
            let to = to.iter().enumerate().map(|(at, node)| (*node, row(at))).collect();
            let message = NewMessage { id, thread, reply_to, from: own, to, at, kept, key };
            db.put_message(&message, sealer.as_ref(), at)
        };
        let id = match self.send_items_then(items, note).await {
            Ok(_) => id,
            // The same was asked for twice at once, and the other one was first.
            Err(Error::Store(StoreError::AlreadySent(sent))) => sent,
            Err(error) => return Err(error),
        };
        self.message(&id.to_string()).await
    }

    /// The message that was sent lately under this key.
    ///
    /// # Errors
    /// [`Error::MessageNotFound`] for one that was sent and has been deleted here since; [`Error::Store`].
    pub async fn sent_message(&self, key: &str) -> Result<Option<MessageShown>, Error> {
        let (key, at) = (key.to_owned(), now());
        match self.store().read(move |reader| reader.named_message(&key, at)).await? {
            Some(sent) => self.message(&sent.to_string()).await.map(Some),
            None => Ok(None),
        }
    }

    /// To whom a message goes, in the order of the keys.
    async fn receivers(
        &self,
        to: &Addressee,
        parent: Option<&MessageView>,
        team: &TeamState,
        at: UnixMillis,
    ) -> Result<Receivers, Error> {
        let own = team.own.node;
        let mut role = None;
        let mut nodes = match to {
            Addressee::Peer(text) => vec![self.resolve_peer(text).await?],
            Addressee::Role(name) => {
                team.need_role(name)?;
                role = Some(name.clone());
                let members = team.membership.members().filter(|(_, member)| member.grant.roles.contains(name));
                let current = members.filter(|(node, _)| **node != own && team.membership.check(node, at).is_ok());
                current.map(|(node, _)| *node).collect()
            }
            Addressee::Back => {
                let parent = parent.ok_or(Error::NobodyNamed)?;
                role = parent.kept.as_ref().and_then(|kept| kept.role.clone()).filter(|_| parent.sent);
                let receivers = parent.receivers.iter().map(|receiver| receiver.node);
                let here = |node: &NodeId| team.membership.member(node).is_some();
                if parent.sent { receivers.filter(here).collect() } else { vec![parent.from] }
            }
        };
        nodes.sort_unstable();
        if let Some(stranger) = nodes.iter().find(|node| team.membership.member(node).is_none()) {
            return Err(Error::NotAMember(*stranger));
        }
        if nodes.is_empty() {
            Err(Error::NobodyInRole(role.unwrap_or_default()))
        } else {
            Ok(Receivers { nodes, role })
        }
    }

    /// Messages, the oldest first.
    ///
    /// # Errors
    /// [`Error::MessageNotFound`] and [`Error::MessageAmbiguous`] for the conversation, [`Error::Store`].
    pub async fn inbox(&self, query: InboxQuery) -> Result<Inbox, Error> {
        let thread = match &query.thread {
            Some(text) => Some(self.message(text).await?.message.thread),
            None => None,
        };
        let which = match (query.sent, thread) {
            (true, _) => Which::Sent,
            (false, Some(_)) => Which::Both,
            (false, None) => Which::Received,
        };
        let InboxQuery { unread, words, before, after, .. } = query;
        let filter = MessageFilter { which, unread, thread, words, before, after };
        let limit = query.limit.clamp(1, MESSAGES_SHOWN_MAX - 1);
        let sealer = self.pen().sealer();
        let read = move |reader: &Reader<'_>| {
            Ok((reader.messages(&filter, limit + 1, Some(sealer.as_ref()))?, reader.message_counts()?))
        };
        let (mut messages, counts) = self.store().read(read).await?;
        let more = messages.len() > limit;
        match after {
            Some(_) => messages.truncate(limit),
            None => drop(messages.drain(..messages.len().saturating_sub(limit))),
        }
        Ok(Inbox { messages: self.shown(messages).await?, more, counts })
    }

    /// The message that `text` names: a whole id, or the beginning of exactly one.
    ///
    /// # Errors
    /// [`Error::MessageNotFound`], [`Error::MessageAmbiguous`].
    pub async fn message(&self, text: &str) -> Result<MessageShown, Error> {
        let id = self.resolve_message(text).await?;
        let sealer: Arc<dyn Sealer> = self.pen().sealer();
        let found = self.store().read(move |reader| reader.message(id, Some(sealer.as_ref()))).await?;
        let found = found.into_iter().collect();
        self.shown(found).await?.pop().ok_or_else(|| Error::MessageNotFound(id.to_string()))
    }

    async fn resolve_message(&self, text: &str) -> Result<MessageId, Error> {
        let prefix = text.to_owned();
        match self.store().read(move |reader| reader.resolve_message(&prefix)).await? {
            Resolved::One(id) => Ok(id),
            Resolved::Ambiguous(ids) => {
                Err(Error::MessageAmbiguous { prefix: text.chars().take(SHOWN_CHARS_MAX).collect(), count: ids.len() })
            }
            Resolved::None => Err(Error::MessageNotFound(text.chars().take(SHOWN_CHARS_MAX).collect())),
        }
    }

    /// Marks messages as read and lets their writers know. Returns those that were not read before. At most
    /// [`MESSAGES_READ_MAX`] at once.
    ///
    /// # Errors
    /// [`Error::MessageNotFound`], [`Error::MessageAmbiguous`]; then none is marked.
    pub async fn read_messages(&self, names: &[String]) -> Result<Vec<MessageId>, Error> {
        let mut ids = Vec::with_capacity(names.len().min(MESSAGES_READ_MAX));
        for name in names.iter().take(MESSAGES_READ_MAX) {
            ids.push(self.resolve_message(name).await?);
        }
        self.mark_read(ids).await
    }

    /// Marks the oldest unread messages as read, at most [`MESSAGES_READ_MAX`]. Returns them.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn read_all_messages(&self) -> Result<Vec<MessageId>, Error> {
        let filter = MessageFilter { unread: true, after: Some(0), ..MessageFilter::default() };
        let mut ids = Vec::new();
        while ids.len() < MESSAGES_READ_MAX {
            let after = filter.clone();
            let some = self.store().read(move |reader| reader.messages(&after, MESSAGES_SHOWN_MAX, None)).await?;
            if some.is_empty() {
                break;
            }
            ids.extend(self.mark_read(some.iter().map(|message| message.id).collect()).await?);
        }
        Ok(ids)
    }

    /// Deletes messages from this node, read or not; their writers are not told. Returns those that are gone, and
    /// those that stayed since they still wait for a receiver. At most [`MESSAGES_READ_MAX`] at once.
    ///
    /// # Errors
    /// [`Error::MessageNotFound`], [`Error::MessageAmbiguous`]; then none is deleted.
    pub async fn delete_messages(&self, names: &[String]) -> Result<(Vec<MessageId>, Vec<MessageId>), Error> {
        let mut ids = Vec::with_capacity(names.len().min(MESSAGES_READ_MAX));
        for name in names.iter().take(MESSAGES_READ_MAX) {
            ids.push(self.resolve_message(name).await?);
        }
        Ok(self.store().share(move |db| db.delete_messages(&ids)).await?)
    }

    /// Tells of every message that comes: it is durable by then.
    pub fn letters(&self) -> tokio::sync::watch::Receiver<u64> {
        self.shared.letters.clone()
    }

    /// What this marks is what it tells the writers, so two that mark at once tell them nothing twice but the time.
    async fn mark_read(&self, ids: Vec<MessageId>) -> Result<Vec<MessageId>, Error> {
        let (team, at, wanted) = (self.team().await?, now(), ids.clone());
        let unread = self.store().read(move |reader| {
            let views = wanted.iter().map(|id| reader.message(*id, None));
            let views: Vec<Option<MessageView>> = views.collect::<Result<_, _>>()?;
            let fresh = views.into_iter().flatten().filter(|view| !view.sent && view.read_at.is_none());
            Ok(fresh.map(|view| (view.from, view.id)).collect::<Vec<(NodeId, MessageId)>>())
        });
        let mut unread = unread.await?;
        unread.sort_unstable();
        unread.dedup();
        let key = self.shared.key.clone();
        let noticed = unread.clone();
        let seal = move || letters::notices(&noticed, &key, &team, at);
        let notices = Tasks::compute(seal).await.map_err(|_| Error::Stopped)??;
        let fresh: Vec<MessageId> = unread.into_iter().map(|(_, id)| id).collect();
        let marked = fresh.clone();
        match self.send_items(notices, move |db| db.mark_read(&marked, at)).await {
            // A message was read also where the outbox has no room to say so.
            Err(Error::Store(error)) if error.outbox_full().is_some() => {
                tracing::warn!(%error, "who wrote these messages is not told that they were read");
                let marked = fresh.clone();
                self.store().share(move |db| db.mark_read(&marked, at)).await?;
            }
            Err(error) => return Err(error),
            Ok(_) => {}
        }
        Ok(fresh)
    }

    async fn shown(&self, messages: Vec<MessageView>) -> Result<Vec<MessageShown>, Error> {
        let receivers = messages.iter().flat_map(|message| &message.receivers).map(|receiver| receiver.node);
        let nodes: BTreeSet<NodeId> = messages.iter().map(|message| message.from).chain(receivers).collect();
        let nodes: Vec<NodeId> = nodes.into_iter().collect();
        let team = self.team().await?;
        let known: BTreeMap<NodeId, String> = nodes.iter().copied().zip(self.names_of(&nodes).await?).collect();
        let own = team.own;
        let name = |node: &NodeId| match known.get(node) {
            _ if *node == own.node => own.name.clone(),
            found => found.cloned().unwrap_or_default(),
        };
        let show = |message: MessageView| MessageShown {
            from_name: name(&message.from),
            receivers: message.receivers.iter().map(|one| (one.clone(), name(&one.node))).collect(),
            message,
        };
        Ok(messages.into_iter().map(show).collect())
    }
}
