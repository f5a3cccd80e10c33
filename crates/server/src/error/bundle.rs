//! What was carried by hand and is not taken.

use antiphon_node::Reason;
use antiphon_node::bundles::CarryError;

use super::{Code, Problem};
use crate::bundle::Error;

const NOTHING: &str = "nothing of it was stored";

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let what = error.to_string();
        match error {
            Error::TooLarge { .. } => Self::new(Code::TooLarge, what)
                .why(NOTHING)
                .hint("export less at a time: antiphon bundle export --since CURSOR"),
            Error::TooComplex { .. } => Self::new(Code::TooLarge, what)
                .why("no node writes such a file; nothing of it was stored")
                .hint("make it again: antiphon bundle export"),
            Error::Truncated { .. } => Self::new(Code::Invalid, what)
                .why("it was not copied whole; nothing of it was stored")
                .hint("copy it again, and compare the sizes: ls -l FILE"),
            Error::Malformed(_) => Self::new(Code::Invalid, what)
                .why(NOTHING)
                .hint("make it again on the other machine: antiphon bundle export"),
            Error::Version(_) => Self::new(Code::Invalid, what)
                .why("this node reads the versions 1.0 and 1.1")
                .hint("use the same version of antiphon on both machines"),
            Error::Kind { .. } => Self::new(Code::Invalid, what).why(NOTHING).hint(
                "a request goes to antiphon bundle answer, an answer to antiphon bundle complete, facts to antiphon bundle import",
            ),
            Error::Unsigned => Self::new(Code::Refused, what)
                .why("nobody can tell who wrote it or what was changed on the way")
                .hint("if you trust where it comes from, take its facts as imported ones: antiphon bundle import FILE --unsigned"),
            Error::BadSignature(_) => Self::new(Code::Refused, what)
                .why("it was changed after it was signed; nothing of it was stored")
                .hint("copy it again from the machine that made it"),
            Error::TooManyGenes { .. } => Self::new(Code::Refused, what)
                .why("a team has at most 1024 genes; nothing of it was stored")
                .hint("make it again on the other machine: antiphon bundle export"),
            Error::Disagrees(_) => Self::new(Code::Refused, what)
                .why("what people read in it is not what it proves; nothing of it was stored")
                .hint("make it again on the other machine: antiphon bundle handshake"),
            Error::Carry(error) => from_carry(what, error),
        }
    }
}

fn from_carry(what: String, error: CarryError) -> Problem {
    match error {
        CarryError::Malformed(_) => {
            Problem::new(Code::Invalid, what).why(NOTHING).hint("make it again: antiphon bundle handshake")
        }
        CarryError::Itself => Problem::new(Code::Refused, what)
            .why("a node does not greet itself, and holds what it wrote")
            .hint("carry it to the other machine"),
        CarryError::OtherTeam { .. } => Problem::new(Code::Refused, what)
            .why("nothing is exchanged between teams")
            .hint("join that team with a ticket: antiphon --profile NAME join TICKET"),
        CarryError::TooOld { .. } | CarryError::Late => Problem::new(Code::Refused, what)
            .why("a request that is carried by hand lives 30 days")
            .hint("begin again: antiphon bundle handshake"),
        CarryError::FromFuture { .. } => Problem::new(Code::Refused, what)
            .why("one of the two clocks is wrong")
            .hint("set the clocks, then begin again: antiphon bundle handshake"),
        CarryError::Replayed => Problem::new(Code::Refused, what)
            .why("a request is answered once, and an answer completes it once")
            .hint("begin again: antiphon bundle handshake"),
        CarryError::NotAsked => Problem::new(Code::Refused, what)
            .why("it answers another node's request, or one that is forgotten by now")
            .hint("begin again on this machine: antiphon bundle handshake"),
        CarryError::TooMany { .. } => Problem::new(Code::Refused, what)
            .why("so that no copy of a request is answered twice, each one is remembered for 30 days")
            .hint("go on with the trust that stands: antiphon bundle export"),
        CarryError::Refused { reason, .. } => Problem::new(Code::Refused, what).why(NOTHING).hint(mend(reason)),
        CarryError::NotVerified { peer, .. } => Problem::new(Code::Refused, what)
            .why("nobody has checked on this machine that it belongs to the team, or it was silent for too long since")
            .hint(format!("greet it first, by hand: antiphon bundle handshake --for {peer}")),
        CarryError::Genome { .. } => Problem::new(Code::Refused, what)
            .why("one side has genes that the other lacks, and only a sender that has all of them is taken")
            .hint("carry facts the other way first: antiphon bundle export, on this machine"),
        CarryError::Seal(error) if error.is_not_for_us() => Problem::new(Code::Refused, what)
            .why("only the member it was sealed to can open it")
            .hint("ask for one that is sealed to this node: antiphon bundle export --seal PEER"),
        CarryError::Seal(_) => Problem::new(Code::Invalid, what)
            .why("it was changed, or not copied whole; nothing of it was stored")
            .hint("copy it again from the machine that made it"),
        CarryError::Node(error) => error.into(),
    }
}

/// What to do about a refusal.
const fn mend(reason: Reason) -> &'static str {
    match reason {
        Reason::IdentityMismatch | Reason::IdentityMissing => {
            "if its database was made anew on purpose: antiphon peers reset PEER, then antiphon bundle handshake"
        }
        Reason::Revoked => "a removed key never returns; join with a new home: antiphon --profile NEW join TICKET",
        Reason::GrantExpired => "on a steward: antiphon team renew PEER",
        Reason::GenomeMismatch => "compare antiphon gene list on both machines",
        _ => "if it should belong to the team: antiphon invite --role ROLE, on a steward",
    }
}

#[cfg(test)]
mod tests {
    use antiphon_core::ids::{Hash, NodeId, TeamId};
    use antiphon_node::Trust;

    use super::*;

    #[test]
    fn whatever_is_refused_has_a_name_for_the_audit_and_a_command_that_mends_it() {
        let (bob, hash) = (NodeId([2; 32]), Hash([1; 32]));
        let carried = [
            CarryError::Malformed("x".into()),
            CarryError::Itself,
            CarryError::OtherTeam { ours: TeamId([1; 32]), theirs: TeamId([2; 32]) },
            CarryError::TooOld { days: 31 },
            CarryError::FromFuture { hours: 30 },
            CarryError::Replayed,
            CarryError::NotAsked,
            CarryError::Late,
            CarryError::TooMany { peer: bob },
            CarryError::Refused { peer: bob, reason: Reason::Revoked, by_peer: false },
            CarryError::Refused { peer: bob, reason: Reason::IdentityMismatch, by_peer: true },
            CarryError::NotVerified { peer: bob, trust: Trust::Expired },
            CarryError::Genome { ours: hash, theirs: hash },
        ];
        let files = [
            Error::TooLarge { limit: 64 << 20 },
            Error::TooComplex { what: "levels", limit: 16 },
            Error::Truncated { bytes: 7 },
            Error::Malformed("x".into()),
            Error::Version("9".into()),
            Error::Kind { got: "facts", want: "handshake_request" },
            Error::Unsigned,
            Error::BadSignature(bob),
            Error::TooManyGenes { got: 10_000, limit: 1_024 },
            Error::Disagrees("nonce"),
        ];
        for error in files.into_iter().chain(carried.into_iter().map(Error::from)) {
            assert!(error.reason().is_some(), "{error}");
            let problem = Problem::from(error);
            assert!(problem.why.is_some() && problem.hint.is_some(), "{problem}");
            assert!(matches!(problem.code, Code::Invalid | Code::Refused | Code::TooLarge), "{problem}");
        }
    }
}
