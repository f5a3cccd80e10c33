//! Writing and changing facts.

use antiphon_core::fact::Level;
use askama::Template;
use axum::extract::{Path, State};
use serde::Deserialize;

use crate::dashboard::Dash;
use crate::dashboard::escape::visible;
use crate::dashboard::flash::{Done, Flash};
use crate::dashboard::page::{Form, Page, Sent, Shown, Tab, given};
use crate::dashboard::session::Visitor;
use crate::dto::{ActorDto, Change, EditDto, FactDto, LEFT_WITH_OTHERS, NewFactDto, Scalar};
use crate::error::{Code, Problem};

/// What pages say wrote something.
const TOOL: &str = "dashboard";

/// What a person types.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Fields {
    content: String,
    level: String,
    domain: String,
    module: String,
    tags: String,
    code_ref: String,
    /// When the fact was last changed, as the page showed it.
    seen: String,
    private: Option<String>,
    role: String,
}

#[derive(Template)]
#[template(path = "fact_form.html")]
struct View {
    /// Where the form goes.
    action: String,
    fields: Fields,
    levels: [Choice; 4],
    /// A new one has more to decide.
    fresh: bool,
    back: String,
    csrf: String,
}

/// A level that can be chosen.
struct Choice {
    number: String,
    /// What it is, and whether the team shares it.
    says: String,
}

/// Every level, in a team that shares facts down to one.
fn levels(shared: Level) -> [Choice; 4] {
    Level::ALL.map(|level| {
        let number = level.number();
        let reaches = if level <= shared { "shared" } else { "stays here" };
        Choice { number: number.to_string(), says: format!("{number} {level} ({reaches})") }
    })
}

/// Which levels are shared, in words.
fn shares(shared: Level) -> String {
    match shared.number() {
        0 => "level 0 is shared with the team".to_owned(),
        deepest => format!("levels 0 to {deepest} are shared with the team"),
    }
}

pub(super) async fn show_new(State(dash): State<Dash>, visitor: Visitor) -> Shown {
    let shared = dash.shared_up_to().await?;
    let view = View {
        action: "/facts".to_owned(),
        fields: Fields { level: Level::default().number().to_string(), ..Fields::default() },
        levels: levels(shared),
        fresh: true,
        back: "/facts".to_owned(),
        csrf: visitor.csrf(),
    };
    Ok(Page::new(Tab::Facts, "New fact", &view)?.heading("Write a fact").says(shares(shared)))
}

pub(super) async fn remember(State(dash): State<Dash>, Form(fields): Form<Fields>) -> Sent {
    let fact = NewFactDto {
        content: lines(&fields.content),
        level: given(&fields.level).map(Scalar),
        domain: given(&fields.domain),
        module: given(&fields.module),
        tags: tags(&fields.tags),
        code_ref: given(&fields.code_ref),
        private: fields.private.is_some(),
        role: given(&fields.role),
        tool: Some(TOOL.to_owned()),
        ..NewFactDto::default()
    };
    let written = dash.remember(fact).await?;
    let says = if written.outcome == "existed" { "This was remembered before." } else { "Remembered." };
    Ok(Done::at(format!("/facts/{}", written.id)).saying(Flash::done(says)))
}

pub(super) async fn show_edit(State(dash): State<Dash>, visitor: Visitor, Path(id): Path<String>) -> Shown {
    let fact = dash.fact(&id).await?;
    let back = format!("/facts/{}", fact.id);
    let view = View {
        action: format!("{back}/edit"),
        fields: Fields::of(&fact),
        levels: levels(dash.shared_up_to().await?),
        fresh: false,
        back,
        csrf: visitor.csrf(),
    };
    Ok(Page::new(Tab::Facts, "Edit", &view)?.heading("Edit a fact").says("what you leave as it is stays as it is"))
}

pub(super) async fn edit(State(dash): State<Dash>, Path(id): Path<String>, Form(fields): Form<Fields>) -> Sent {
    let fact = dash.fact(&id).await?;
    let back = format!("/facts/{}", fact.id);
    if fields.seen != fact.updated_at {
        return Err(Problem::new(
            Code::Undecided,
            "this fact was changed while you were writing, and nothing was saved",
        )
        .why("somebody else, or another page, has edited it since you opened the form")
        .hint("go back and copy your text, then open the fact again and look at what changed")
        .into());
    }
    let before = Fields::of(&fact);
    let edit = EditDto { tool: Some(TOOL.to_owned()), ..fields.against(&before) };
    let nothing = EditDto { tool: Some(TOOL.to_owned()), ..EditDto::default() };
    if edit == nothing {
        return Ok(Done::at(back).saying(Flash::done("Nothing was changed.")));
    }
    let written = dash.edit(&fact.id, edit).await?;
    let said = if written.left_with_others { format!("Saved. {LEFT_WITH_OTHERS}.") } else { "Saved.".to_owned() };
    Ok(Done::at(back).saying(Flash::done(said)))
}

impl Fields {
    fn of(fact: &FactDto) -> Self {
        Self {
            content: fact.content.clone().unwrap_or_default(),
            level: fact.level.to_string(),
            domain: fact.domain.clone().unwrap_or_default(),
            module: fact.module.clone().unwrap_or_default(),
            tags: fact.tags.join(", "),
            code_ref: fact.code_ref.clone().unwrap_or_default(),
            seen: fact.updated_at.clone(),
            private: None,
            role: String::new(),
        }
    }

    /// What was changed, and nothing else: other fields may be changed elsewhere at the same time. The form shows what
    /// deceives in its visible form, so a text that was not touched may come back in it.
    fn against(&self, before: &Self) -> EditDto {
        let text = lines(&self.content);
        let touched = text != lines(&before.content) && text != lines(&visible(&before.content));
        let label = |now: &str, was: &str| match given(now) {
            now if now == given(was) || now == given(&visible(was)) => Change::Keep,
            Some(now) => Change::Set(now),
            None => Change::Clear,
        };
        let listed = tags(&self.tags);
        EditDto {
            content: touched.then_some(text),
            level: given(&self.level).filter(|level| *level != before.level).map(Scalar),
            domain: label(&self.domain, &before.domain),
            module: label(&self.module, &before.module),
            tags: if listed == tags(&before.tags) { Change::Keep } else { Change::Set(listed) },
            code_ref: label(&self.code_ref, &before.code_ref),
            ..EditDto::default()
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Text {
    text: String,
}

pub(super) async fn append(State(dash): State<Dash>, Path(id): Path<String>, Form(form): Form<Text>) -> Sent {
    let append = given(&lines(&form.text)).ok_or_else(|| Problem::new(Code::Invalid, "there is nothing to append"))?;
    change(&dash, &id, EditDto { append: Some(append), ..EditDto::default() }, "Appended.").await
}

#[derive(Deserialize)]
pub(super) struct Switch {
    on: bool,
}

pub(super) async fn archive(State(dash): State<Dash>, Path(id): Path<String>, Form(form): Form<Switch>) -> Sent {
    let says = if form.on { "Archived: recall leaves it out." } else { "It is recalled again." };
    change(&dash, &id, EditDto { archived: Some(form.on), ..EditDto::default() }, says).await
}

pub(super) async fn stale(State(dash): State<Dash>, Path(id): Path<String>, Form(form): Form<Switch>) -> Sent {
    let says = if form.on { "Marked as out of date." } else { "It is up to date again." };
    change(&dash, &id, EditDto { stale: Some(form.on), ..EditDto::default() }, says).await
}

async fn change(dash: &Dash, id: &str, edit: EditDto, says: &str) -> Sent {
    let written = dash.edit(id, EditDto { tool: Some(TOOL.to_owned()), ..edit }).await?;
    Ok(Done::at(format!("/facts/{}", written.id)).saying(Flash::done(says)))
}

pub(super) async fn forget(State(dash): State<Dash>, Path(id): Path<String>) -> Sent {
    let written = dash.forget(&id, actor()).await?;
    Ok(Done::at(format!("/facts/{}", written.id)).saying(Flash::done("Forgotten. It can be restored.")))
}

pub(super) async fn restore(State(dash): State<Dash>, Path(id): Path<String>) -> Sent {
    let written = dash.restore(&id, actor()).await?;
    Ok(Done::at(format!("/facts/{}", written.id)).saying(Flash::done("Restored.")))
}

fn actor() -> ActorDto {
    ActorDto { tool: Some(TOOL.to_owned()), ..ActorDto::default() }
}

/// Browsers send every line break as two characters.
fn lines(text: &str) -> String {
    text.replace("\r\n", "\n")
}

fn tags(text: &str) -> Vec<String> {
    text.split(',').filter_map(given).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact() -> Fields {
        Fields { content: "one\ntwo \u{202E}".into(), level: "1".into(), tags: "a, b".into(), ..Fields::default() }
    }

    #[test]
    fn what_was_not_touched_is_not_written() {
        let same = Fields { content: "one\r\ntwo \\u{202E}".into(), tags: " a,b ".into(), ..fact() };
        assert_eq!(same.against(&fact()), EditDto::default());
        let changed = Fields { content: "one".into(), domain: "infra".into(), ..fact() };
        let edit = changed.against(&fact());
        assert_eq!((edit.content.as_deref(), &edit.domain), (Some("one"), &Change::Set("infra".to_owned())));
        assert!(edit.level.is_none() && edit.tags.is_keep() && edit.module.is_keep());
        let cleared = fact().against(&Fields { domain: "infra".into(), ..fact() });
        assert_eq!(cleared.domain, Change::Clear);
    }
}
