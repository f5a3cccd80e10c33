//! Settings as they are shown: with their sources, and with what a running node does not go by yet.

use std::path::Path;

use antiphon_server::dto::{NextSettingDto, SettingDto, SettingsDto};

use super::file::NAME;
use super::resolve::Resolved;
use super::setting::Setting;
use super::value::Value;
use super::{Takes, all};
use crate::outcome::Problem;

/// Shows what holds. `next` is what is set by now, where that is not what holds; or why it cannot be used.
pub(crate) fn settings(home: &Path, holds: &Resolved, next: Option<Result<&Resolved, &Problem>>) -> SettingsDto {
    let file = home.join(NAME);
    let changed = |setting: &Setting| next.and_then(Result::ok).and_then(|next| next_of(setting, holds, next));
    SettingsDto {
        exists: file.exists(),
        file: file.display().to_string(),
        running: next.is_some(),
        problem: next.and_then(Result::err).cloned(),
        settings: all().map(|setting| SettingDto { next: changed(setting), ..shown(setting, holds) }).collect(),
    }
}

/// Settings that are not as they hold, by what it takes to make them hold.
pub(crate) fn differing<'a>(holds: &'a Resolved, next: &'a Resolved) -> impl Iterator<Item = &'static Setting> + 'a {
    all().filter(|setting| holds.value_of(setting) != next.value_of(setting))
}

fn shown(setting: &Setting, holds: &Resolved) -> SettingDto {
    let (value, source) = (holds.value_of(setting), holds.source_of(setting.name));
    SettingDto {
        key: setting.name.to_owned(),
        shown: setting.shown(&value),
        value: text(&value),
        default: setting.shown(&setting.default()),
        source: source.name().to_owned(),
        place: source.place(),
        what: setting.what.to_owned(),
        takes: setting.takes.name().to_owned(),
        environment: setting.variable(),
        flag: setting.flag.map(str::to_owned),
        next: None,
    }
}

fn next_of(setting: &Setting, holds: &Resolved, next: &Resolved) -> Option<NextSettingDto> {
    let (value, source) = (next.value_of(setting), next.source_of(setting.name));
    // The name of a node is in its log; what stands in the file is for homes that are not made yet.
    let matters = setting.takes != Takes::Founding && holds.value_of(setting) != value;
    matters.then(|| NextSettingDto {
        shown: setting.shown(&value),
        value: text(&value),
        source: source.name().to_owned(),
        place: source.place(),
        takes: setting.takes.name().to_owned(),
    })
}

fn text(value: &Value) -> Option<String> {
    (*value != Value::Unset).then(|| value.text())
}
