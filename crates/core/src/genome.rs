//! The genome: immutable facts that make a team, and the root that proves them.
//!
//! A team needs something that every member agrees on before any other trust exists: its name, who may sign
//! membership, which roles there are. Those are the founding genes. They are sorted by id and hashed into a Merkle
//! tree (RFC 6962); the root of the founding genes *is* the team's id, so whoever holds the id can check them, and
//! none of them can be changed without becoming another team. A 32-byte nonce among them keeps two teams of one name
//! apart and the root from being guessed.
//!
//! A genome hash alone proves no membership: it is public to whoever has seen a ticket. That is the charter's part.

use std::collections::BTreeMap;

use crate::cbor;
use crate::charter::{FOUNDING_STEWARDS_MAX, Founders, MEMBERS_MAX};
use crate::fact::Sharing;
use crate::ids::{Hash, NodeId, TeamId};
use crate::merkle;
use crate::roles::{PREDEFINED, ROLE_PREFIX, RoleRule, RuleError, is_role_name};

/// Most genes of a genome.
pub const GENES_MAX: usize = 1_024;
/// Longest gene id, in bytes.
pub const GENE_ID_BYTES_MAX: usize = 64;
/// Longest text of a gene, in bytes.
pub const GENE_TEXT_BYTES_MAX: usize = 16 * 1024;
/// Longest team name, in bytes.
pub const TEAM_NAME_BYTES_MAX: usize = 64;

const NAME_ID: &str = "team.name";
const NONCE_ID: &str = "team.nonce";
const STEWARD_ID: &str = "steward.first";
const THRESHOLD_ID: &str = "policy.steward_threshold";
const SHARING_ID: &str = "policy.shared_up_to";
const MEMBERS_ID: &str = "limit.members";

/// Ids that begin so have a meaning of their own and can only be founded: who may sign membership must not change by
/// the word of one steward.
const FOUNDING_PREFIXES: [&str; 4] = ["team.", "steward.", "policy.", "limit."];

/// Why genes are not a genome.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not the canonical encoding of a list of genes.
    #[error("malformed genome: {0}")]
    Cbor(#[from] cbor::Error),
    /// An id that is empty, too long or has other characters than `a-z 0-9 . _ -`.
    #[error("{0:?} is not a gene id: use a-z, 0-9, '.', '_' and '-'")]
    Id(String),
    /// Two genes of one id.
    #[error("gene {0} is listed twice")]
    Twice(String),
    /// A text that is too long.
    #[error("gene {id} has {got} bytes, the limit is {GENE_TEXT_BYTES_MAX}")]
    TooLong {
        /// Its id.
        id: String,
        /// Bytes of its text.
        got: usize,
    },
    /// A founding gene is missing or cannot be read.
    #[error("the founding gene {0} is missing or malformed")]
    Founding(&'static str),
    /// A team name that is empty, too long or not printable.
    #[error("a team name has 1 to {TEAM_NAME_BYTES_MAX} printable bytes")]
    Name,
    /// A gene whose id can only be founded.
    #[error("gene {0} has a meaning of its own and can only be set when a team is founded")]
    Reserved(String),
    /// A gene with an id that there is already.
    #[error("there is a gene {0} already, and genes are never changed")]
    Exists(String),
    /// A role gene that is no rule.
    #[error("gene {id}: {source}")]
    Role {
        /// Its id.
        id: String,
        /// What is wrong.
        source: RuleError,
    },
    /// More genes than a genome may have.
    #[error("a genome has at most {GENES_MAX} genes")]
    TooMany,
}

/// A set of genes, ordered by the bytes of their ids.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Genome(BTreeMap<String, String>);

/// What a proof needs to be checked without the genome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The gene's id.
    pub id: String,
    /// The gene's text.
    pub text: String,
    /// Position among the sorted genes, from 0.
    pub index: u64,
    /// Number of genes.
    pub size: u64,
    /// Sibling hashes from the leaf upwards.
    pub path: Vec<Hash>,
}

impl Genome {
    /// The genome of a new team: name, nonce, first steward, predefined roles.
    ///
    /// # Errors
    /// [`Error::Name`] when the name is unfit.
    pub fn found(name: &str, nonce: &[u8; 32], steward: &NodeId) -> Result<Self, Error> {
        let mut genes: BTreeMap<String, String> =
            PREDEFINED.iter().map(|(role, text)| (format!("{ROLE_PREFIX}{role}"), (*text).to_owned())).collect();
        genes.insert(NAME_ID.to_owned(), name.to_owned());
        genes.insert(NONCE_ID.to_owned(), Hash(*nonce).to_string());
        genes.insert(STEWARD_ID.to_owned(), steward.to_string());
        let genome = Self(genes);
        genome.constitution()?;
        Ok(genome)
    }

    /// The genome of a new team with what its founder wants besides: more stewards, policies, limits, own roles, and
    /// any other gene. A gene of the founder's replaces a predefined one.
    ///
    /// # Errors
    /// [`Error`] for an unfit gene, or one of name, nonce and first steward, which are not the founder's to choose.
    pub fn found_with(
        name: &str,
        nonce: &[u8; 32],
        steward: &NodeId,
        genes: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Error> {
        let Self(mut founded) = Self::found(name, nonce, steward)?;
        let Self(own) = Self::new(genes)?;
        if let Some(id) = [NAME_ID, NONCE_ID, STEWARD_ID].into_iter().find(|id| own.contains_key(*id)) {
            return Err(Error::Reserved(id.to_owned()));
        }
        founded.extend(own);
        let genome = Self::new(founded)?;
        genome.constitution()?;
        Ok(genome)
    }

    /// This genome with genes that were added later. Ids that it has already, and genes beyond [`GENES_MAX`], are left
    /// out.
    #[must_use]
    pub fn with<'a>(&self, added: impl IntoIterator<Item = (&'a String, &'a String)>) -> Self {
        let mut genes = self.0.clone();
        for (id, text) in added {
            if genes.len() < GENES_MAX && !genes.contains_key(id) {
                genes.insert(id.clone(), text.clone());
            }
        }
        Self(genes)
    }

    /// The text of a gene.
    pub fn get(&self, id: &str) -> Option<&str> {
        self.0.get(id).map(String::as_str)
    }

    /// Checks and collects genes.
    ///
    /// # Errors
    /// [`Error`] for an unfit id or text, or an id that is listed twice.
    pub fn new(genes: impl IntoIterator<Item = (String, String)>) -> Result<Self, Error> {
        let mut out = BTreeMap::new();
        for (id, text) in genes {
            check_gene(&id, &text)?;
            if out.contains_key(&id) {
                return Err(Error::Twice(id));
            }
            if out.len() >= GENES_MAX {
                return Err(Error::TooMany);
            }
            out.insert(id, text);
        }
        Ok(Self(out))
    }

    /// Every gene as (id, text), in order.
    pub fn genes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(id, text)| (id.as_str(), text.as_str()))
    }

    /// Number of genes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no genes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The RFC 6962 root over the sorted genes.
    pub fn hash(&self) -> Hash {
        merkle::root(&self.leaf_hashes())
    }

    /// The RFC 6962 leaf hash of every gene, in order.
    pub fn leaves(&self) -> impl Iterator<Item = (&str, Hash)> {
        self.genes().map(|(id, text)| (id, leaf_hash(id, text)))
    }

    /// The team these genes found.
    pub fn team(&self) -> TeamId {
        TeamId(self.hash().0)
    }

    /// Proof that the gene `id` belongs to [`Genome::hash`]; `None` when there is no such gene.
    pub fn prove(&self, id: &str) -> Option<Proof> {
        let index = self.0.keys().position(|key| key == id)?;
        let text = self.0.get(id)?.clone();
        let path = merkle::prove(&self.leaf_hashes(), index)?;
        Some(Proof { id: id.to_owned(), text, index: index as u64, size: self.0.len() as u64, path })
    }

    fn leaf_hashes(&self) -> Vec<Hash> {
        self.leaves().map(|(_, hash)| hash).collect()
    }

    /// The canonical bytes: an array of `[id, text]`.
    pub fn encode(&self) -> Vec<u8> {
        cbor::encode(|out| {
            cbor::array(out, self.0.len());
            for (id, text) in self.genes() {
                cbor::array(out, 2);
                cbor::text(out, id);
                cbor::text(out, text);
            }
        })
    }

    /// Reads what [`Genome::encode`] wrote.
    ///
    /// # Errors
    /// [`Error`] with what is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let genes = cbor::decode(bytes, |input| {
            let len = cbor::read_list(input, GENES_MAX)?;
            (0..len)
                .map(|_| {
                    if cbor::read_list(input, 2)? != 2 {
                        return Err(cbor::Error::Value("a gene is an id and a text"));
                    }
                    Ok((cbor::read_text(input, GENE_ID_BYTES_MAX)?, cbor::read_text(input, GENE_TEXT_BYTES_MAX)?))
                })
                .collect::<Result<Vec<_>, _>>()
        })?;
        Self::new(genes)
    }

    /// What the founding genes say.
    ///
    /// # Errors
    /// [`Error`] when one is missing or malformed.
    pub fn constitution(&self) -> Result<Constitution, Error> {
        let gene = |id: &'static str| self.0.get(id).ok_or(Error::Founding(id));
        let name = gene(NAME_ID)?.clone();
        if name.trim().is_empty() || name.len() > TEAM_NAME_BYTES_MAX || name.chars().any(char::is_control) {
            return Err(Error::Name);
        }
        gene(NONCE_ID)?.parse::<Hash>().map_err(|_| Error::Founding(NONCE_ID))?;
        let first = gene(STEWARD_ID)?.parse().map_err(|_| Error::Founding(STEWARD_ID))?;
        let others = self.genes().filter(|(id, _)| id.starts_with("steward.") && *id != STEWARD_ID);
        let others = others.map(|(_, text)| text.parse().map_err(|_| Error::Founding("steward.*")));
        let mut stewards = vec![first];
        for steward in others.collect::<Result<Vec<NodeId>, _>>()? {
            if !stewards.contains(&steward) {
                stewards.push(steward);
            }
        }
        let number = |id: &'static str, most: usize| match self.0.get(id) {
            None => Ok(None),
            Some(text) => {
                let number = text.parse().ok().filter(|number| (1..=most).contains(number));
                number.map(Some).ok_or(Error::Founding(id))
            }
        };
        let threshold = number(THRESHOLD_ID, FOUNDING_STEWARDS_MAX)?;
        if stewards.len() > FOUNDING_STEWARDS_MAX {
            return Err(Error::Founding("steward.*"));
        }
        let members_max = number(MEMBERS_ID, MEMBERS_MAX)?.unwrap_or(MEMBERS_MAX);
        let sharing = match self.0.get(SHARING_ID) {
            None => Sharing::default(),
            Some(text) => Sharing::parse(text).ok_or(Error::Founding(SHARING_ID))?,
        };
        Ok(Constitution { name, founders: Founders { stewards, threshold }, members_max, sharing })
    }
}

/// Whether a gene may be added to a genome that exists.
///
/// # Errors
/// [`Error::Reserved`] for what can only be founded, [`Error::Role`] for a role that is no rule, and whatever makes a
/// gene unfit.
pub fn check_added(id: &str, text: &str) -> Result<(), Error> {
    check_gene(id, text)?;
    if is_reserved(id) { Err(Error::Reserved(id.to_owned())) } else { Ok(()) }
}

/// Whether a gene of this id has a meaning of its own, so that it can only be founded.
pub fn is_reserved(id: &str) -> bool {
    FOUNDING_PREFIXES.iter().any(|prefix| id.starts_with(prefix))
}

fn check_gene(id: &str, text: &str) -> Result<(), Error> {
    let fit = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
    if id.is_empty() || id.len() > GENE_ID_BYTES_MAX || !id.chars().all(fit) {
        return Err(Error::Id(id.chars().take(80).collect()));
    }
    if text.len() > GENE_TEXT_BYTES_MAX {
        return Err(Error::TooLong { id: id.to_owned(), got: text.len() });
    }
    match id.strip_prefix(ROLE_PREFIX) {
        Some(role) if !is_role_name(role) => Err(Error::Id(id.to_owned())),
        Some(_) => RoleRule::parse(text).map(drop).map_err(|source| Error::Role { id: id.to_owned(), source }),
        None => Ok(()),
    }
}

/// The RFC 6962 leaf hash of a gene: of the canonical `[id, text]`.
pub fn leaf_hash(id: &str, text: &str) -> Hash {
    merkle::leaf_hash(&leaf(id, text))
}

fn leaf(id: &str, text: &str) -> Vec<u8> {
    cbor::encode(|out| {
        cbor::array(out, 2);
        cbor::text(out, id);
        cbor::text(out, text);
    })
}

impl Proof {
    /// Whether the gene belongs to the genome whose hash is `root`.
    #[must_use]
    pub fn check(&self, root: &Hash) -> bool {
        merkle::check(&leaf(&self.id, &self.text), self.index, self.size, &self.path, root)
    }
}

/// The founding genes, typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constitution {
    /// The team's name.
    pub name: String,
    /// Who may sign membership from the beginning.
    pub founders: Founders,
    /// Most members.
    pub members_max: usize,
    /// Which levels of facts are shared.
    pub sharing: Sharing,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acme() -> Genome {
        Genome::found("acme", &[7; 32], &NodeId([1; 32])).unwrap()
    }

    #[test]
    fn the_team_id_is_the_root_of_the_founding_genes() {
        let genome = acme();
        assert_eq!(genome.team().0, genome.hash().0);
        assert_ne!(genome.team(), Genome::found("acme", &[8; 32], &NodeId([1; 32])).unwrap().team());
        assert_eq!(Genome::decode(&genome.encode()).unwrap(), genome);
        let constitution = genome.constitution().unwrap();
        assert_eq!((constitution.name.as_str(), constitution.founders.first()), ("acme", NodeId([1; 32])));
        assert!(genome.get("role.backend_developer").is_some());
    }

    #[test]
    fn a_proof_needs_nothing_but_itself_and_the_root() {
        let genome = acme();
        let proof = genome.prove("team.name").unwrap();
        assert!(proof.check(&genome.hash()));
        assert!(!Proof { text: "evil".into(), ..proof.clone() }.check(&genome.hash()));
        assert!(!proof.check(&Hash([0; 32])));
        assert_eq!(genome.prove("nope"), None);
    }

    #[test]
    fn unfit_genes_are_refused() {
        let check = |id: &str, text: &str| Genome::new([(id.to_owned(), text.to_owned())]).is_ok();
        assert!(check("law.one", "no secrets"));
        assert!(!check("", "x"));
        assert!(!check("Law", "x"));
        assert!(!check("law", &"x".repeat(GENE_TEXT_BYTES_MAX + 1)));
        assert!(Genome::found("", &[0; 32], &NodeId([1; 32])).is_err());
        assert!(Genome::found("a\nb", &[0; 32], &NodeId([1; 32])).is_err());
    }
}
