//! Inviting somebody: a ticket as text and as a QR code.
//!
//! A ticket is a secret. It is on the page that answers the form and nowhere else: it stands in no address, in no message
//! for a later page, and browsers are told to keep no copy of the page.
//!
//! No role is chosen beforehand: whoever is let in by a slip of the hand would have what nobody meant to give.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use serde::Deserialize;

use crate::dashboard::Dash;
use crate::dashboard::page::{Form, Page, Shown, Tab};
use crate::dashboard::qr::Qr;
use crate::dashboard::say::{Tag, Tone, When};
use crate::dashboard::session::Visitor;
use crate::dto::InviteDto;

/// How long a ticket can be used.
const LIVES: [(&str, &str); 4] = [("1h", "1 hour"), ("24h", "1 day"), ("3d", "3 days"), ("7d", "1 week")];

/// The page for inviting.
pub(super) fn routes() -> Router<Dash> {
    Router::new().route("/invite", get(show).post(invite))
}

/// A role to choose.
struct Role {
    name: String,
    rule: String,
}

#[derive(Template)]
#[template(path = "invite.html")]
struct View {
    csrf: String,
    steward: bool,
    stewards: String,
    roles: Vec<Role>,
    lives: [(&'static str, &'static str); 4],
}

async fn show(State(dash): State<Dash>, visitor: Visitor) -> Shown {
    let (team, roles) = (dash.members().await?, dash.roles().await?);
    let view = View {
        csrf: visitor.csrf(),
        steward: team.members.iter().any(|member| member.own && member.steward),
        stewards: format!("Ask a steward: {}.", team.stewards.join(", ")),
        roles: roles.roles.into_iter().map(|role| Role { name: role.name, rule: role.rule }).collect(),
        lives: LIVES,
    };
    Ok(Page::new(Tab::Other, "Invite", &view)?.says(format!("into {}", team.team.name)))
}

/// What the ticket is for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Wish {
    role: String,
    ttl: String,
}

#[derive(Template)]
#[template(path = "ticket.html")]
struct Ticket {
    role: String,
    life: Tag,
    ticket: String,
    qr: Option<Qr>,
}

async fn invite(State(dash): State<Dash>, Form(wish): Form<Wish>) -> Shown {
    let ttl = LIVES.iter().find(|(ttl, _)| *ttl == wish.ttl).map(|(ttl, _)| (*ttl).into());
    let invitation = dash.invite(InviteDto { role: wish.role, ttl }).await?;
    let ends = When::words_of(&invitation.expires, dash.now());
    let view = Ticket {
        role: invitation.role,
        life: Tag::new(Tone::Warn, format!("ends {ends}")),
        qr: Qr::of(&invitation.ticket),
        ticket: invitation.ticket,
    };
    Ok(Page::new(Tab::Other, "Ticket", &view)?.heading("One machine may join").says("with this ticket, once"))
}
