//! What is right, as a person or an agent says it, becomes the values that settle a divergence.
//!
//! Accepting a side takes every diverged field it speaks of; about the others it says nothing, so they stay diverged.
//! A new text settles the text, and with it the rest as it is shown: whoever writes one has read what is there.

use antiphon_core::edit::Edit;
use antiphon_core::ids::{EventId, StoreId};
use antiphon_core::value::Value;
use antiphon_store::{DivergedField, Side};

use super::Origins;

/// What is right.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Choice {
    /// The side of this origin.
    pub accept: Option<String>,
    /// This text.
    pub body: Option<String>,
    /// Only these fields are settled; all when it is empty.
    pub fields: Vec<String>,
    /// The sides that were seen, where the caller knows better than the present state.
    pub seen: Option<Vec<EventId>>,
}

/// Where the value of a settled field came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// From the accepted side, which is called so.
    Side(String),
    /// It was given.
    Given,
    /// It was shown, and came from the side that is called so.
    Shown(String),
}

/// Why a choice settles nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsettled {
    /// Neither a side nor a text was named.
    #[error("nobody said what is right")]
    NoChoice {
        /// What the sides are called.
        origins: Vec<String>,
    },
    /// No side is called so.
    #[error("no side of it comes from {origin:?}; there are {}", origins.join(", "))]
    NoSuchSide {
        /// What was given.
        origin: String,
        /// What the sides are called.
        origins: Vec<String>,
    },
    /// Several sides fit.
    #[error("several sides come from {origin:?}")]
    Ambiguous {
        /// What was given.
        origin: String,
        /// What the sides are called.
        origins: Vec<String>,
    },
    /// The side's payload is not held.
    #[error("what {origin} says about {field} is not held here")]
    NotHeld {
        /// What the side is called.
        origin: String,
        /// The field.
        field: &'static str,
    },
    /// The field has no divergence.
    #[error("{field:?} is not diverged; {} is", diverged.join(", "))]
    FieldNotDiverged {
        /// What was given.
        field: String,
        /// What is diverged.
        diverged: Vec<&'static str>,
    },
    /// A text was given, and no text is diverged.
    #[error("the text is not diverged; {} is", diverged.join(", "))]
    NoText {
        /// What is diverged.
        diverged: Vec<&'static str>,
    },
    /// A text was given, and several texts are diverged.
    #[error("{} are diverged, and the text could be either", texts.join(" and "))]
    WhichText {
        /// Which.
        texts: Vec<&'static str>,
    },
    /// The accepted side forgot the whole, which cannot be done to a part.
    #[error("{origin} deleted the whole fact")]
    DeletionIsWhole {
        /// What the side is called.
        origin: String,
    },
}

/// The values that settle a divergence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chosen<F> {
    pub(crate) edit: Edit<F>,
    /// The accepted side forgot the whole.
    pub(crate) deleted: bool,
    taken: Vec<(F, Taken)>,
    left: Vec<F>,
}

impl<F: antiphon_core::edit::Fields> Chosen<F> {
    pub(crate) fn names(&self) -> (Vec<(&'static str, Taken)>, Vec<&'static str>) {
        let taken = self.taken.iter().map(|(field, taken)| (field.name(), taken.clone())).collect();
        (taken, self.left.iter().map(|field| field.name()).collect())
    }
}

/// Chooses among the sides of these fields; `texts` are those that a given text can be meant for.
pub(crate) fn choose<F: antiphon_core::edit::Fields>(
    fields: &[DivergedField<F>],
    texts: &[F],
    choice: &Choice,
) -> Result<Chosen<F>, Unsettled> {
    let origins = Origins::of(fields.iter().flat_map(|field| &field.sides).map(|side| &side.author));
    let wanted = wanted(fields, &choice.fields)?;
    let text = choice.body.as_ref().map(|_| text_of(&wanted, texts)).transpose()?;
    let accepted = choice.accept.as_deref().map(|origin| accepted(&origins, &wanted, origin)).transpose()?;
    if choice.body.is_none() && accepted.is_none() {
        return Err(Unsettled::NoChoice { origins: origins.labels() });
    }
    let left = fields.iter().map(|field| field.field).filter(|field| wanted.iter().all(|one| one.field != *field));
    let mut chosen = Chosen { edit: Edit::new(), deleted: false, taken: Vec::new(), left: left.collect() };
    for diverged in &wanted {
        let field = diverged.field;
        if let Some(body) = choice.body.as_ref().filter(|_| text == Some(field)) {
            chosen.edit.0.insert(field, Some(Value::Text(body.clone())));
            chosen.taken.push((field, Taken::Given));
            continue;
        }
        let side = match accepted {
            Some(store) => diverged.sides.iter().find(|side| side.author.store == store),
            // A text was given, so the whole is kept: a deletion has no say in the rest.
            None => diverged.sides.iter().find(|side| !side.deleted && side.value.is_some()),
        };
        let Some(side) = side else {
            chosen.left.push(field);
            continue;
        };
        let origin = origins.label(&side.author.store);
        match &side.value {
            _ if side.deleted => chosen.deleted = true,
            // A fact without its text is one that was forgotten.
            Some(None) if field == texts[0] && texts.len() == 1 => chosen.deleted = true,
            Some(value) => drop(chosen.edit.0.insert(field, value.clone())),
            None => return Err(Unsettled::NotHeld { origin, field: field.name() }),
        }
        let taken = if accepted.is_some() { Taken::Side(origin) } else { Taken::Shown(origin) };
        chosen.taken.push((field, taken));
    }
    if let Some(store) = accepted.filter(|_| chosen.deleted && chosen.left.len() + chosen.edit.0.len() > 0) {
        return Err(Unsettled::DeletionIsWhole { origin: origins.label(&store) });
    }
    Ok(chosen)
}

fn wanted<'a, F: antiphon_core::edit::Fields>(
    fields: &'a [DivergedField<F>],
    names: &[String],
) -> Result<Vec<&'a DivergedField<F>>, Unsettled> {
    if let Some(field) = names.iter().find(|name| fields.iter().all(|field| field.field.name() != name.as_str())) {
        let diverged = fields.iter().map(|field| field.field.name()).collect();
        return Err(Unsettled::FieldNotDiverged { field: field.clone(), diverged });
    }
    let named = |field: &&DivergedField<F>| names.is_empty() || names.iter().any(|name| name == field.field.name());
    Ok(fields.iter().filter(named).collect())
}

/// The one field that a given text is meant for.
fn text_of<F: antiphon_core::edit::Fields>(wanted: &[&DivergedField<F>], texts: &[F]) -> Result<F, Unsettled> {
    let fields: Vec<F> = wanted.iter().map(|field| field.field).filter(|field| texts.contains(field)).collect();
    match fields.as_slice() {
        [one] => Ok(*one),
        [] => Err(Unsettled::NoText { diverged: wanted.iter().map(|field| field.field.name()).collect() }),
        several => Err(Unsettled::WhichText { texts: several.iter().map(|field| field.name()).collect() }),
    }
}

/// The store whose side is accepted.
fn accepted<F>(origins: &Origins, wanted: &[&DivergedField<F>], origin: &str) -> Result<StoreId, Unsettled> {
    let stores = origins.named(origin);
    let speaks = |store: &&StoreId| {
        let sides = |field: &&&DivergedField<F>| field.sides.iter().any(|side: &Side<F>| side.author.store == **store);
        wanted.iter().any(|field| sides(&field))
    };
    let (origin, labels) = (origin.to_owned(), origins.labels());
    match stores.iter().filter(speaks).collect::<Vec<_>>().as_slice() {
        [one] => Ok(**one),
        [] => Err(Unsettled::NoSuchSide { origin, origins: labels }),
        _ => Err(Unsettled::Ambiguous { origin, origins: labels }),
    }
}

#[cfg(test)]
mod tests {
    use antiphon_core::fact::Field;
    use antiphon_core::ids::NodeId;
    use antiphon_core::time::Hlc;
    use antiphon_store::Author;

    use super::*;

    /// What a side says.
    enum Says {
        Text(&'static str),
        Nothing,
        Deleted,
        Unheld,
    }

    fn side(field: Field, n: u8, says: &Says) -> Side<Field> {
        let name = ["", "alice", "bob", "eve"][usize::from(n)].to_owned();
        Side {
            field,
            value: match says {
                Says::Text(text) => Some(Some((*text).into())),
                Says::Nothing | Says::Deleted => Some(None),
                Says::Unheld => None,
            },
            event: EventId([n; 16]),
            author: Author { store: StoreId([n; 16]), node: NodeId([n; 32]), name },
            hlc: Hlc(u64::from(n)),
            deleted: matches!(says, Says::Deleted),
            provenance: None,
        }
    }

    fn diverged(field: Field, sides: &[(u8, Says)]) -> DivergedField<Field> {
        let sides = sides.iter().map(|(n, says)| side(field, *n, says)).collect();
        DivergedField { field, sides, ancestor: None }
    }

    fn accept(origin: &str) -> Choice {
        Choice { accept: Some(origin.into()), ..Choice::default() }
    }

    fn body(text: &str) -> Choice {
        Choice { body: Some(text.into()), ..Choice::default() }
    }

    fn of(choice: Choice, field: &str) -> Choice {
        Choice { fields: vec![field.into()], ..choice }
    }

    fn run(fields: &[DivergedField<Field>], choice: &Choice) -> Result<Chosen<Field>, Unsettled> {
        choose(fields, &[Field::Content], choice)
    }

    use Says::{Deleted, Nothing, Text, Unheld};

    fn text_and_domain() -> [DivergedField<Field>; 2] {
        [
            diverged(Field::Content, &[(2, Text("two")), (1, Text("one"))]),
            diverged(Field::Domain, &[(3, Text("web")), (1, Nothing)]),
        ]
    }

    #[test]
    fn an_accepted_side_says_what_it_speaks_of_and_no_more() {
        let fields = text_and_domain();
        let chosen = run(&fields, &accept("alice")).unwrap();
        let side = |name: &str| Taken::Side(name.into());
        assert_eq!(chosen.edit, Edit::new().set(Field::Content, "one".into()).clear(Field::Domain));
        assert_eq!(chosen.names(), (vec![("content", side("alice")), ("domain", side("alice"))], vec![]));
        let chosen = run(&fields, &accept("bob")).unwrap();
        assert_eq!(chosen.edit, Edit::new().set(Field::Content, "two".into()));
        assert_eq!(chosen.names(), (vec![("content", side("bob"))], vec!["domain"]));
        let chosen = run(&fields, &of(accept("alice"), "domain")).unwrap();
        assert_eq!((chosen.edit, chosen.left), (Edit::new().clear(Field::Domain), vec![Field::Content]));
    }

    #[test]
    fn a_text_settles_the_text_and_the_rest_as_it_is_shown() {
        let fields = text_and_domain();
        let chosen = run(&fields, &body("three")).unwrap();
        let edit = Edit::new().set(Field::Content, "three".into());
        assert_eq!(chosen.edit, edit.clone().set(Field::Domain, "web".into()));
        assert_eq!(chosen.names().0[1], ("domain", Taken::Shown("eve".into())));
        let chosen = run(&fields, &of(body("three"), "content")).unwrap();
        assert_eq!((chosen.edit, chosen.left), (edit.clone(), vec![Field::Domain]));
        let both = Choice { body: Some("three".into()), ..accept("alice") };
        assert_eq!(run(&fields, &both).unwrap().edit, edit.clear(Field::Domain));
    }

    #[test]
    fn a_deletion_is_accepted_as_a_whole() {
        let fields = [
            diverged(Field::Content, &[(1, Deleted), (2, Text("two"))]),
            diverged(Field::Domain, &[(1, Deleted), (3, Text("web"))]),
        ];
        assert!(run(&fields, &accept("alice")).unwrap().deleted);
        let whole = |choice| run(&fields, &choice).unwrap_err();
        assert_eq!(whole(of(accept("alice"), "domain")), Unsettled::DeletionIsWhole { origin: "alice".into() });
        let text = Choice { body: Some("three".into()), ..accept("alice") };
        assert_eq!(whole(text), Unsettled::DeletionIsWhole { origin: "alice".into() });
        // Whoever writes a text keeps the fact, and with it what was not deleted.
        let chosen = run(&fields, &body("three")).unwrap();
        assert_eq!((chosen.deleted, chosen.taken[1].1.clone()), (false, Taken::Shown("eve".into())));
        // A side that only cleared the text has deleted it too.
        let cleared = [diverged(Field::Content, &[(1, Nothing), (2, Text("two"))])];
        assert!(run(&cleared, &accept("alice")).unwrap().deleted);
    }

    #[test]
    fn a_choice_that_settles_nothing_says_why() {
        let fields = text_and_domain();
        let check = |choice: Choice, words: &str| {
            let text = run(&fields, &choice).unwrap_err().to_string();
            assert!(text.contains(words), "{text}");
        };
        check(Choice::default(), "nobody said");
        check(accept("dave"), "\"dave\"; there are alice, bob, eve");
        check(of(accept("bob"), "domain"), "no side of it comes from \"bob\"");
        check(of(accept("bob"), "level"), "\"level\" is not diverged; content, domain is");
        check(of(body("x"), "domain"), "the text is not diverged; domain is");
        let unheld = [diverged(Field::Content, &[(1, Unheld), (2, Text("two"))])];
        let refused = run(&unheld, &accept("alice")).unwrap_err();
        assert_eq!(refused, Unsettled::NotHeld { origin: "alice".into(), field: "content" });
        assert!(run(&unheld, &body("x")).is_ok() && run(&unheld, &accept("bob")).is_ok());
    }
}
