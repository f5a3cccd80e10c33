//! The readers of the files that people and other programs write, for whoever tries them with texts that nobody would
//! think of. The commands call the same functions; nothing here decides anything.

use std::path::Path;

use crate::config_file::edit::{self, Named};
use crate::config_file::{Environment, File, Resolved};
use crate::founding::Founding;
use crate::outcome::Problem;

pub use crate::commands::mcp::outside::{Written, has_entry, with_entry, without_entry};

/// What problems call the file.
pub const FILE: &str = "f.toml";

/// A setting and its value, as the program prints it for its developers.
pub type Set = (&'static str, String);

/// What a configuration sets, in the order in which settings are listed.
///
/// # Errors
/// What a person is told, which begins with the file and the line where one is to blame.
pub fn config(text: &str) -> Result<Vec<Set>, String> {
    let file = taken(text)?;
    Ok(file.given.iter().map(|given| (given.setting.name, format!("{:?}", given.value))).collect())
}

/// The configuration after the setting `name` was set to what it is there, as `antiphon config set` does. It is `text`
/// where nothing sets it.
///
/// # Errors
/// As [`config`].
pub fn config_set_again(text: &str, name: &str) -> Result<String, String> {
    let file = taken(text)?;
    let Some(given) = file.given.iter().find(|given| given.setting.name == name) else { return Ok(text.to_owned()) };
    let named = Named { setting: given.setting, line: None };
    edit::edited(text, &named, Some(&given.value), Path::new(FILE)).map_err(told)
}

/// The configuration after the setting `name` was taken out, as `antiphon config unset` does.
///
/// # Errors
/// As [`config`].
pub fn config_without(text: &str, name: &str) -> Result<String, String> {
    let named = Named::read(name).map_err(told)?;
    edit::edited(text, &named, None, Path::new(FILE)).map_err(told)
}

/// The genes that a founding file asks for, by their ids.
///
/// # Errors
/// As [`config`].
pub fn founding(text: &str) -> Result<Vec<(String, String)>, String> {
    Founding::parse(text, FILE).map(|founding| founding.all).map_err(told)
}

/// The file, if a node would start with it.
fn taken(text: &str) -> Result<File, String> {
    let file = File::parse(text, FILE).map_err(told)?;
    Resolved::of(&file, &Environment::default(), &[], FILE).map_err(told)?;
    Ok(file)
}

fn told(problem: Problem) -> String {
    problem.what
}
