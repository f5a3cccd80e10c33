//! Reading documents.
//!
//! The order is policy, cache, own ciphertext, then other machines. Nothing is fetched that may not be read, and
//! nothing is handed out that is not in the audit trail: what fits into memory is decrypted as a whole, noted, and then
//! handed out; of what is longer the use of the key is noted before the first byte, and how it ended after the last.

use std::io::{self, Write};
use std::sync::Arc;

use antiphon_core::address::{Address, Selector};
use antiphon_core::ids::Hash;
use antiphon_core::trail::{Act, Operation};
use antiphon_store::{BlobError, Blobs, ContentView};
use antiphon_vault::{Keyring, RoleSecret, document};
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::policy::Rights;
use super::view::{info, opens};
use super::{Plain, Using, pipe};
use crate::api::{ContentError, ContentForm, ContentSource, Error, OpenContent, Rest};
use crate::clock::now;
use crate::handle::Handle;
use crate::tasks::Tasks;
use crate::team::TeamState;

/// How often a document is fetched again because a block of it turned out to be damaged on this disk.
const MENDED_MAX: usize = 2;

/// What a document is read with.
#[derive(Clone)]
struct Key {
    keyring: Arc<Keyring>,
    address: Address,
    root: Hash,
    /// Bytes it must have.
    size: u64,
    encrypted_for: Vec<(String, Hash)>,
    blobs: Blobs,
    /// It is not dropped while it is read.
    _using: Arc<Using>,
}

impl Key {
    fn secrets(&self) -> Vec<&RoleSecret> {
        self.encrypted_for.iter().filter_map(|(role, epoch)| self.keyring.secret(role, epoch)).collect()
    }

    /// Decrypts what is on the disk.
    fn open(&self, out: impl Write) -> Result<(), Error> {
        let cipher = self.blobs.reader(&self.root)?;
        let size = document::decrypt(&self.secrets(), cipher, out).map_err(|error| self.unopened(&error))?;
        if size == self.size {
            return Ok(());
        }
        let why = format!("its author says that it has {} bytes, and it has {size}", self.size);
        Err(ContentError::Unopened { address: self.address.clone(), why }.into())
    }

    /// Hands out what is on the disk as it is.
    fn copy(&self, mut out: impl Write) -> Result<(), Error> {
        let mut cipher = self.blobs.reader(&self.root)?;
        io::copy(&mut cipher, &mut out).map(drop).map_err(|error| self.broken(&error))
    }

    fn unopened(&self, error: &document::Error) -> Error {
        match error.io() {
            Some(error) => self.broken(error),
            None => ContentError::Unopened { address: self.address.clone(), why: error.to_string() }.into(),
        }
    }

    fn broken(&self, error: &io::Error) -> Error {
        match BlobError::inside(error) {
            Some(error) if error.is_missing() => ContentError::Damaged(self.address.clone()).into(),
            Some(error) => error.clone().into(),
            None => ContentError::ReaderGone.into(),
        }
    }
}

impl Handle {
    /// Opens a document for reading. What is not on this node is fetched and checked before this returns; what was
    /// fetched when it fails is kept, and the next attempt goes on there.
    ///
    /// # Errors
    /// [`Error::Content`] with the refusal, or why it cannot be had, [`Error::Store`], [`Error::Blob`].
    pub async fn open_content(
        &self,
        address: &Address,
        selector: Selector,
        form: ContentForm,
    ) -> Result<OpenContent, Error> {
        let began = Instant::now();
        let act = self.content_act(Operation::Retrieve, address)?;
        let found = self.content_version(address, selector).await;
        let (view, _) = self.note_refusal(act.clone(), found).await?;
        let entry = &view.entry;
        let act = Act {
            role: Some(entry.creator_role.clone()),
            content_type: Some(entry.content_type.clone()),
            size: Some(entry.size),
            ..act
        };
        let opened = match form {
            ContentForm::Plain => self.open_plain(view, act.clone(), began).await,
            ContentForm::Cipher => self.open_cipher(view, act.clone(), began).await,
        };
        self.note_refusal(act, opened).await
    }

    async fn open_plain(&self, view: ContentView, act: Act, began: Instant) -> Result<OpenContent, Error> {
        let (team, keyring) = (self.team().await?, self.keyring());
        self.may_open(&team, &keyring, &view)?;
        let cached = self.shared.contents.cache().get(&view.entry.root, now());
        self.shared.contents.books().looked_up(cached.is_some(), now());
        if let Some(bytes) = cached {
            self.noted(vec![act]).await?;
            self.shared.contents.books().retrieved(began.elapsed(), now());
            return Ok(open(&team, &keyring, view, ContentSource::Cache, Rest::Whole { bytes, at: 0 }));
        }
        let key = self.key_of(&view, keyring.clone()).await;
        let mut source = self.bring(&team, &view).await?;
        let used = Act { operation: Operation::KeyAccess, ..act.clone() };
        if view.entry.stored_size > self.whole_bytes_max() {
            self.noted(vec![used]).await?;
            let chunks = self.flow(key, act, began, true);
            return Ok(open(&team, &keyring, view, source, Rest::Flow(chunks)));
        }
        let mut bytes = self.open_whole(key.clone()).await;
        for _ in 0..MENDED_MAX {
            match &bytes {
                Err(Error::Content(error)) if matches!(**error, ContentError::Damaged(_)) => {}
                _ => break,
            }
            source = self.bring(&team, &view).await?;
            bytes = self.open_whole(key.clone()).await;
        }
        // What does not open must not stay open elsewhere.
        let bytes = bytes.inspect_err(|_| self.shared.contents.cache().forget(&view.entry.root))?;
        self.noted(vec![used, act]).await?;
        let (root, id, role) = (view.entry.root, view.id(), &view.entry.creator_role);
        let _too_large = self.shared.contents.cache().put(root, id, role, bytes.clone(), now());
        self.shared.contents.books().retrieved(began.elapsed(), now());
        Ok(open(&team, &keyring, view, source, Rest::Whole { bytes, at: 0 }))
    }

    async fn open_cipher(&self, view: ContentView, act: Act, began: Instant) -> Result<OpenContent, Error> {
        let (team, keyring) = (self.team().await?, self.keyring());
        // Any member may have what it cannot read; somebody who is none any more may not.
        let _member = Rights::of(&team, &team.own.node)?;
        let key = self.key_of(&view, keyring.clone()).await;
        let source = self.bring(&team, &view).await?;
        let chunks = self.flow(key, act, began, false);
        Ok(open(&team, &keyring, view, source, Rest::Flow(chunks)))
    }

    /// Whether this node may read a version, before anything of it is fetched.
    fn may_open(&self, team: &TeamState, keyring: &Keyring, view: &ContentView) -> Result<(), Error> {
        let may = Rights::of(team, &team.own.node).and_then(|rights| rights.may_read(&view.entry.creator_role));
        may.inspect_err(|_| self.shared.contents.cache().forget(&view.entry.root))?;
        if opens(keyring, view) {
            return Ok(());
        }
        let (address, version) = (view.entry.address.clone(), view.entry.version);
        Err(ContentError::KeyNotHeld { address, version }.into())
    }

    async fn key_of(&self, view: &ContentView, keyring: Arc<Keyring>) -> Key {
        Key {
            keyring,
            address: view.entry.address.clone(),
            root: view.entry.root,
            size: view.entry.size,
            encrypted_for: view.entry.encrypted_for.clone(),
            blobs: self.store().blobs(),
            _using: Arc::new(self.shared.transfers.in_use().using(view.entry.root).await),
        }
    }

    /// Most bytes of a ciphertext that is decrypted as a whole before it is handed out.
    fn whole_bytes_max(&self) -> u64 {
        u64::try_from(self.shared.contents.cache().entry_bytes_max()).unwrap_or(u64::MAX)
    }

    /// Decrypts what fits into memory.
    async fn open_whole(&self, key: Key) -> Result<Plain, Error> {
        let opened = Tasks::compute(move || {
            // Nothing that held a part of it may be left behind by growing.
            let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(key.size).unwrap_or_default()));
            key.open(&mut *bytes).map(|()| Arc::new(bytes))
        });
        let bytes = opened.await.map_err(|_| Error::Stopped)??;
        self.shared.contents.books().decrypted(now());
        Ok(bytes)
    }

    /// Decrypts, or copies, as somebody takes the bytes, and notes how it ended before the end is told.
    fn flow(
        &self,
        key: Key,
        act: Act,
        began: Instant,
        decrypt: bool,
    ) -> tokio::sync::mpsc::Receiver<Result<Vec<u8>, Error>> {
        let (mut out, chunks) = pipe::outlet();
        let (handle, runtime) = (self.clone(), tokio::runtime::Handle::current());
        Tasks::beside(move || {
            let done = if decrypt { key.open(&mut out) } else { key.copy(&mut out) };
            let done = done.and_then(|()| out.flush().map_err(|error| key.broken(&error)));
            let ended = match &done {
                Ok(()) => act,
                Err(error) => Act { error: Some(error.to_string()), ..act },
            };
            let noted = runtime.block_on(handle.noted(vec![ended]));
            match done.and(noted) {
                Ok(()) => {
                    let mut books = handle.shared.contents.books();
                    if decrypt {
                        books.decrypted(now());
                    }
                    books.retrieved(began.elapsed(), now());
                }
                Err(error) => out.fail(error),
            }
        });
        chunks
    }

    async fn noted(&self, acts: Vec<Act>) -> Result<(), Error> {
        Ok(self.store().share(move |db| db.trail(&acts)).await?)
    }
}

fn open(team: &TeamState, keyring: &Keyring, view: ContentView, source: ContentSource, rest: Rest) -> OpenContent {
    let mut content = info(team, keyring, view, None);
    // It could not be read otherwise, but for one that was read lately.
    content.held.whole = source != ContentSource::Cache;
    content.held.bytes = if content.held.whole { content.stored_size } else { 0 };
    OpenContent { content, source, rest }
}
