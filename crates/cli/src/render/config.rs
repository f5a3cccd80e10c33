//! Settings and what changing them takes.

use antiphon_server::dto::{ReloadedDto, SettingDto, SettingsDto};

use super::{safe, table};
use crate::commands::config::Written;
use crate::output::{BAD, FAINT, STRONG, WARNING, styled};

/// Settings as a table, and below it what does not hold yet. With `details` each is explained.
pub(crate) fn settings(settings: &SettingsDto, details: bool) -> String {
    let row = |setting: &SettingDto| {
        let place = setting.place.clone().unwrap_or_else(|| setting.source.clone());
        vec![setting.key.clone(), safe(&setting.shown), safe(&place)]
    };
    let mut out = table(&["setting", "value", "from"], settings.settings.iter().map(row));
    out.push('\n');
    if details {
        settings.settings.iter().for_each(|setting| out.push_str(&explained(setting)));
    }
    out.push_str(&format!("\n{}\n", from(settings)));
    for (setting, next) in settings.settings.iter().filter_map(|setting| Some((setting, setting.next.as_ref()?))) {
        let place = next.place.clone().unwrap_or_else(|| next.source.clone());
        let how =
            if next.takes == "reload" { "antiphon config reload" } else { "antiphon down && antiphon up --detach" };
        let what = format!("{} is {} in {} and does not hold yet", setting.key, safe(&next.shown), safe(&place));
        out.push_str(&format!("{} {what}\n  {} {how}\n", styled(WARNING, "note:"), styled(STRONG, "try:")));
    }
    if let Some(problem) = &settings.problem {
        let hint = problem.hint.as_deref().unwrap_or("antiphon config path");
        out.push_str(&format!("{} {}\n", styled(BAD, "problem:"), safe(&problem.what)));
        out.push_str(&format!("  {} {}\n", styled(STRONG, "try:"), safe(hint)));
    }
    out
}

fn explained(setting: &SettingDto) -> String {
    let takes = match setting.takes.as_str() {
        "reload" => "a change holds after antiphon config reload",
        "restart" => "a change holds from the next start",
        _ => "it counts when the home is made",
    };
    let flag = setting.flag.as_ref().map(|flag| format!(", antiphon up {flag}")).unwrap_or_default();
    let what = safe(&setting.what).replace('`', "");
    format!(
        "\n{}\n  {what}\n  {} {}; {takes}\n  {} {}{flag}\n",
        styled(STRONG, &setting.key),
        styled(FAINT, "default"),
        safe(&setting.default),
        styled(FAINT, "also"),
        setting.environment,
    )
}

fn from(settings: &SettingsDto) -> String {
    let file = safe(&settings.file);
    let file = if settings.exists { format!("The file is {file}.") } else { format!("There is no file {file}.") };
    let whose = if settings.running { "These are the settings of the running node." } else { "No node is running." };
    format!("{file} {whose}")
}

/// What a change of the file came to.
pub(crate) fn written(written: &Written) -> String {
    let mut out = match written.changed {
        true => format!("Wrote {} to {}.", written.key, safe(&written.file)),
        false => format!("{} is as it was.", safe(&written.file)),
    };
    if let Some(place) = &written.hidden_by {
        out.push_str(&format!("\n{place} goes before the file, so this has no effect as long as it is set."));
    }
    match (written.needs, written.command) {
        ("founding", _) => out.push_str("\nIt counts when a home is made; this node keeps its own."),
        (_, Some(command)) => out.push_str(&format!("\nThe running node does not go by it yet: {command}")),
        _ => {}
    }
    out
}

/// What came of reading the settings again.
pub(crate) fn reloaded(done: &ReloadedDto) -> String {
    let mut out = match done.changed.as_slice() {
        [] => "Nothing changed that can be changed while the node runs.".to_owned(),
        changed => format!("In force: {}.", changed.join(", ")),
    };
    if !done.waits.is_empty() {
        let waits = done.waits.join(", ");
        out.push_str(&format!("\nFrom the next start: {waits}. To do so now: antiphon down && antiphon up --detach"));
    }
    out
}
