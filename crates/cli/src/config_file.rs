//! The configuration of a home: what a person wants of this node, from the file `antiphon.toml`, the environment and flags.
//!
//! Every setting stands in one table, [`all`], put together from a file for each TOML table here. Reading, checking,
//! showing, editing and documenting settings go by it alone. What is said nearer to the start goes before what is said
//! further away: defaults, file, environment, flags.
//!
//! A slip must not pass as a setting: every key must be known, every value must make sense, and whatever is wrong is told
//! with its place.

mod content;
mod dht;
mod doctor;
pub(crate) mod edit;
mod environment;
mod file;
mod http;
mod network;
mod node;
mod outbox;
#[cfg(test)]
mod reference;
mod replication;
mod resolve;
mod setting;
pub(crate) mod shown;
mod storage;
mod value;
mod wanted;

use crate::toml_reader::nearest;

pub(crate) use environment::Environment;
pub(crate) use file::{File, NAME};
pub(crate) use http::LISTEN as HTTP_LISTEN;
pub(crate) use resolve::{Given, Resolved};
pub(crate) use setting::{Setting, Takes};
pub(crate) use wanted::Wanted;

/// What names in the environment begin with.
const PREFIX: &str = "ANTIPHON_";

/// Every setting, in the order of the names.
pub(crate) fn all() -> impl Iterator<Item = &'static Setting> {
    let tables = [
        content::SETTINGS,
        dht::SETTINGS,
        doctor::SETTINGS,
        http::SETTINGS,
        network::SETTINGS,
        node::SETTINGS,
        outbox::SETTINGS,
        replication::SETTINGS,
        storage::SETTINGS,
    ];
    tables.into_iter().flatten()
}

/// The setting of this name.
pub(crate) fn find(name: &str) -> Option<&'static Setting> {
    all().find(|setting| setting.name == name)
}

/// The name of a setting that is most like `name`.
pub(crate) fn near(name: &str) -> Option<&'static str> {
    // Whoever writes the key alone means that key.
    let key = all().find(|setting| setting.parts().1 == name).map(|setting| setting.name);
    key.or_else(|| nearest(name, all().map(|setting| setting.name)))
}

/// What must hold between settings. A check may mend a default; it names the setting that is wrong.
fn agree(wanted: &mut Wanted, is_set: &dyn Fn(&str) -> bool) -> Result<(), (&'static str, setting::Wrong)> {
    http::agree(wanted)?;
    replication::agree(wanted, is_set)
}

#[cfg(test)]
mod tests {
    use super::value::Value;
    use super::*;

    #[test]
    fn every_setting_has_one_name_one_place_and_a_default_that_it_takes() {
        let names: Vec<&str> = all().map(|setting| setting.name).collect();
        assert!(names.windows(2).all(|pair| pair[0] < pair[1]), "{names:?}");
        for setting in all() {
            let (table, key) = setting.parts();
            assert!(!table.is_empty() && !key.contains('.') && !setting.what.is_empty(), "{}", setting.name);
            let (mut wanted, default) = (Wanted::default(), setting.default());
            (setting.set)(&mut wanted, &default).unwrap();
            assert_eq!(wanted, Wanted::default(), "{}: setting the default changes nothing", setting.name);
            if default != Value::Unset {
                let again =
                    setting.kind.parse(&default.text()).unwrap_or_else(|wrong| panic!("{}: {wrong:?}", setting.name));
                assert_eq!(again, default, "{}", setting.name);
            }
        }
    }

    #[test]
    fn a_name_that_is_not_known_has_a_nearest() {
        assert_eq!(near("outbox.retrys"), Some("outbox.retry"));
        assert_eq!(near("retry"), Some("outbox.retry"));
        assert_eq!(near("xyzzy"), None);
    }
}
