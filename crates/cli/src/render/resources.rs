//! Resources as they are shown.

use antiphon_server::dto::{
    ConsiderDto, OfferDto, OffersDto, ResourceDetailDto, ResourceDto, ResourceSearchDto, ResourceToldDto,
    ResourceVerifiedDto, SearchedPeerDto, WindowDto,
};

use super::time::minute;
use super::{count, safe, snippet, table};
use crate::output::{BAD, FAINT, GOOD, STRONG, WARNING, styled};

/// Resources as a table.
pub(crate) fn list(resources: &[ResourceDto]) -> String {
    if resources.is_empty() {
        return "There are no such resources. To offer one: antiphon resources create KIND NAME".to_owned();
    }
    let row = |resource: &ResourceDto| {
        vec![
            resource.id.clone(),
            safe(&resource.kind),
            snippet(&resource.name),
            owner(resource),
            snippet(&resource.capabilities.join(", ")),
            resource.address.as_deref().map(snippet).unwrap_or_default(),
        ]
    };
    table(&["id", "kind", "name", "owner", "can", "address"], resources.iter().map(row))
}

fn owner(resource: &ResourceDto) -> String {
    match resource.ownership.as_str() {
        "own" => "this machine".to_owned(),
        "former" => format!("{} (former member)", safe(&resource.owner)),
        _ => safe(&resource.owner),
    }
}

/// One resource with all that is known of it.
pub(crate) fn detail(detail: &ResourceDetailDto) -> String {
    let resource = &detail.resource;
    let some = |text: String| Some(text).filter(|text| !text.is_empty());
    let lines = [
        ("id", Some(resource.id.clone())),
        ("kind", Some(safe(&resource.kind))),
        ("owner", Some(owner(resource))),
        ("origin", Some(format!("{} ({})", resource.owner_peer_id, resource.ownership))),
        ("address", resource.address.as_deref().map(safe)),
        ("can", some(safe(&resource.capabilities.join(", ")))),
        ("tags", some(safe(&resource.tags.join(", ")))),
        ("changed", Some(format!("{}, version {}", minute(&resource.updated_at), resource.version))),
        ("verified", checked(resource)),
    ];
    let mut out = format!("{}\n", styled(STRONG, &safe(&resource.name)));
    for (name, value) in lines {
        if let Some(value) = value {
            out.push_str(&format!("{} {value}\n", styled(FAINT, &format!("{name:<11}"))));
        }
    }
    if let Some(description) = &resource.description {
        out.push_str(&format!("\n{}\n", safe(description)));
    }
    match &detail.plan {
        None => {}
        Some(plan) if plan.windows.is_empty() => out.push_str("\nIt cannot be used for the time being.\n"),
        Some(plan) => {
            out.push_str("\nIt can be used:\n");
            out.extend(plan.windows.iter().map(window));
        }
    }
    if !detail.considers.is_empty() {
        out.push_str("\nPlanned uses:\n");
        out.extend(detail.considers.iter().map(consider));
    }
    out.trim_end().to_owned()
}

/// What its owner last said of it.
fn checked(resource: &ResourceDto) -> Option<String> {
    let checked = resource.verified.as_ref()?;
    let at = minute(&checked.at);
    Some(match checked.version {
        _ if !checked.there => styled(BAD, &format!("{at}: its owner has no such resource")),
        Some(version) if version != resource.version => format!("{at}: its owner has version {version}"),
        _ => styled(GOOD, &format!("{at}: its owner stands by it")),
    })
}

fn window(window: &WindowDto) -> String {
    let note = window.note.as_deref().map(|note| format!("  {}", safe(note))).unwrap_or_default();
    format!("  {} to {}{note}\n", minute(&window.from.0), minute(&window.until.0))
}

fn consider(said: &ConsiderDto) -> String {
    let answer = if said.yes { styled(GOOD, "yes") } else { styled(WARNING, "no") };
    let note = said.note.as_deref().map(|note| format!("  {}", safe(note))).unwrap_or_default();
    format!("  {} to {}  {}: {answer}{note}\n", minute(&said.from), minute(&said.until), safe(&said.peer))
}

/// What a search found, and who was asked.
pub(crate) fn search(search: &ResourceSearchDto) -> String {
    let mut out = if search.resources.is_empty() { "Nothing was found.".to_owned() } else { list(&search.resources) };
    if !search.asked.is_empty() {
        out.push_str("\n\nAsked directly:\n");
        out.extend(search.asked.iter().map(asked));
    }
    out.trim_end().to_owned()
}

fn asked(peer: &SearchedPeerDto) -> String {
    let name = safe(&peer.peer);
    match (&peer.offers, peer.found) {
        (Some(offers), Some(found)) => format!("  {name}: {found} of {}\n", count(offers.total, "resource")),
        _ => {
            let reason = peer.reason.as_deref().unwrap_or("other");
            format!("  {name}: {}\n", styled(WARNING, &format!("no answer ({})", safe(reason))))
        }
    }
}

/// What each machine offers.
pub(crate) fn offers(offers: &[OfferDto]) -> String {
    if offers.is_empty() {
        return "Nobody offers anything yet. To begin: antiphon resources create KIND NAME".to_owned();
    }
    let row = |offer: &OfferDto| {
        let name = match offer.ownership.as_str() {
            "own" => format!("{} (this machine)", safe(&offer.peer)),
            "former" => format!("{} (former member)", safe(&offer.peer)),
            _ => safe(&offer.peer),
        };
        vec![name, kinds(&offer.offers), snippet(&offer.offers.capabilities.join(", "))]
    };
    table(&["machine", "offers", "can"], offers.iter().map(row))
}

fn kinds(offers: &OffersDto) -> String {
    let kind = |(kind, n): (&String, &u64)| format!("{n} {}", safe(kind));
    offers.kinds.iter().map(kind).collect::<Vec<_>>().join(", ")
}

/// Something was said about a resource.
pub(crate) fn told(what: &str, told: &ResourceToldDto) -> String {
    let members = match told.members {
        0 => "nobody else is in the team".to_owned(),
        n => format!("{} told once connected", antiphon_node::counted(n, "member is", "members are")),
    };
    format!("{what} {}, version {}: {members}.", told.id, told.version)
}

/// What the owner of a resource says of it.
pub(crate) fn verified(verified: &ResourceVerifiedDto) -> String {
    let (name, owner) = (safe(&verified.resource.name), safe(&verified.resource.owner));
    match verified.verdict.as_str() {
        "stands" => format!("{} {owner} stands by {name}.", styled(GOOD, "yes:")),
        "changed" => {
            format!("{} {owner} has {name} and has changed it; the change is on its way.", styled(GOOD, "yes:"))
        }
        "gone" => format!("{} {owner} has no such resource as {name} any more.", styled(BAD, "no:")),
        _ if verified.connected => {
            format!("{owner} has not answered yet; antiphon resources show {} will say.", verified.resource.id)
        }
        _ => format!(
            "{owner} is not connected. It is asked when it is; antiphon resources show {} will say.",
            verified.resource.id
        ),
    }
}
