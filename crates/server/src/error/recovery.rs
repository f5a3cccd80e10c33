//! What went wrong with a recovery or a sealed copy.

use antiphon_node::{CopyFault, CopyRefusal, Error, Refusal};

use super::{Code, Problem};

pub(super) fn problem(what: String, error: &Error) -> Problem {
    match error {
        Error::RecoverRefused { refusal, .. } => about_refusal(what, *refusal),
        Error::HomeInUse { .. } => Problem::new(Code::Refused, what)
            .why("a recovery fills a new home, so that nothing that is in use is replaced")
            .hint("use a new home: antiphon --profile NAME recover PEER"),
        Error::OtherKeyInHome { .. } => Problem::new(Code::Refused, what)
            .why("a home has one key, and these words belong to another")
            .hint("use a new home: antiphon --profile NAME recover PEER"),
        Error::Phrase(_) => Problem::new(Code::Invalid, what)
            .why("antiphon init and the first antiphon up showed 24 words, to be kept on paper")
            .hint("check the words against the paper and repeat: antiphon recover PEER"),
        Error::NoHolder => Problem::new(Code::Undecided, what)
            .why("a sealed copy is left only with members that were chosen for it")
            .hint("antiphon backup seal --with PEER, or --all"),
        Error::TooManyHolders(_) => Problem::new(Code::Invalid, what)
            .hint("end one of them first: antiphon backup unseal PEER; antiphon backup sealed shows them"),
        Error::CopyFault { fault, .. } => about_copy(what, *fault),
        _ => Problem::new(Code::Failed, what).hint("antiphon verify shows what is wrong with this node's log"),
    }
}

fn about_refusal(what: String, refusal: Refusal) -> Problem {
    match refusal {
        Refusal::Revoked => Problem::new(Code::Refused, "this key was removed from the team for good").why(what).hint(
            "join with a new key: antiphon --profile NAME join TICKET (ask a steward: antiphon invite --role ROLE)",
        ),
        Refusal::UnknownTicket => Problem::new(Code::Refused, "this key is no member of that node's team")
            .why(format!("{what}; the words may be those of another machine"))
            .hint("check the words and the address, or join as a new machine: antiphon join TICKET"),
        Refusal::Expired => Problem::new(Code::Refused, "this key's membership has expired")
            .why(what)
            .hint("a steward can renew it: antiphon team renew NAME"),
        Refusal::WrongTeam => Problem::new(Code::Refused, "the node at that address is of another team")
            .why(what)
            .hint("leave out --team to see which team it is: antiphon recover PEER"),
        Refusal::Failed => Problem::new(Code::Unreachable, what).hint("repeat, or ask another member"),
        _ => Problem::new(Code::Refused, what).hint("ask another member: antiphon recover PEER"),
    }
}

fn about_copy(what: String, fault: CopyFault) -> Problem {
    match fault {
        CopyFault::NotConnected | CopyFault::Failed(_) => {
            Problem::new(Code::Unreachable, what).hint("antiphon peers list shows who is connected")
        }
        CopyFault::Refused(CopyRefusal::Full { .. } | CopyRefusal::TooManyParts) => Problem::new(Code::Full, what)
            .why("a member keeps a bounded number of bytes for each other one")
            .hint("choose another member: antiphon backup seal --with PEER"),
        CopyFault::Refused(_) | CopyFault::Malformed => {
            Problem::new(Code::Refused, what).hint("antiphon backup sealed shows who keeps what")
        }
    }
}
