//! What the sides of a divergence are called: people say "what the laptop has", so each goes by the name of the node
//! it was written on. Names are chosen freely and may clash, ids do not.

use std::collections::BTreeMap;

use antiphon_core::ids::StoreId;
use antiphon_store::Author;

/// Characters of a store id that stand for a side whose name is not its own.
const SHORT_CHARS: usize = 8;

/// The stores that wrote the sides of one divergence, each with what it is called.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origins(BTreeMap<StoreId, Origin>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Origin {
    label: String,
    name: String,
    node: String,
}

impl Origins {
    /// Names each store by its node's name, or by the beginning of its id where that is no name of its own.
    pub fn of<'a>(authors: impl IntoIterator<Item = &'a Author>) -> Self {
        let mut stores: BTreeMap<StoreId, Origin> = BTreeMap::new();
        for author in authors {
            let name = &author.name;
            let origin = || Origin { label: name.clone(), name: name.clone(), node: author.node.to_string() };
            stores.entry(author.store).or_insert_with(origin);
        }
        let taken = |stores: &BTreeMap<StoreId, Origin>| {
            let mut labels: BTreeMap<String, usize> = BTreeMap::new();
            stores.values().for_each(|origin| *labels.entry(origin.label.clone()).or_default() += 1);
            labels
        };
        // Somebody may be called like the short id of another; whole ids are longer than any of both.
        for chars in [SHORT_CHARS, usize::MAX] {
            let labels = taken(&stores);
            for (store, origin) in &mut stores {
                if origin.label.trim().is_empty() || labels.get(&origin.label).is_some_and(|count| *count > 1) {
                    origin.label = store.to_string().chars().take(chars).collect();
                }
            }
        }
        Self(stores)
    }

    /// What a store is called; its id when it wrote no side.
    pub fn label(&self, store: &StoreId) -> String {
        self.0.get(store).map_or_else(|| store.to_string(), |origin| origin.label.clone())
    }

    /// What all are called.
    pub fn labels(&self) -> Vec<String> {
        self.0.values().map(|origin| origin.label.clone()).collect()
    }

    /// The stores that a text names: by what they are called, else by their id or the key of their node, or the
    /// beginning of one.
    pub fn named(&self, text: &str) -> Vec<StoreId> {
        let called = |fits: &dyn Fn(&StoreId, &Origin) -> bool| {
            let named = self.0.iter().filter(|(store, origin)| fits(store, origin));
            named.map(|(store, _)| *store).collect::<Vec<StoreId>>()
        };
        let exact = called(&|_, origin| origin.label == text);
        if !exact.is_empty() || text.is_empty() {
            return exact;
        }
        let upper = text.to_ascii_uppercase();
        let begins =
            |store: &StoreId, origin: &Origin| store.to_string().starts_with(&upper) || origin.node.starts_with(text);
        // A name that several nodes have names all of them, so that whoever gives it is told.
        called(&|store, origin| origin.name == text || begins(store, origin))
    }
}

#[cfg(test)]
mod tests {
    use antiphon_core::ids::NodeId;

    use super::*;

    fn author(n: u8, name: &str) -> Author {
        Author { store: StoreId([n; 16]), node: NodeId([n; 32]), name: name.into() }
    }

    fn short(n: u8) -> String {
        StoreId([n; 16]).to_string().chars().take(SHORT_CHARS).collect()
    }

    #[test]
    fn sides_go_by_the_name_of_their_node_unless_names_clash() {
        let authors = [author(1, "laptop"), author(2, "desktop"), author(1, "laptop"), author(3, " ")];
        let origins = Origins::of(&authors);
        assert_eq!(origins.labels(), ["laptop".to_owned(), "desktop".to_owned(), short(3)]);
        assert_eq!(origins.named("laptop"), [StoreId([1; 16])]);
        assert_eq!(origins.named(&short(2).to_lowercase()), [StoreId([2; 16])]);
        assert_eq!(origins.named(&NodeId([2; 32]).to_string()), [StoreId([2; 16])]);
        assert!(origins.named("phone").is_empty() && origins.named("").is_empty());
        let clash = Origins::of(&[author(1, "laptop"), author(2, "laptop")]);
        assert_eq!(clash.labels(), [short(1), short(2)]);
        assert_eq!(clash.named(&short(1)), [StoreId([1; 16])]);
        assert_eq!(clash.named("laptop").len(), 2);
    }

    #[test]
    fn eve_cannot_be_called_like_another_side() {
        let authors = [author(1, "laptop"), author(2, "laptop"), author(3, &short(1))];
        let origins = Origins::of(&authors);
        let whole = |n: u8| StoreId([n; 16]).to_string();
        assert_eq!(origins.labels(), [whole(1), short(2), whole(3)]);
    }
}
