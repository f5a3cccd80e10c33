//! Addresses with what they mean, texts that are none with the reason, and searches with what they find.

use antiphon_core::address::{Address, Pattern};
use serde_json::{Value, json};

/// Texts in every form, good and bad.
const TEXTS: [&str; 40] = [
    "ucxl://agent001/backend_developer/project123/task456/decision/x",
    "ucxl://agent001/backend_developer/project123/task456/decision/x/",
    "ucxl://agent001:backend_developer@project123:task456/*^/decision/x",
    "ucxl://agent001:backend_developer@project123:task456/decision/x",
    "ucxl://agent001:backend_developer@project123:task456/*~3/decision/x",
    "ucxl://agent001/backend_developer/project123/task456/*~3/decision/x",
    "ucxl://agent001/backend_developer/project123/task456/~~0/decision/x",
    "ucxl://agent001/backend_developer/project123/task456/^^18446744073709551615/decision/x",
    "ucxl://a/r/p/t",
    "ucxl://a/r/p/t/",
    "ucxl://a:r@p:t",
    "ucxl://a:r@p:t/*^",
    "ucxl://A-_9/r/p/t/.hidden/x_y-1.tar.gz",
    "ucxl://Any/anyone/any1/a-any/many/any.md",
    "",
    "ucxl:/a/r/p/t",
    "UCXL://a/r/p/t",
    "http://a/r/p/t",
    "ucxl://",
    "ucxl://a",
    "ucxl://a//p/t",
    "ucxl://a:r@p/t",
    "ucxl://a@p:t",
    "ucxl://a:r:x@p:t",
    "ucxl://any/r/p/t",
    "ucxl://a/r/p/any",
    "ucxl://a/r/p/t/any",
    "ucxl://a b/r/p/t",
    "ucxl://a/r\u{f4}le/p/t",
    "ucxl://a/r/p.q/t",
    "ucxl://a/r/p/t/../x",
    "ucxl://a/r/p/t/x..y",
    "ucxl://a/r/p/t/x//y",
    "ucxl://a/r/p/t/./x",
    "ucxl://a/r/p/t/x y",
    "ucxl://a/r/p/t/x/*~3",
    "ucxl://a/r/p/t/*~0/x",
    "ucxl://a/r/p/t/*~01/x",
    "ucxl://a/r/p/t/~~18446744073709551616/x",
    "ucxl://a/r/p/t/**/x",
];

const SEARCHES: [&str; 14] = [
    "ucxl://",
    "ucxl://alice",
    "ucxl://alice/any/any/any",
    "ucxl://any/backend_developer",
    "ucxl://any:any@shop:any",
    "ucxl://any:any@shop:any/*^/decision",
    "ucxl://any/any/any/any/decision/x.md",
    "ucxl://any/any/any/any/decisio",
    "ucxl://ALICE",
    "ucxl://bob/any/shop/",
    "ucxl://any/any/any/any/*~1/decision",
    "ucxl://any/any/any/any/any/x",
    "ucxl://a*",
    "ucxl://alice//shop",
];

const FOUND_AMONG: [&str; 3] = [
    "ucxl://alice/backend_developer/shop/task-7/decision/x.md",
    "ucxl://alice/qa_engineer/till/task-8",
    "ucxl://bob/backend_developer/shop/task-7/decisions",
];

/// The length of an address is judged in its canonical form.
fn long(bytes: usize) -> String {
    let fixed = "ucxl://a/r/p/t/";
    format!("{fixed}{}", "x".repeat(bytes - fixed.len()))
}

fn address(text: &str) -> Value {
    let (address, selector) = match Address::parse(text) {
        Ok(read) => read,
        Err(refused) => return json!({ "text": text, "expect": refused.to_string() }),
    };
    json!({
        "text": text,
        "expect": "valid",
        "canonical": address.to_string(),
        "selector": selector.to_string(),
        "components": [address.agent(), address.role(), address.project(), address.task(), address.path()],
        "id": address.id().to_string(),
        "dht_key": address.dht_key("/antiphon/0011223344556677"),
    })
}

fn search(text: &str) -> Value {
    let pattern = match Pattern::parse(text) {
        Ok(pattern) => pattern,
        Err(refused) => return json!({ "text": text, "expect": refused.to_string() }),
    };
    let found = FOUND_AMONG.into_iter().filter(|text| pattern.matches(&Address::read(text).unwrap()));
    json!({ "text": text, "expect": "valid", "canonical": pattern.to_string(), "finds": found.collect::<Vec<_>>() })
}

pub(crate) fn addresses() -> Value {
    let long = [long(512), long(513)];
    let texts = TEXTS.into_iter().chain(long.iter().map(String::as_str));
    json!({
        "addresses": texts.map(address).collect::<Vec<_>>(),
        "found_among": FOUND_AMONG,
        "searches": SEARCHES.into_iter().map(search).collect::<Vec<_>>(),
    })
}
