//! The founding file: what a team's founder wants besides a name, written in TOML and read once, at `antiphon init`.
//!
//! Everything in it becomes a gene, and genes of the foundation never change. So a slip must not found a team: every key
//! must be known, every value must make sense by itself, and whatever is wrong is told with its line.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use antiphon_core::charter::{FOUNDING_STEWARDS_MAX, MEMBERS_MAX};
use antiphon_core::fact::Level;
use antiphon_core::genome::{self, Genome};
use antiphon_core::ids::NodeId;
use antiphon_core::roles::{Authority, Decrypts, ROLE_PREFIX, RoleRule, Roles, is_role_name};
use serde::Serialize;

use crate::outcome::{Code, Problem, file_problem};
use crate::toml_reader::{Entry, Reader, Table, nearest};

/// Longest founding file, in bytes: twice what the genes of a team may weigh in practice.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Prefixes of genes that have a key of their own, and which.
const OWN_KEYS: [(&str, &str); 5] = [
    ("team.", "the name comes from --team, the nonce from chance"),
    ("steward.", "list its node id under stewards"),
    ("policy.", "use the keys threshold and sharing.up_to"),
    ("limit.", "use the table [limits]"),
    (ROLE_PREFIX, "use a table [roles.NAME]"),
];

/// What a founder wants.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Founding {
    /// Node ids of stewards besides this node, which is the first.
    pub(crate) stewards: Vec<String>,
    /// How many stewards must agree on a change of stewards; null for the default.
    pub(crate) threshold: Option<u64>,
    /// Roles that are new or other than usual.
    pub(crate) roles: Vec<String>,
    /// The deepest level that is shared; null for the default.
    pub(crate) shared_up_to: Option<String>,
    /// Most members; null for the most there can be.
    pub(crate) members_max: Option<u64>,
    /// Ids of the other genes.
    pub(crate) genes: Vec<String>,
    /// All of it as genes, by id.
    #[serde(skip)]
    pub(crate) all: Vec<(String, String)>,
}

impl Founding {
    /// Reads a founding file.
    ///
    /// # Errors
    /// [`Problem`] with the file, the line and what is wrong there.
    pub(crate) fn read(path: &Path) -> Result<Self, Problem> {
        let mut bytes = Vec::new();
        let read = File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes));
        read.map_err(|error| file_problem("read", path, &error))?;
        let name = path.display().to_string();
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(Problem::new(Code::TooLarge, format!("{name} has more than {FILE_BYTES_MAX} bytes"))
                .hint("keep texts in facts; genes are short laws"));
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let line =
                1 + error.as_bytes().iter().take(error.utf8_error().valid_up_to()).filter(|b| **b == b'\n').count();
            Problem::new(Code::Invalid, format!("{name}:{line}: this is not UTF-8")).hint("save it as UTF-8")
        })?;
        Self::parse(&text, &name)
    }

    /// Reads a text; `name` is what problems call it.
    ///
    /// # Errors
    /// As [`Founding::read`].
    pub(crate) fn parse(text: &str, name: &str) -> Result<Self, Problem> {
        let reader = Reader::new(text, name);
        let document = reader.document()?;
        let table = Table::new(
            &reader,
            document.get_ref(),
            "",
            &["stewards", "threshold", "roles", "sharing", "limits", "genes"],
        )?;
        let mut founding = Self::default();
        founding.stewards(&table)?;
        if let Some(threshold) = table.get("threshold") {
            let number = threshold.number(1, FOUNDING_STEWARDS_MAX as u64)?;
            founding.threshold = Some(number);
            founding.add("policy.steward_threshold", number.to_string());
        }
        founding.roles(&table)?;
        if let Some(sharing) = table.get("sharing") {
            let sharing = sharing.table(&["up_to"])?;
            if let Some(up_to) = sharing.get("up_to") {
                let level: Level = up_to.text()?.parse().map_err(|error: antiphon_core::fact::UnknownLevel| {
                    up_to.wrong(
                        &error.to_string(),
                        "the deepest level that is shared: project, domain, module or snippet",
                    )
                })?;
                founding.shared_up_to = Some(level.name().to_owned());
                founding.add("policy.shared_up_to", level.name().to_owned());
            }
        }
        if let Some(limits) = table.get("limits") {
            let limits = limits.table(&["members"])?;
            if let Some(members) = limits.get("members") {
                let number = members.number(1, MEMBERS_MAX as u64)?;
                founding.members_max = Some(number);
                founding.add("limit.members", number.to_string());
            }
        }
        founding.laws(&table)?;
        Ok(founding)
    }

    fn add(&mut self, id: &str, text: String) {
        self.all.push((id.to_owned(), text));
    }

    fn stewards(&mut self, table: &Table<'_>) -> Result<(), Problem> {
        let Some(stewards) = table.get("stewards") else { return Ok(()) };
        for steward in stewards.list()? {
            let text = steward.text()?;
            let node: NodeId = text.parse().map_err(|_| {
                steward.wrong(
                    &format!("{:?} is not a node id", shown(text)),
                    "antiphon status shows it on that machine, as in 12D3KooW…",
                )
            })?;
            if self.stewards.contains(&node.to_string()) {
                return Err(steward.wrong("this steward is listed twice", "list every steward once"));
            }
            self.stewards.push(node.to_string());
            if self.stewards.len() >= FOUNDING_STEWARDS_MAX {
                let what = format!("a team is founded by at most {FOUNDING_STEWARDS_MAX} stewards, with this node");
                return Err(steward.wrong(&what, "appoint the others later: antiphon team steward add PEER"));
            }
            // Two digits, because the order of the ids is the order of the stewards.
            self.add(&format!("steward.{:02}", self.stewards.len() + 1), node.to_string());
        }
        Ok(())
    }

    fn roles(&mut self, table: &Table<'_>) -> Result<(), Problem> {
        let Some(roles) = table.get("roles") else { return Ok(()) };
        let roles: Vec<(Entry<'_>, &str)> = roles.entries()?;
        let mut known = predefined();
        known.extend(roles.iter().map(|(_, name)| (*name).to_owned()));
        for (entry, name) in roles {
            if !is_role_name(name) {
                return Err(entry.wrong(
                    &format!("{:?} is not a name for a role", shown(name)),
                    "use at most 48 of a-z, 0-9, '_' and '-'",
                ));
            }
            let role = entry.table(&["authority", "decrypts"])?;
            let levels = "use read_only, suggestion, coordination, decision or master";
            let authority = role.get("authority");
            let authority = authority.as_ref().ok_or_else(|| entry.wrong("a role needs an authority", levels))?;
            let unknown = || authority.wrong("this is not an authority", levels);
            let level = Authority::from_name(authority.text()?).ok_or_else(unknown)?;
            let decrypts = role.get("decrypts").map(|entry| decrypts(&entry, name, &known)).transpose()?;
            let decrypts = decrypts.unwrap_or_else(|| Decrypts::Roles([name.to_owned()].into()));
            self.roles.push(name.to_owned());
            self.add(&format!("{ROLE_PREFIX}{name}"), RoleRule { authority: level, decrypts }.to_string());
        }
        Ok(())
    }

    fn laws(&mut self, table: &Table<'_>) -> Result<(), Problem> {
        let Some(genes) = table.get("genes") else { return Ok(()) };
        for gene in genes.list()? {
            let law = gene.table(&["id", "text"])?;
            let missing =
                |key: &str| gene.wrong(&format!("a gene needs {key}"), "write id = \"law.secrets\", text = \"…\"");
            let (id, text) = (law.get("id"), law.get("text"));
            let (id, text) = (id.ok_or_else(|| missing("an id"))?, text.ok_or_else(|| missing("a text"))?);
            let (name, words) = (id.text()?, text.text()?);
            if let Some((prefix, instead)) = OWN_KEYS.iter().find(|(prefix, _)| name.starts_with(prefix)) {
                return Err(id.wrong(&format!("ids that begin with {prefix} have a meaning of their own"), instead));
            }
            if words.trim().is_empty() {
                return Err(text.wrong("a gene says something", "write its text, or leave it out"));
            }
            Genome::new([(name.to_owned(), words.to_owned())]).map_err(|error| {
                id.wrong(&error.to_string(), "ids are short, as in law.secrets; texts have at most 16 KiB")
            })?;
            if self.genes.iter().any(|known| known == name) {
                return Err(id.wrong(&genome::Error::Twice(name.to_owned()).to_string(), "give it another id"));
            }
            self.genes.push(name.to_owned());
            self.add(name, words.to_owned());
        }
        Ok(())
    }
}

/// Whose documents the role `name` may read: `"*"`, or a list of roles.
fn decrypts(entry: &Entry<'_>, name: &str, known: &[String]) -> Result<Decrypts, Problem> {
    if entry.is_text() {
        return match entry.text()? {
            "*" => Ok(Decrypts::All),
            other => Err(entry.wrong(
                &format!("{:?} is neither \"*\" nor a list of roles", shown(other)),
                "write decrypts = \"*\" or decrypts = [\"backend_developer\"]",
            )),
        };
    }
    let mut roles = std::collections::BTreeSet::from([name.to_owned()]);
    for role in entry.list()? {
        let text = role.text()?;
        if !known.iter().any(|known| known == text) {
            let near = nearest(text, known.iter().map(String::as_str));
            let hint = near.map_or_else(
                || "name roles of this file, or those every team has".to_owned(),
                |near| format!("did you mean {near}?"),
            );
            return Err(role.wrong(&format!("there will be no role {:?}", shown(text)), &hint));
        }
        roles.insert(text.to_owned());
    }
    Ok(Decrypts::Roles(roles))
}

/// Names of the roles that every team has.
fn predefined() -> Vec<String> {
    let genome = Genome::found("any", &[0; 32], &NodeId([0; 32])).unwrap_or_default();
    Roles::of(&genome).names().map(str::to_owned).collect()
}

fn shown(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
stewards = ["12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN"]  # besides this node
threshold = 2
[roles.data_engineer]
authority = "suggestion"
decrypts = ["data_engineer", "backend_developer"]
[roles.auditor]
authority = "read_only"
decrypts = "*"
[sharing]
up_to = "module"
[limits]
members = 50
[[genes]]
id = "law.secrets"
text = "No secrets in facts."
"#;

    #[test]
    fn a_founding_file_becomes_genes() {
        let founding = Founding::parse(GOOD, "f.toml").unwrap();
        assert_eq!((founding.threshold, founding.members_max), (Some(2), Some(50)));
        assert_eq!(founding.roles, ["auditor", "data_engineer"]);
        let genome = Genome::found_with("choir", &[1; 32], &NodeId([9; 32]), founding.all).unwrap();
        let gene = |id: &str| genome.get(id).unwrap_or_default().to_owned();
        assert_eq!(gene("role.data_engineer"), "authority: suggestion; decrypts: backend_developer, data_engineer");
        assert_eq!(gene("role.auditor"), "authority: read_only; decrypts: *");
        assert_eq!(gene("law.secrets"), "No secrets in facts.");
        let constitution = genome.constitution().unwrap();
        assert_eq!((constitution.founders.stewards.len(), constitution.founders.threshold), (2, Some(2)));
        assert_eq!(constitution.members_max, 50);
        assert_eq!(constitution.founders.stewards[1].to_string(), founding.stewards[0]);
        assert_eq!(Founding::parse("", "f.toml").unwrap(), Founding::default());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let check = |text: &str, line: usize, words: &[&str]| {
            let problem = Founding::parse(text, "f.toml").unwrap_err();
            assert!(problem.what.starts_with(&format!("f.toml:{line}: ")), "{text}: {problem}");
            assert_eq!(problem.code, Code::Invalid);
            for word in words {
                assert!(problem.to_string().contains(word), "{word:?} is missing: {problem}");
            }
        };
        check("\ntreshold = 2", 2, &["treshold", "did you mean threshold?"]);
        check("[sharing]\nupto = \"domain\"", 2, &["sharing.upto", "up_to"]);
        check("[limit]", 1, &["limit", "limits"]);
        check("zzzzzz = 1", 1, &["zzzzzz", "stewards, threshold"]);
        check("threshold = 0", 1, &["1", "16"]);
        check("threshold = \"two\"", 1, &["whole number"]);
        check("threshold = 2.5", 1, &["whole number"]);
        check("stewards = \"x\"", 1, &["list"]);
        check("stewards = [\n  \"eve\",\n]", 2, &["\"eve\" is not a node id", "antiphon status"]);
        check("[roles.x]\nauthority = \"god\"", 2, &["authority", "master"]);
        check("[roles.x]", 1, &["needs an authority"]);
        check("[roles.Xx]\nauthority = \"master\"", 1, &["Xx"]);
        check("[roles.x]\nauthority = \"master\"\ndecrypts = [\"backend\"]", 3, &["backend_developer"]);
        check("[roles.x]\nauthority = \"master\"\ndecrypts = \"all\"", 3, &["\"*\""]);
        check("[sharing]\nup_to = \"deep\"", 2, &["deep", "snippet"]);
        check("[limits]\nmembers = 513", 2, &["512"]);
        check("[[genes]]\nid = \"team.name\"\ntext = \"x\"", 2, &["team.", "--team"]);
        check("[[genes]]\nid = \"steward.first\"\ntext = \"x\"", 2, &["steward.", "stewards"]);
        check("[[genes]]\nid = \"Law\"\ntext = \"x\"", 2, &["Law"]);
        check("[[genes]]\ntext = \"x\"", 1, &["an id"]);
        check("[[genes]]\nid = \"a\"\ntext = \"x\"\n[[genes]]\nid = \"a\"\ntext = \"y\"", 5, &["twice"]);
        check("threshold = 1\nthreshold = 2", 2, &["duplicate key"]);
        check("a = [1,", 1, &["TOML"]);
    }
}
