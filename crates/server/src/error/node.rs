//! What the node could not do.

use std::io;
use std::path::Path;

use antiphon_core::event::{Flaw, HeaderError};
use antiphon_core::genome;
use antiphon_node::{AuthorError, BlobError, Error, StoreError, ticket};

use super::message::problem as about_message;
use super::{Code, Problem};

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let what = error.to_string();
        match error {
            Error::Fact(error) => Self::from(&error),
            Error::FactNotFound(_) | Error::FactAmbiguous { .. } | Error::FactForgotten(_) => about_fact(what, &error),
            Error::Incident(error) => Self::from(&error),
            Error::IncidentNotFound(_) => {
                Self::new(Code::NotFound, what).hint("antiphon incidents list shows every incident")
            }
            Error::IncidentAmbiguous { .. } | Error::SubjectAmbiguous { .. } | Error::MessageAmbiguous { .. } => {
                Self::new(Code::Invalid, what).hint("give more characters of the id")
            }
            Error::SubjectNotFound(_) => Self::new(Code::NotFound, what)
                .hint("antiphon divergences list shows what was changed on several machines at once"),
            Error::Content(error) => Self::from(*error),
            Error::Blob(error) => about_blob(what, &error),
            Error::Dht(error) => Self::from(&error),
            Error::Resource(error) => Self::from(error),
            Error::Unsettled(error) => Self::from(&error),
            Error::Outbox(error) => Self::from(&error),
            Error::Store(StoreError::OutboxFull(full)) => super::outbox::full(what, &full),
            Error::Refused(error) => about_write(what, &error),
            Error::PeerNotFound(_) => Self::new(Code::NotFound, what).hint("antiphon peers list shows every peer"),
            Error::PeerAmbiguous { .. } => {
                Self::new(Code::Invalid, what).hint("give more characters of its id: antiphon peers list")
            }
            Error::PeerIsMember(_) | Error::NothingToBackUp(_) | Error::NoBackup(_) => about_peer(what, &error),
            Error::Ticket(error) => about_ticket(what, &error),
            Error::NotASteward { .. }
            | Error::UnknownRole { .. }
            | Error::InAnotherTeam { .. }
            | Error::BringUndecided { .. }
            | Error::JoinRefused { .. }
            | Error::NotAMember(_)
            | Error::NotRevoked(_)
            | Error::NoChange { .. }
            | Error::NothingToApprove(_)
            | Error::NotAsked(_)
            | Error::Genome(_) => super::team::problem(what, &error),
            Error::RoleKey(_) | Error::Seal(_) => {
                Self::new(Code::Failed, what).hint("antiphon team roles shows every role's key and who holds it")
            }
            Error::RecoverRefused { .. }
            | Error::HomeInUse { .. }
            | Error::OtherKeyInHome { .. }
            | Error::Phrase(_)
            | Error::NoHolder
            | Error::TooManyHolders(_)
            | Error::CopyFault { .. }
            | Error::SealedCopy(_) => super::recovery::problem(what, &error),
            Error::Home(error) => about_home(what, &error),
            Error::Key(_) | Error::SecretFile(_) => about_secret_file(what),
            Error::Secret(_) | Error::Random(_) => Self::new(Code::Failed, what)
                .why("no key was made: a key is made from chance that the operating system gives")
                .hint("repeat the command"),
            Error::Store(error) => about_store(what, &error),
            Error::NetStart(_) | Error::Net(_) | Error::Unreachable { .. } | Error::Address(_) | Error::OwnAddress => {
                about_network(what, &error)
            }
            Error::Message(error) => Self::from(&error),
            Error::MessageNotFound(_) | Error::NobodyInRole(_) | Error::NobodyNamed => about_message(what, &error),
            Error::Stopped => Self::new(Code::Busy, what).hint("start it again: antiphon up --detach"),
            Error::Initialized(_) => Self::new(Code::Failed, what)
                .why("a home holds one node and one team")
                .hint("use another home: antiphon --profile NAME init --team TEAM"),
        }
    }
}

fn about_network(what: String, error: &Error) -> Problem {
    match error {
        Error::NetStart(_) => {
            Problem::new(Code::Failed, what).hint("listen elsewhere: antiphon up --listen /ip4/0.0.0.0/tcp/0")
        }
        Error::Unreachable { .. } => Problem::new(Code::Unreachable, what)
            .hint("check that it runs and that the address is right: antiphon status, on the other machine"),
        Error::Address(_) => Problem::new(Code::Invalid, what)
            .hint("write it as antiphon status shows it on the other machine: /ip4/ADDRESS/tcp/PORT/p2p/PEER"),
        Error::OwnAddress => Problem::new(Code::Invalid, what)
            .why("a node does not greet itself")
            .hint("give the address of another node; antiphon peers list shows them"),
        _ => Problem::new(Code::Failed, what).hint("antiphon status shows what the network does"),
    }
}

fn about_blob(what: String, error: &BlobError) -> Problem {
    match error {
        BlobError::Store(error) => about_store(what, error),
        error if error.is_full() => full(what, None),
        error if error.is_missing() => Problem::new(Code::NotFound, what)
            .hint("what is missing is fetched when the document is asked for: antiphon content get ADDRESS"),
        _ => Problem::new(Code::Failed, what).hint("antiphon verify checks what is stored"),
    }
}

fn about_fact(what: String, error: &Error) -> Problem {
    match error {
        Error::FactAmbiguous { .. } => Problem::new(Code::Invalid, what).hint("give more characters of the id"),
        Error::FactForgotten(id) => Problem::new(Code::NotFound, what)
            .why("a forgotten fact has no text to change")
            .hint(format!("bring it back first: antiphon facts restore {id}")),
        _ => Problem::new(Code::NotFound, what)
            .hint("antiphon facts list shows every fact, antiphon recall finds them by words"),
    }
}

fn about_peer(what: String, error: &Error) -> Problem {
    match error {
        Error::PeerIsMember(name) => Problem::new(Code::Refused, what)
            .why("the charter names it, so it would be known again at once")
            .hint(format!("to remove it from the team for good: antiphon team revoke {name} --reason TEXT")),
        Error::NoBackup(_) => Problem::new(Code::NotFound, what).hint("antiphon backup list shows every one"),
        Error::NothingToBackUp(name) => Problem::new(Code::NotFound, what)
            .why("a gene backup is a range of the peer's own log, and none of it was received yet")
            .hint(format!("antiphon peers show {name} says when it was synced last")),
        _ => Problem::new(Code::Failed, what),
    }
}

fn about_write(what: String, error: &AuthorError) -> Problem {
    if let Some(problem) = super::sealed::about_role(&what, error) {
        return problem;
    }
    match error {
        AuthorError::ChangedMeanwhile(id) => Problem::new(Code::Undecided, what)
            .why("there is a side now that whoever settles it has not seen, and settling would put it aside")
            .hint(format!("look at it again: antiphon divergences show {id}")),
        AuthorError::Erased(_) => Problem::new(Code::Refused, what)
            .why("it was forgotten for good, everywhere, and nothing that is written about it is kept")
            .hint("say it anew as another fact: antiphon remember TEXT"),
        AuthorError::NotYours { fact, .. } => Problem::new(Code::Refused, what)
            .why("only its author and stewards may have everybody erase a fact")
            .hint(format!(
                "ask a steward (antiphon team members), or take it out of recall: antiphon facts forget {fact}"
            )),
        AuthorError::NoContent => Problem::new(Code::Invalid, what).hint("give it a text: antiphon remember TEXT"),
        AuthorError::Version { .. }
        | AuthorError::IncidentVersion { .. }
        | AuthorError::Header(HeaderError::Flawed(Flaw::Counter)) => Problem::new(Code::Refused, what)
            .why("its edits can be counted no further here: some member claimed to have seen more than there are")
            .hint("write it anew: antiphon remember TEXT"),
        AuthorError::Payload(_) | AuthorError::Header(_) => {
            Problem::new(Code::Invalid, what).why("all fields of a fact travel in one message").hint("shorten them")
        }
        AuthorError::Gene(error) => about_gene(what, error),
        AuthorError::UpgradeNeeded(_) => Problem::new(Code::Refused, what)
            .why("going on without it could let somebody in who was put out in a way this version cannot see")
            .hint("install the newest version of antiphon on this machine"),
        AuthorError::NotASteward(_) => Problem::new(Code::Refused, what)
            .why("only a steward may sign membership")
            .hint("run it on a steward's node; antiphon team members shows who is one"),
        AuthorError::CharterFull(_) => Problem::new(Code::Refused, what)
            .why("each grant, removal and renewal is a record that every member keeps for good")
            .hint("antiphon --profile NEW init --team NAME founds a new team, to go on in"),
        AuthorError::Rejoining(_) => Problem::new(Code::Busy, what)
            .why("this machine was restored from an older copy, and must first take over what it had written before")
            .hint("try again in a few seconds; antiphon status says how far it is"),
        AuthorError::LogClosed(_) => Problem::new(Code::Refused, what)
            .why("this node was removed from the team, and what it writes counts for nobody")
            .hint("a removed key never returns; join as a new node: antiphon --profile NEW join TICKET"),
        AuthorError::NoText(id) => Problem::new(Code::NotFound, what)
            .why("another node wrote it and its text did not come here")
            .hint(format!("restore it on the node that wrote it: antiphon facts restore {id}")),
        AuthorError::CreatorRoleReadOnly(_)
        | AuthorError::CreatorRoleNotHeld { .. }
        | AuthorError::MayNotRemove { .. } => Problem::new(Code::Refused, what)
            .why("who stores or takes away a document acts in a role that it holds and that may write")
            .hint("antiphon team roles shows what each role may do, and who holds it"),
        AuthorError::RoleUnknown(_) => {
            Problem::new(Code::Invalid, what).hint("use one of the team's: antiphon team roles shows them")
        }
        AuthorError::ContentVersion { .. } => Problem::new(Code::Refused, what)
            .why("its versions can be counted no further here: more members wrote it than one clock holds")
            .hint("store it under another address: antiphon content put ADDRESS FILE --as ROLE"),
        error if error.is_not_found() => Problem::new(Code::NotFound, what).hint("antiphon facts list"),
        AuthorError::Forgotten(id) => about_fact(what, &Error::FactForgotten(id.to_string())),
        AuthorError::Fact(error) => Problem::from(error),
        AuthorError::Incident(error) => Problem::from(error),
        _ => Problem::new(Code::Refused, what),
    }
}

fn about_gene(what: String, error: &genome::Error) -> Problem {
    match error {
        genome::Error::Exists(_) => Problem::new(Code::Refused, what)
            .why("a gene holds for good: it can neither be changed nor removed")
            .hint("add another one under another id: antiphon gene add TEXT --id ID"),
        genome::Error::Reserved(_) => Problem::new(Code::Refused, what)
            .why("one steward must not change by itself who may sign membership and what is shared")
            .hint("give it an id such as law.NAME: antiphon gene add TEXT --id law.NAME"),
        genome::Error::TooLong { .. } => {
            Problem::new(Code::Invalid, what).hint("keep the law short, and the rest in a fact: antiphon remember TEXT")
        }
        genome::Error::TooMany => Problem::new(Code::Refused, what).hint("antiphon gene list shows every gene"),
        _ => Problem::new(Code::Invalid, what)
            .hint("give it an id such as law.NAME: antiphon gene add TEXT --id law.NAME"),
    }
}

fn about_ticket(what: String, error: &ticket::Error) -> Problem {
    let new = "ask for a new one: antiphon invite --role ROLE";
    match error {
        ticket::Error::NotATicket => {
            Problem::new(Code::Invalid, what).hint("pass the whole text that antiphon invite printed")
        }
        ticket::Error::Expired { .. } => Problem::new(Code::Refused, "the ticket has expired").why(what).hint(new),
        ticket::Error::Version(_) => {
            Problem::new(Code::Invalid, what).hint("use the same version of antiphon on both machines")
        }
        ticket::Error::Damaged | ticket::Error::Malformed(_) => {
            Problem::new(Code::Invalid, what).why("a part of it was lost or changed on the way").hint(new)
        }
    }
}

fn about_home(what: String, error: &antiphon_node::home::Error) -> Problem {
    use antiphon_node::home::Error;
    match error {
        Error::Held { path, .. } => Problem::new(Code::Failed, what)
            .why("one home is used by one node at a time")
            .hint(format!("antiphon --home {} status", path.display())),
        Error::Io { path, source } => about_io(what, path, source),
    }
}

fn about_io(what: String, path: &Path, source: &io::Error) -> Problem {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => full(what, Some(path)),
        io::ErrorKind::PermissionDenied => {
            Problem::new(Code::Failed, what).hint(format!("check who owns it: ls -ld {}", path.display()))
        }
        _ => Problem::new(Code::Failed, what),
    }
}

fn about_secret_file(what: String) -> Problem {
    // The error's text names the file; its type belongs to a crate that a door does not know.
    let open = what.split_once(" can be read by others").and_then(|(head, _)| Some(&head[head.find('/')?..]));
    match open.map(str::to_owned) {
        Some(path) => Problem::new(Code::Failed, what)
            .why("whoever reads it can act as this node, so it is not used until it is private again")
            .hint(format!("chmod 600 {path}")),
        None => Problem::new(Code::Failed, what),
    }
}

fn about_store(what: String, error: &StoreError) -> Problem {
    if error.is_full() {
        full(what, None)
    } else if error.is_newer_schema() {
        Problem::new(Code::Failed, what)
            .why("a newer version wrote this database; it was not touched")
            .hint("upgrade antiphon; the database was not touched")
    } else if error.is_closed() {
        Problem::new(Code::Busy, what)
            .why("the node is stopping, or a fault ended this, of which its log says more")
            .hint("start it again: antiphon up --detach")
    } else if error.is_not_found() {
        Problem::new(Code::NotFound, what)
    } else if error.is_tampered() {
        Problem::new(Code::Refused, what)
            .why("they say who founded the team; with others than the team's a node would believe the wrong people")
            .hint("put the database back from a copy, or move the home away and run: antiphon recover TICKET")
    } else {
        Problem::new(Code::Failed, what).hint("antiphon verify checks the database")
    }
}

fn full(what: String, path: Option<&Path>) -> Problem {
    let place =
        path.map_or_else(|| "the disk of the node's home".to_owned(), |path| format!("the disk of {}", path.display()));
    Problem::new(Code::Full, what)
        .why("the disk is full; nothing that was acknowledged is lost")
        .hint(format!("free space on {place}, then repeat"))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use antiphon_core::time::UnixMillis;

    use super::*;

    fn check(error: impl Into<Error>, code: Code, words: &[&str]) {
        let problem = Problem::from(error.into());
        let text = problem.to_string();
        assert_eq!(problem.code, code, "{text}");
        for word in words {
            assert!(text.contains(word), "{word:?} is missing in {text}");
        }
    }

    #[test]
    fn every_failure_says_what_why_and_what_next() {
        let bring = Error::BringUndecided { team: "acme".into(), shared: 3, local: 4, incidents: 1, resources: 2 };
        check(bring, Code::Undecided, &["3 facts and 1 incident and 2 resources", "--bring shared", "--bring none"]);
        check(Error::FactNotFound("01X".into()), Code::NotFound, &["01X", "facts list"]);
        check(Error::FactAmbiguous { prefix: "01".into(), count: 4 }, Code::Invalid, &["4 facts", "more characters"]);
        check(Error::FactForgotten("01X".into()), Code::NotFound, &["restore 01X"]);
        let role = Error::UnknownRole { role: "king".into(), known: vec!["admin".into()] };
        check(role, Code::Invalid, &["king", "admin", "antiphon team roles"]);
        check(Error::NotASteward { team: "acme".into() }, Code::Refused, &["steward of acme", "team members"]);
        check(ticket::Error::Damaged, Code::Invalid, &["damaged", "antiphon invite --role ROLE"]);
        let late = ticket::Error::Expired { expired: UnixMillis(1), now: UnixMillis(2) };
        check(late, Code::Refused, &["expired", "antiphon invite"]);
        check(Error::PeerIsMember("bob".into()), Code::Refused, &["bob", "antiphon team revoke bob --reason"]);
        check(Error::NoBackup("bob".into()), Code::NotFound, &["bob", "antiphon backup list"]);
        check(Error::NothingToBackUp("bob".into()), Code::NotFound, &["bob wrote", "antiphon peers show bob"]);
        let taken = Error::Refused(AuthorError::Gene(genome::Error::Exists("law.one".into())));
        check(taken, Code::Refused, &["law.one", "for good", "--id"]);
        let reserved = Error::Refused(AuthorError::Gene(genome::Error::Reserved("policy.x".into())));
        check(reserved, Code::Refused, &["policy.x", "one steward", "law.NAME"]);
        check(Error::Refused(AuthorError::Gene(genome::Error::Id("X".into()))), Code::Invalid, &["X", "law.NAME"]);
        check(Error::Stopped, Code::Busy, &["up --detach"]);
        check(StoreError::Closed, Code::Busy, &["stopping", "up --detach"]);
        check(Error::OwnAddress, Code::Invalid, &["own", "another node"]);
        check(Error::Address("x".into()), Code::Invalid, &["/p2p/PEER"]);
        let held = antiphon_node::home::Error::Held { path: PathBuf::from("/h"), holder: Some(7) };
        check(held, Code::Failed, &["process 7", "antiphon --home /h status"]);
        let source = io::Error::from(io::ErrorKind::StorageFull);
        let full = antiphon_node::home::Error::Io { path: PathBuf::from("/h"), source };
        check(full, Code::Full, &["free space", "nothing that was acknowledged is lost"]);
    }

    #[test]
    fn a_database_of_the_future_and_an_open_key_file_are_left_alone() {
        let newer = StoreError::NewerSchema { path: PathBuf::from("/h/antiphon.db"), found: 9, known: 1 };
        check(newer, Code::Failed, &["schema 9", "upgrade antiphon", "not touched"]);
        let text = "key file /h/node.key can be read by others: its mode is 0644, it must be 0600";
        assert_eq!(about_secret_file(text.to_owned()).hint.as_deref(), Some("chmod 600 /h/node.key"));
    }
}
