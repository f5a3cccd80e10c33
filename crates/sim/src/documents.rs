//! Documents: entries of the index that are stored and taken away. Ciphertexts are no business of this simulator; what
//! the index says of them must be the same everywhere, like all that is shared.

use antiphon_core::address::Address;
use antiphon_core::content::NewEntry;
use antiphon_core::ids::Hash;
use antiphon_core::time::UnixMillis;
use antiphon_store::{AuthorError, ContentView, Draft};

use crate::exercised::Class;
use crate::failure::{Law, Step, need};
use crate::workload::provenance;
use crate::world::World;

/// How often what is written is about a document, in permille.
pub(crate) const DOCUMENTS: u64 = 120;
/// So few addresses that many are written by several.
const ADDRESSES: u64 = 6;
/// Roles in which somebody stores: those that members and founders hold, and one that only reads.
const ROLES: [&str; 4] = ["backend_developer", "admin", "backend_developer", "observer"];

impl World {
    /// Somebody stores a document, or takes one away.
    pub(crate) fn document(&mut self) -> Option<Draft> {
        let name = self.model.name();
        let random = &mut self.random;
        let address = address(random.below(ADDRESSES))?;
        if random.chance(200) {
            return Some(Draft::RemoveContent { id: address.id(), provenance: provenance(random) });
        }
        let role = random.pick(&ROLES).unwrap_or(ROLES[0]).to_owned();
        let size = random.below(1_000);
        let entry = NewEntry {
            address,
            encrypted_for: vec![(role.clone(), Hash::of(role.as_bytes()))],
            creator_role: role,
            content_type: "text/plain".to_owned(),
            created_at: UnixMillis(self.at),
            size,
            stored_size: size + 200,
            hash: Hash::of(name.as_bytes()),
            root: Hash::of(&[name.as_bytes(), b"root"].concat()),
        };
        Some(Draft::PutContent { entry, provenance: provenance(random) })
    }

    /// What is known of documents is the same everywhere.
    pub(crate) fn check_documents(&mut self, honest: &[usize]) -> Step {
        let mut first: Option<(usize, Vec<Vec<ContentView>>)> = None;
        for node in honest.iter().copied() {
            let reader = self.db(node)?.reader();
            let versions =
                (0..ADDRESSES).filter_map(address).map(|address| Ok(reader.content_versions(&address.id())?));
            let versions = versions.collect::<Step<Vec<_>>>()?;
            match &first {
                None => first = Some((node, versions)),
                Some((other, theirs)) => need(versions == *theirs, Law::Converges, || {
                    let differing = versions.iter().zip(theirs).find(|(ours, theirs)| ours != theirs);
                    format!("n{node} and n{other} do not know the same documents: {differing:?}")
                })?,
            }
        }
        let (_, known) = first.unwrap_or_default();
        let at_once = known.iter().flatten().filter(|view| view.concurrent).count() as u64;
        self.tally.exercised.add(Class::StoredAtOnce, at_once);
        Ok(())
    }
}

/// Whether a node may refuse to write about a document for this reason.
pub(crate) fn may_refuse(error: &AuthorError) -> bool {
    matches!(
        error,
        AuthorError::ContentNotFound(_)
            | AuthorError::CreatorRoleReadOnly(_)
            | AuthorError::CreatorRoleNotHeld { .. }
            | AuthorError::MayNotRemove { .. }
    )
}

fn address(n: u64) -> Option<Address> {
    let task = format!("task{}", n % 3);
    Address::new("alice", "backend_developer", "sim", &task, &format!("doc{n}")).ok()
}
