//! What every reason means in words, and what mends it: the one table.
//!
//! Reasons are stored and sent as names, never as text. Wherever a person meets one the words come from here, so that
//! the same cause is called the same at every door and no cause is without a way on.

use antiphon_protocol::reason::Reason;
use antiphon_store::Cause;

/// A sentence and the command that mends what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// What happened.
    pub what: String,
    /// The command, with where it is to be run if that is not here.
    pub fix: String,
}

impl Words {
    fn new(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { what: what.into(), fix: fix.into() }
    }
}

/// Who found the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finder {
    /// This node, about the peer or about what it sent.
    Us,
    /// The peer, about this node.
    Peer,
}

/// What `reason` means between this node, called `own`, and a peer called `peer`.
pub fn words(reason: Reason, peer: &str, own: &str, finder: Finder) -> Words {
    match reason {
        Reason::InvalidTraceId
        | Reason::InvalidFrontmatter
        | Reason::UnknownAction
        | Reason::UnknownType
        | Reason::BadSignature
        | Reason::Equivocation
        | Reason::ClockOverflow
        | Reason::ClockSkew
        | Reason::MissingPayload
        | Reason::TooLarge
        | Reason::Quota => about_data(reason, peer, own, finder),
        Reason::NetworkRefused
        | Reason::NetworkTimeout
        | Reason::NetworkDns
        | Reason::NetworkTls
        | Reason::NetworkReset
        | Reason::NetworkEof => about_network(reason, peer),
        Reason::Auth
        | Reason::IdentityMismatch
        | Reason::IdentityMissing
        | Reason::GenomeMismatch
        | Reason::NotAMember
        | Reason::Revoked
        | Reason::GrantExpired => match finder {
            Finder::Us => refused_here(reason, peer),
            Finder::Peer => refused_there(reason, peer, own),
        },
        Reason::Other => other(peer),
    }
}

/// Why an event that `author` wrote is kept here and does not, or not fully, count.
pub fn words_of_cause(cause: Cause, author: &str) -> Words {
    let upgrade = "install the newest version of antiphon on this machine; what was kept then counts by itself";
    let rewrite = format!("write it again (on {author}): antiphon facts edit ID --content TEXT");
    match cause {
        Cause::UnknownAction => {
            Words::new(format!("{author} did something that this version of antiphon does not know yet"), upgrade)
        }
        Cause::UnknownType => {
            let what = format!("{author} wrote something of a kind that this version of antiphon does not know");
            Words::new(what, upgrade)
        }
        Cause::Malformed => Words::new(format!("what {author} wrote does not fit together for this version"), upgrade),
        Cause::InvalidTraceId => {
            Words::new(format!("{author} wrote about something whose id this version cannot read"), upgrade)
        }
        Cause::MalformedPayload => {
            Words::new(format!("the text that {author} wrote cannot be read; that it was written counts"), rewrite)
        }
        Cause::TooLarge => Words::new(
            format!("the text that {author} wrote is longer than may be; that it was written counts"),
            rewrite,
        ),
        Cause::Forked => Words::new(
            format!("{author} signed two different histories; nothing counts from where they part"),
            "antiphon federation status names the log; if the key was stolen: antiphon team revoke NAME --reason TEXT",
        ),
        Cause::BeyondCut => Words::new(
            format!("{author} was removed from the team before this was received"),
            format!("antiphon team adopt {author} (on a steward, if it should count all the same)"),
        ),
        Cause::ClockOverflow => Words::new(
            format!("{author} counted further than can be counted"),
            format!("antiphon verify (on {author}), to find what is damaged"),
        ),
        Cause::NotAllowed => Words::new(
            format!(
                "{author} may not do this: it is for whoever wrote it, for the holder of a role that writes, or for a steward"
            ),
            "antiphon team members names the stewards",
        ),
        Cause::Unauthorised => Words::new(
            format!("{author} stored a document in a role that it never held, or in which nobody may store"),
            format!("antiphon team members shows the roles of {author}; a steward may grant it the role"),
        ),
        Cause::ClockSkew => Words::new(
            format!("what {author} wrote bears a time in the future; it counts all the same"),
            format!("timedatectl set-ntp true (on {author}), so that its clock is right"),
        ),
        Cause::MissingPayload => Words::new(
            format!("what {author} wrote came without its text; that it was written counts"),
            format!("antiphon why {author}, which says what keeps it back"),
        ),
    }
}

fn about_network(reason: Reason, peer: &str) -> Words {
    let greet = format!("antiphon peers handshake ADDRESS, with an address that antiphon status shows on {peer}");
    match reason {
        Reason::NetworkRefused => Words::new(
            format!("nothing listens where {peer} was last: it is stopped, or it listens elsewhere now"),
            format!("antiphon up --detach (on {peer})"),
        ),
        Reason::NetworkTimeout => Words::new(
            format!("{peer} did not answer in time: it is switched off, asleep, or a firewall is between"),
            format!("antiphon status (on {peer}), to see that it runs; then {greet}"),
        ),
        Reason::NetworkDns => Words::new(format!("the address of {peer} has a name that cannot be resolved"), greet),
        Reason::NetworkTls => {
            Words::new(format!("no encrypted connection to {peer}: something else answers at its address"), greet)
        }
        Reason::NetworkReset => Words::new(
            format!("the connection to {peer} broke off; it is tried again by itself"),
            format!("antiphon why {peer}, to see whether it came back"),
        ),
        _ => Words::new(
            format!("{peer} closed the connection before all was said: it was probably stopped"),
            format!("antiphon up --detach (on {peer})"),
        ),
    }
}

fn refused_here(reason: Reason, peer: &str) -> Words {
    match reason {
        Reason::Auth => Words::new(
            format!("{peer} did not prove who it is"),
            format!("antiphon peers handshake ADDRESS, with an address that antiphon status shows on {peer}"),
        ),
        Reason::IdentityMismatch => Words::new(
            format!("{peer} came with another database than the one it is known by"),
            format!("antiphon peers reset {peer} (if its database was made anew on purpose)"),
        ),
        Reason::IdentityMissing => Words::new(
            format!("{peer} names no database"),
            format!("antiphon peers reset {peer} (if its database was made anew on purpose)"),
        ),
        Reason::GenomeMismatch => Words::new(
            format!("the genes of {peer} are not those of this node"),
            "antiphon gene list (on both machines, to see what differs); another team is joined with antiphon join TICKET",
        ),
        Reason::NotAMember => Words::new(
            format!("nobody has made {peer} a member of the team"),
            "antiphon invite --role ROLE (on a steward, if it should belong to the team)",
        ),
        Reason::Revoked => Words::new(
            format!("a steward removed {peer} from the team"),
            "antiphon invite --role ROLE (on a steward), for a new home there: a removed key never returns",
        ),
        _ => Words::new(
            format!("the time for which {peer} was made a member is over"),
            format!("antiphon team renew {peer} (on a steward)"),
        ),
    }
}

fn refused_there(reason: Reason, peer: &str, own: &str) -> Words {
    match reason {
        Reason::Auth => Words::new(
            format!("{peer} does not believe that this node is who it says"),
            format!("antiphon peers handshake ADDRESS (on {peer}), with an address that antiphon status shows here"),
        ),
        Reason::IdentityMismatch => Words::new(
            format!("{peer} knows this node by another database"),
            format!("antiphon peers reset {own} (on {peer}), unless a recovered machine has taken this one's place"),
        ),
        Reason::IdentityMissing => Words::new(
            format!("{peer} misses the name of this node's database"),
            format!("antiphon peers reset {own} (on {peer}), unless a recovered machine has taken this one's place"),
        ),
        Reason::GenomeMismatch => Words::new(
            format!("{peer} says that the genes of this node are not its own"),
            "antiphon gene list (on both machines, to see what differs); another team is joined with antiphon join TICKET",
        ),
        Reason::NotAMember => Words::new(
            format!("{peer} knows of nobody who made this node a member"),
            format!("antiphon join TICKET (with a ticket of the team of {peer})"),
        ),
        Reason::Revoked => Words::new(
            format!("{peer} says that this node was removed from the team"),
            "antiphon --profile NEW join TICKET (a removed key never returns)",
        ),
        _ => Words::new(
            format!("{peer} says that the time for which this node was made a member is over"),
            format!("antiphon team renew {own} (on a steward)"),
        ),
    }
}

fn about_data(reason: Reason, peer: &str, own: &str, finder: Finder) -> Words {
    // Whoever sent it is the one to look at.
    let (sender, receiver) = match finder {
        Finder::Us => (peer, own),
        Finder::Peer => (own, peer),
    };
    let upgrade = format!("install the newest version of antiphon on {receiver}; what was kept then counts by itself");
    match reason {
        Reason::InvalidTraceId => {
            Words::new(format!("{sender} sent something about what {receiver} cannot name"), upgrade)
        }
        Reason::InvalidFrontmatter => {
            Words::new(format!("{sender} sent something that does not fit together for {receiver}"), upgrade)
        }
        Reason::UnknownAction => {
            Words::new(format!("{sender} did something that the version on {receiver} does not know"), upgrade)
        }
        Reason::UnknownType => Words::new(
            format!("{sender} wrote something of a kind that the version on {receiver} does not know"),
            upgrade,
        ),
        Reason::BadSignature => Words::new(
            format!("a signature in what {sender} sent is not valid; nothing of it was taken"),
            format!("antiphon verify (on {sender}), to find what is damaged"),
        ),
        Reason::Equivocation => Words::new(
            "somebody signed two different histories of one log; it counts up to where they part".to_owned(),
            "antiphon federation status, which names the log and whose it is",
        ),
        Reason::ClockOverflow => Words::new(
            format!("{sender} named a number that no log can reach; it was ignored"),
            format!("antiphon verify (on {sender}), to find what is damaged"),
        ),
        Reason::ClockSkew => Words::new(
            format!("something that came from {sender} bears a time in the future; it counts all the same"),
            format!("timedatectl set-ntp true (on {sender}), so that its clock is right"),
        ),
        Reason::MissingPayload => Words::new(
            format!("{receiver} has events of {sender} without their text"),
            format!("antiphon why {peer}, which says what keeps it back"),
        ),
        Reason::TooLarge => Words::new(
            format!("{sender} sent more in one piece than {receiver} takes"),
            format!("antiphon --version, on both: install the newest version on the older one, {sender} or {receiver}"),
        ),
        _ => Words::new(
            format!("{sender} has used up what one member is allowed on {receiver}"),
            format!("antiphon peers show {sender} (on {receiver}), to see how much it sent"),
        ),
    }
}

fn other(peer: &str) -> Words {
    Words::new(
        format!("something went wrong with {peer} that has no name of its own"),
        format!("antiphon why {peer}; the file node.log in the home of this node says more"),
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Words by which a hint can be acted on: a command, or an upgrade.
    fn can_be_done(fix: &str) -> bool {
        ["antiphon ", "timedatectl ", "install the newest version"].iter().any(|how| fix.contains(how))
    }

    #[test]
    fn every_reason_has_a_sentence_of_its_own_and_a_way_on() {
        for finder in [Finder::Us, Finder::Peer] {
            let mut said = BTreeSet::new();
            for reason in Reason::ALL {
                let Words { what, fix } = words(*reason, "bob", "alice", finder);
                assert!(can_be_done(&fix), "{reason}: {fix}");
                assert!(!what.ends_with('.') && !what.contains('_'), "{reason}: {what}");
                assert!(what.contains("bob") || *reason == Reason::Equivocation || finder == Finder::Peer, "{what}");
                assert!(said.insert(what.clone()), "{reason} is said like another: {what}");
            }
        }
    }

    #[test]
    fn every_cause_has_a_sentence_of_its_own_and_a_way_on() {
        let mut said = BTreeSet::new();
        for cause in Cause::ALL {
            let Words { what, fix } = words_of_cause(cause, "bob");
            assert!(can_be_done(&fix) && what.contains("bob"), "{what}: {fix}");
            assert!(said.insert(what));
        }
    }

    #[test]
    fn whoever_refuses_decides_where_it_is_mended() {
        let fix = |finder| words(Reason::GrantExpired, "bob", "alice", finder).fix;
        assert_eq!(fix(Finder::Us), "antiphon team renew bob (on a steward)");
        assert_eq!(fix(Finder::Peer), "antiphon team renew alice (on a steward)");
        let sender = |finder| words(Reason::UnknownType, "bob", "alice", finder).what;
        assert!(sender(Finder::Us).starts_with("bob wrote") && sender(Finder::Peer).starts_with("alice wrote"));
    }
}
