//! Genome and charter: what the team was founded on, with proof, and who belongs to it by which right.

mod proof;
mod view;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use serde::Deserialize;

use crate::dashboard::Dash;
use crate::dashboard::flash::{Done, Flash};
use crate::dashboard::page::{Form, Oops, Page, Sent, Shown, Tab, given};
use crate::dashboard::say::{Tag, When, called, many, number, short};
use crate::dashboard::session::Visitor;
use crate::dto::{NewGeneDto, RenewDto};
use crate::error::{Code, Problem as Refusal};
use view::{Former, Group, Member, Problem, Role, Waiting};

/// The pages about genome and charter.
pub(super) fn routes() -> Router<Dash> {
    Router::new()
        .route("/charter", get(show))
        .route("/charter/gene", get(proof::show).post(add_gene))
        .route("/charter/approve", post(approve))
        .route("/charter/renew", post(renew))
}

#[derive(Template)]
#[template(path = "charter.html")]
struct View {
    csrf: String,
    /// Whether this node may sign membership.
    steward: bool,
    problems: Vec<Problem>,
    waiting: Vec<Waiting>,
    verdict: Tag,
    genome_words: String,
    team_id: String,
    genome_hash: String,
    genes: Vec<Group>,
    stewards: Vec<String>,
    steward_words: String,
    roles: Vec<Role>,
    members: Vec<Member>,
    former: Vec<Former>,
}

async fn show(State(dash): State<Dash>, visitor: Visitor) -> Shown {
    let now = dash.now();
    let (team, roles, genes) = (dash.members().await?, dash.roles().await?, dash.genes().await?);
    let report = dash.verify_genome().await?;
    let founding = genes.genes.iter().filter(|gene| gene.founding).count() as u64;
    let added = genes.genes.len() as u64 - founding;
    let agree = many(team.needed, "steward", "stewards");
    let view = View {
        csrf: visitor.csrf(),
        steward: team.members.iter().any(|member| member.own && member.steward),
        problems: view::problems(&team, &report, now),
        waiting: team.waiting.iter().map(Waiting::of).collect(),
        verdict: view::verdict(&report),
        genome_words: format!(
            "{} it was founded with, which never change, and {} added later. The team's id is the root over the first.",
            many(founding, "gene", "genes"),
            number(added)
        ),
        team_id: team.team.id.clone(),
        genome_hash: genes.genome_hash.clone(),
        genes: view::groups(genes.genes),
        steward_words: format!("{agree} must agree to appoint one more. The oldest right stands first."),
        stewards: team.stewards.clone(),
        roles: roles.roles.iter().map(Role::of).collect(),
        members: team.members.iter().map(|member| Member::of(member, now)).collect(),
        former: team.former.iter().map(|former| Former::of(former, &team.members)).collect(),
    };
    let heading = format!("{}: {}", team.team.name, many(team.members.len() as u64, "member", "members"));
    let page = Page::new(Tab::Charter, "Genome and charter", &view)?.heading(heading);
    Ok(page.says(format!("genome {}", short(&genes.genome_hash))).says(many(roles.roles.len() as u64, "role", "roles")))
}

/// A gene to be added.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct NewGene {
    text: String,
    id: String,
    sure: String,
}

async fn add_gene(State(dash): State<Dash>, Form(gene): Form<NewGene>) -> Sent {
    if gene.sure != "yes" {
        let refused = Refusal::new(Code::Undecided, "no gene was added: nobody said that it is to stay for ever");
        return Err(Oops(refused.hint("tick the box, and press Add again")));
    }
    let text = gene.text.replace("\r\n", "\n");
    let added = dash.add_gene(NewGeneDto { text, id: given(&gene.id) }).await?;
    let said = format!("{} is a gene now. Members take it over when they are reached.", added.id);
    Ok(Done::at("/charter").saying(Flash::done(said)))
}

/// A record that waits for consent.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Record {
    record: String,
}

async fn approve(State(dash): State<Dash>, Form(record): Form<Record>) -> Sent {
    let changed = dash.approve(&record.record).await?;
    let who = called(&changed.name, &changed.peer_id);
    let flash = if changed.effective {
        Flash::done(format!("You agreed, and it has effect: {} of {who}.", changed.change))
    } else {
        let signed = changed.signers.len();
        Flash::partly(format!("You agreed. It waits for more: {signed} of {} have signed.", changed.needed))
    };
    Ok(Done::at("/charter").saying(flash))
}

/// A member.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Who {
    peer: String,
}

async fn renew(State(dash): State<Dash>, Form(who): Form<Who>) -> Sent {
    let granted = dash.renew(RenewDto { peer: Some(who.peer), all: false, life: None }).await?;
    let now = dash.now();
    let said = granted.members.iter().map(|member| {
        // A message is text, so the time is said in words alone.
        let ends = When::words_of(&member.not_after, now);
        format!("The grant of {} ends {ends}.", called(&member.name, &member.peer_id))
    });
    Ok(Done::at("/charter").saying(Flash::done(said.collect::<Vec<_>>().join(" "))))
}

/// Which gene.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Which {
    id: String,
}
