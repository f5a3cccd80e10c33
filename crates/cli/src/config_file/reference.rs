//! The reference of all settings in the guide is made from the table, and held equal to it.

use std::fs;
use std::path::Path;

use super::all;
use super::setting::{Setting, Short, Takes};
use super::value::{Kind, Value, exact_size, span};

const BEGIN: &str = "<!-- settings: made from the table in crates/cli/src/config_file, see there -->\n";
const END: &str = "<!-- end of settings -->\n";

fn reference() -> String {
    let mut out = String::new();
    let mut table = "";
    for setting in all() {
        if setting.parts().0 != table {
            table = setting.parts().0;
            out.push_str(&format!(
                "\n### `[{table}]`\n\n| key | default | values | what it does | holds after |\n|---|---|---|---|---|\n"
            ));
        }
        out.push_str(&row(setting));
    }
    out.push_str(
        "\n### Names in the environment and flags\n\n| setting | in the environment | flag of `up` |\n|---|---|---|\n",
    );
    all().for_each(|setting| out.push_str(&names(setting)));
    out.push('\n');
    out
}

fn row(setting: &Setting) -> String {
    let default = match setting.default() {
        Value::Unset => setting.unset.to_owned(),
        Value::List(texts) if texts.is_empty() => setting.unset.to_owned(),
        Value::Map(_) => "as usual".to_owned(),
        Value::List(texts) => texts.iter().map(|text| format!("`{text}`")).collect::<Vec<_>>().join(", "),
        value => format!("`{}`", value.text()),
    };
    let holds = match setting.takes {
        Takes::Reload => "reload",
        Takes::Restart => "restart",
        Takes::Founding => "the home is made",
    };
    let (key, values) = (setting.parts().1, words(setting.kind));
    let key = if matches!(setting.kind, Kind::Map) { format!("`{key}.KIND`") } else { format!("`{key}`") };
    format!("| {key} | {default} | {values} | {} | {holds} |\n", setting.what)
}

/// What values there are.
fn words(kind: Kind) -> String {
    match kind {
        Kind::Text => "text".to_owned(),
        Kind::Flag => "`true` or `false`".to_owned(),
        Kind::Number { least, most } => format!("{least} to {most}"),
        Kind::Bytes { least, most } => format!("{} to {}", exact_size(least), exact_size(most)),
        Kind::Span { least, most } => format!("{} to {}", span(least), span(most)),
        Kind::Choice(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
        Kind::List => "list of texts".to_owned(),
        Kind::Map => "table of texts".to_owned(),
    }
}

fn names(setting: &Setting) -> String {
    let short = match setting.short {
        Some(Short::Same(name)) => format!(", `{name}`"),
        Some(Short::Not(name)) => format!(", the opposite: `{name}`"),
        None => String::new(),
    };
    let flag = setting.flag.map_or_else(|| format!("`--set {}=…`", setting.name), |flag| format!("`{flag}`"));
    format!("| `{}` | `{}`{short} | {flag} |\n", setting.name, setting.variable())
}

#[test]
fn the_reference_page_says_what_the_table_says() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide/configuration.md");
    let text = fs::read_to_string(&page).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (stands, after) = rest.split_once(END).unwrap();
    let made = reference();
    if std::env::var_os("ANTIPHON_BLESS").is_some() {
        fs::write(&page, format!("{before}{BEGIN}{made}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(stands, made, "run this test with ANTIPHON_BLESS=1 to write it anew");
}
