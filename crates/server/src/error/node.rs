//! What the node could not do.

use antiphon_node::Error;

use super::{Code, Problem};

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let what = error.to_string();
        match error {
            Error::Fact(error) => Self::from(&error),
            Error::FactNotFound(_) | Error::FactAmbiguous { .. } | Error::FactForgotten(_) => about_fact(what, &error),
            Error::PeerNotFound(_) => Self::new(Code::NotFound, what).hint("antiphon peers list shows every peer"),
            Error::NotASteward { .. }
            | Error::UnknownRole { .. }
            | Error::Ticket(_)
            | Error::InAnotherTeam { .. }
            | Error::BringUndecided { .. }
            | Error::JoinRefused { .. }
            | Error::Genome(_) => about_team(what, &error),
            Error::Unreachable { .. } => Self::new(Code::Unreachable, what)
                .hint("check that it runs and that the address is right: antiphon peers list"),
            Error::Address(_) => Self::new(Code::Invalid, what)
                .hint("write it as antiphon status shows it on the other machine: /ip4/ADDRESS/tcp/PORT/p2p/PEER"),
            Error::Home(error) => about_home(what, &error),
            Error::Key(_) => about_key(what),
            Error::Secret(_) | Error::Random(_) => Self::new(Code::Failed, what),
            Error::Store(error) => about_store(what, &error),
            Error::Net(_) => Self::new(Code::Failed, what).hint("antiphon status shows what the network does"),
            Error::Stopped => Self::new(Code::Busy, what).hint("start it again: antiphon up --detach"),
            Error::Initialized(_) => Self::new(Code::Failed, what)
                .why("a home holds one node and one team")
                .hint("use another home: antiphon --profile NAME init --team TEAM"),
        }
    }
}

fn about_fact(what: String, error: &Error) -> Problem {
    match error {
        Error::FactAmbiguous { .. } => Problem::new(Code::Invalid, what).hint("give more characters of the id"),
        Error::FactForgotten(id) => Problem::new(Code::NotFound, what)
            .why("its text is gone from this node")
            .hint(format!("antiphon facts history {id} shows what became of it")),
        _ => Problem::new(Code::NotFound, what)
            .hint("antiphon facts list shows every fact, antiphon recall finds them by words"),
    }
}

fn about_team(what: String, error: &Error) -> Problem {
    match error {
        Error::NotASteward { .. } => Problem::new(Code::Refused, what)
            .why("only a steward may sign membership")
            .hint("run it on a steward's node; antiphon peers list shows who is one"),
        Error::UnknownRole { .. } => {
            Problem::new(Code::Invalid, what).hint("antiphon invite --role ROLE with one of these")
        }
        Error::Ticket(_) => Problem::new(Code::Invalid, what).hint("ask for a new one: antiphon invite --role ROLE"),
        Error::InAnotherTeam { .. } => Problem::new(Code::Refused, what)
            .why("joining would leave a team that others belong to")
            .hint("use a second home for the other team: antiphon --profile NAME join TICKET"),
        Error::BringUndecided { .. } => Problem::new(Code::Undecided, what)
            .why("nobody said which facts come along")
            .hint("repeat with --bring shared or --bring none"),
        Error::JoinRefused { .. } => Problem::new(Code::Refused, what)
            .why("a ticket works once, until it expires, and only for the key that used it first")
            .hint("ask for a new one: antiphon invite --role ROLE"),
        _ => Problem::new(Code::Invalid, what),
    }
}

fn about_home(what: String, error: &antiphon_node::home::Error) -> Problem {
    use antiphon_node::home::Error;
    match error {
        Error::Held { path, .. } => Problem::new(Code::Failed, what)
            .why("one home is used by one node at a time")
            .hint(format!("antiphon --home {} status", path.display())),
        Error::Io { path, source } => about_io(what, path.display().to_string(), source),
    }
}

fn about_io(what: String, path: String, source: &std::io::Error) -> Problem {
    match source.kind() {
        std::io::ErrorKind::StorageFull => full(what),
        std::io::ErrorKind::PermissionDenied => {
            Problem::new(Code::Failed, what).hint(format!("check who owns it: ls -ld {path}"))
        }
        _ => Problem::new(Code::Failed, what),
    }
}

fn about_key(what: String) -> Problem {
    Problem::new(Code::Failed, what)
}

fn about_store(what: String, error: &antiphon_node::StoreError) -> Problem {
    if error.is_full() {
        full(what)
    } else if error.is_newer_schema() {
        Problem::new(Code::Failed, what)
            .why("a newer version wrote this database; it was not touched")
            .hint("upgrade antiphon, then repeat")
    } else if error.is_not_found() {
        Problem::new(Code::NotFound, what)
    } else {
        Problem::new(Code::Failed, what).hint("antiphon verify checks the database")
    }
}

fn full(what: String) -> Problem {
    Problem::new(Code::Full, what)
        .why("the disk is full; nothing that was acknowledged is lost")
        .hint("free space on the disk of the node's home, then repeat")
}
