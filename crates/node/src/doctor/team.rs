//! Membership, the charter and the keys of roles.

use super::{Ailment, Checked, count};
use crate::api::{Error, Problem};
use crate::clock::now;
use crate::handle::Handle;
use crate::problems;
use crate::team_view::TeamView;

impl Handle {
    pub(super) async fn examine_team(&self) -> Result<Vec<Checked>, Error> {
        let (team, removal) = (self.members().await?, self.removal().await?);
        let own = team.members.iter().find(|member| member.own);
        let steward = own.is_some_and(|own| own.steward);
        let mut charter = Vec::new();
        if own.is_none() && removal.is_none() {
            let why = "no member believes it, and it may write nothing that is shared";
            let fix = "antiphon invite --role ROLE (on a steward), then antiphon join TICKET";
            charter.push(Ailment::error(format!("this node is no member of {}", team.name), why, fix));
        }
        let told = problems::of_team(&team, removal.as_ref(), now());
        let (keys, rest): (Vec<Problem>, Vec<Problem>) = told.into_iter().partition(is_about_keys);
        let serious = removal.is_some() || team.critical.is_some() || own.is_some_and(|own| own.expired);
        charter.extend(rest.into_iter().map(|problem| of_problem(problem, serious)));
        charter.extend(too_few_stewards(&team));
        let keys = keys.into_iter().map(|problem| of_problem(problem, true)).collect();
        let said = format!("{} of {}", count(team.members.len() as u64, "member"), team.name);
        let whose =
            if steward { "every member has the keys it should have" } else { "this node has the keys it should have" };
        Ok(vec![Checked::new("charter", said, charter), Checked::new("role keys", whose, keys).or_silent()])
    }
}

fn is_about_keys(problem: &Problem) -> bool {
    problem.what.contains("lacks the present key") || problem.what.contains("nothing can be sealed")
}

fn of_problem(problem: Problem, serious: bool) -> Ailment {
    let why = if is_about_keys(&problem) {
        "what is sealed to the role stays closed, or cannot be written"
    } else {
        "membership ends by time and by record, and the other members go by it"
    };
    let found = if serious { Ailment::error } else { Ailment::warning };
    found(problem.what, why, problem.fix)
}

/// A team in which fewer stewards are left than a change needs can appoint no other.
fn too_few_stewards(team: &TeamView) -> Option<Ailment> {
    // Founders that have not joined yet may sign as soon as they do.
    let over = team.members.iter().filter(|member| member.steward && member.expired).count();
    let stewards = team.stewards.len().saturating_sub(over);
    (stewards < team.needed).then(|| {
        let what =
            format!("{} are left, and a change of stewards needs {}", count(stewards as u64, "steward"), team.needed);
        let why = "nobody can be appointed or removed any more";
        Ailment::error(what, why, "antiphon team renew NAME (on a steward whose grant is over, if one is left)")
    })
}
