//! What people do with documents meanwhile.

use antiphon_core::ids::Hash;

use super::Copies;
use super::fetching::Cause;
use super::library::News;
use super::plan::{Act, Honesty};
use crate::exercised::Class;
use crate::failure::Step;

impl Copies {
    /// A person does something at some member that is up and honest.
    pub(super) fn act(&mut self, act: Act) -> Step {
        let honest = |node: &usize| {
            let member = &self.members[*node];
            member.up.is_some() && member.character.honesty == Honesty::Honest
        };
        let there: Vec<usize> = (0..self.members.len()).filter(honest).collect();
        let Some(node) = self.random.pick(&there) else { return Ok(()) };
        match act {
            Act::Put => self.put(node, None),
            Act::Replace => {
                let Some(root) = self.some_key(node) else { return Ok(()) };
                let document = self.library.content(&root)?.document;
                self.tally.exercised.add(Class::CopyReplaced, 1);
                self.put(node, Some(document))
            }
            Act::TakeAway => self.take_away(node),
            Act::Get => self.get(node),
            Act::Replicate => self.replicate(node),
        }
    }

    /// One of the versions that a member knows.
    fn some_key(&mut self, node: usize) -> Option<Hash> {
        let keys: Vec<Hash> = self.members[node].view.keys.keys().copied().collect();
        self.random.pick(&keys)
    }

    fn put(&mut self, node: usize, of: Option<u64>) -> Step {
        let root = self.library.write(&mut self.paper, node, of)?;
        let content = self.library.content(&root)?;
        if !self.members[node].disk.has_room(content.shape.length) {
            return Ok(());
        }
        self.members[node].disk.put(content);
        self.note(node, "put", &root.0, || format!("{root:?}"));
        self.tally.exercised.add(Class::CopyPut, 1);
        self.held(node, root)?;
        self.tell_all(node, News::Put(root))
    }

    fn take_away(&mut self, node: usize) -> Step {
        let Some(root) = self.some_key(node) else { return Ok(()) };
        let document = self.library.content(&root)?.document;
        let versions = self.members[node].view.keys.keys().copied();
        let versions: Vec<Hash> = versions
            .filter(|root| self.library.contents.get(root).is_some_and(|content| content.document == document))
            .collect();
        self.note(node, "take away", &root.0, || format!("{versions:?}"));
        self.tally.exercised.add(Class::CopyTakenAway, 1);
        self.tell_all(node, News::TakenAway(versions))
    }

    /// Gets a document that is not there, from whoever is linked.
    fn get(&mut self, node: usize) -> Step {
        let Some(root) = self.some_key(node) else { return Ok(()) };
        if self.members[node].disk.seems_whole(&root) {
            return Ok(());
        }
        let from = self.network.linked(node);
        self.members[node].got.insert(root);
        self.tally.exercised.add(Class::CopyGot, 1);
        self.fetch(node, root, Cause::Person, &from)
    }
}
