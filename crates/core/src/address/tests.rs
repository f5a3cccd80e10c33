use proptest::prelude::*;

use super::*;

const ALICE: &str = "ucxl://alice/backend_developer/shop/task-7/decision/x.md";

fn address(text: &str) -> Address {
    Address::parse(text).unwrap().0
}

fn refusal(text: &str) -> String {
    Address::parse(text).unwrap_err().to_string()
}

#[test]
fn every_form_names_the_same_document() {
    let forms = [
        (ALICE, Selector::Latest),
        ("ucxl://alice/backend_developer/shop/task-7/decision/x.md/", Selector::Latest),
        ("ucxl://alice/backend_developer/shop/task-7/*~3/decision/x.md", Selector::Version(3)),
        ("ucxl://alice:backend_developer@shop:task-7/*^/decision/x.md", Selector::Latest),
        ("ucxl://alice:backend_developer@shop:task-7/~~2/decision/x.md/", Selector::Back(2)),
        ("ucxl://alice:backend_developer@shop:task-7/^^1/decision/x.md", Selector::Forward(1)),
        ("ucxl://alice:backend_developer@shop:task-7/decision/x.md", Selector::Latest),
    ];
    for (text, selector) in forms {
        let (address, got) = Address::parse(text).unwrap();
        assert_eq!((address.to_string().as_str(), got), (ALICE, selector), "{text}");
        assert_eq!(address.id(), ContentId(Hash::of(ALICE.as_bytes()).0));
        assert_eq!(Address::read(text).is_ok(), text == ALICE, "{text}");
    }
}

#[test]
fn a_document_may_have_no_path() {
    for text in ["ucxl://a/r/p/t", "ucxl://a/r/p/t/", "ucxl://a:r@p:t", "ucxl://a:r@p:t/", "ucxl://a:r@p:t/*^/"] {
        let address = address(text);
        assert_eq!((address.path(), address.to_string().as_str()), ("", "ucxl://a/r/p/t"), "{text}");
        assert_eq!(address.at(Selector::Back(1)), "ucxl://a:r@p:t/~~1");
    }
}

#[test]
fn capitals_and_every_other_character_make_another_document() {
    let others = ["ucxl://Alice/r/p/t/x", "ucxl://alice/r/p/t/X", "ucxl://alice/r/p/t/x/y", "ucxl://alice/r/p/t"];
    for other in others {
        assert_ne!(address(other).id(), address("ucxl://alice/r/p/t/x").id());
    }
}

#[test]
fn what_is_no_address_is_told_which_component_it_is() {
    let word =
        |component: &str, text: &str| format!("the {component} {text:?} may hold only letters, digits, `_` and `-`");
    assert_eq!(refusal("ucxl://al ice/r/p/t"), word("agent", "al ice"));
    assert_eq!(refusal("ucxl://a/rôle/p/t"), word("role", "rôle"));
    assert_eq!(refusal("ucxl://a/r/p.q/t"), word("project", "p.q"));
    assert_eq!(refusal("ucxl://a:r@p:t~1/*^/x"), word("task", "t~1"));
    assert_eq!(refusal("ucxl://a/r"), "the project is missing: an address names agent, role, project and task");
    assert_eq!(refusal("ucxl://a//p/t"), "the role is missing: an address names agent, role, project and task");
    assert_eq!(refusal("ucxl://"), "the agent is missing: an address names agent, role, project and task");
    for (text, component) in [("any/r/p/t", "agent"), ("a/r/p/any", "task"), ("a/r/p/t/any", "path")] {
        let why = "which stands for every value in a search and cannot name a document";
        assert_eq!(refusal(&format!("ucxl://{text}")), format!("the {component} is `any`, {why}"));
    }
    assert_eq!(address("ucxl://Any/anyone/any1/a-any/many/any.md").agent(), "Any");
    assert!(refusal("http://a/r/p/t").starts_with("an address begins with `ucxl://`"));
    assert!(refusal("UCXL://a/r/p/t").starts_with("an address begins with `ucxl://`"));
    assert_eq!(refusal("ucxl://a:r@p/x"), "\"a:r@p\" is neither agent/role/project/task nor agent:role@project:task");
}

#[test]
fn a_path_stays_below_its_task_and_has_one_spelling() {
    let path = |text: &str| refusal(&format!("ucxl://a/r/p/t/{text}"));
    for text in ["../../etc/passwd", "a..b", "x/.."] {
        assert_eq!(path(text), format!("the path {text:?}: it may not hold `..`"));
    }
    for text in ["/", "/x", "x//y", "x//"] {
        assert_eq!(path(text), format!("the path {text:?}: it may not hold an empty segment"));
    }
    for text in [".", "./x", "x/./y"] {
        assert_eq!(path(text), format!("the path {text:?}: it may not hold the segment `.`"));
    }
    for text in ["x y", "x?v=1", "x#y", "x\\y", "x%2e", "x\0", "ü"] {
        assert_eq!(path(text), format!("the path {text:?}: {}", error::PATH_ALLOWED));
    }
    assert_eq!(address("ucxl://a/r/p/t/.hidden/x.tar.gz").path(), ".hidden/x.tar.gz");
}

#[test]
fn a_selector_stands_after_the_task_and_has_one_spelling() {
    for text in ["*", "*~", "*~0", "*~01", "~~-1", "^^+1", "*~1x", "^^^", "*^1", "~~18446744073709551616", "~^1"] {
        let refused = refusal(&format!("ucxl://a:r@p:t/{text}/x"));
        assert!(refused.starts_with(&format!("{text:?} chooses no version")), "{refused}");
    }
    assert_eq!(
        refusal("ucxl://a/r/p/t/x/*~3"),
        "the path \"x/*~3\" holds what chooses a version: that stands right after the task"
    );
}

#[test]
fn an_address_has_512_bytes_however_it_is_written() {
    let fixed = "ucxl://a/r/p/t/".len();
    let longest = "x".repeat(ADDRESS_BYTES_MAX - fixed);
    for form in [format!("a/r/p/t/{longest}"), format!("a:r@p:t/~~{}/{longest}/", u64::MAX)] {
        assert_eq!(address(&format!("ucxl://{form}")).to_string().len(), ADDRESS_BYTES_MAX);
    }
    assert_eq!(refusal(&format!("ucxl://a/r/p/t/{longest}x")), "an address of 513 bytes, the limit is 512");
    assert!(matches!(Address::parse(&"ü".repeat(100_000)), Err(Error::TooLong(200_000))));
}

#[test]
fn a_selector_chooses_among_the_versions_there_are() {
    let versions = [1, 2, 2, 5];
    let chosen = |text: &str| text.parse::<Selector>().unwrap().choose(&versions);
    assert_eq!(["*^", "~~0", "~~1", "~~3", "~~4"].map(chosen), [Some(3), Some(3), Some(2), Some(0), None]);
    assert_eq!(["^^0", "^^3", "^^4"].map(chosen), [Some(0), Some(3), None]);
    assert_eq!(["*~1", "*~2", "*~3", "*~5"].map(chosen), [Some(0), Some(2), None, Some(3)]);
    assert_eq!(Selector::Latest.choose(&[]), None);
    assert_eq!(Selector::Back(u64::MAX).choose(&versions), None);
}

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).unwrap()
}

#[test]
fn a_search_finds_what_it_names_and_whatever_it_leaves_open() {
    let meant = [
        "ucxl://",
        "ucxl://alice",
        "ucxl://alice/",
        "ucxl://any/any/shop",
        "ucxl://any/any/shop/any/decision",
        "ucxl://any/backend_developer/any/any/any",
        "ucxl://any:any@shop:task-7",
        "ucxl://any:any@shop:any/*^/decision/x.md",
        ALICE,
    ];
    for text in meant {
        assert!(pattern(text).matches(&address(ALICE)), "{text}");
    }
    let others = ["ucxl://bob", "ucxl://any/any/sho", "ucxl://any/any/any/any/decisio", "ucxl://any/any/any/any/x.md"];
    for text in others {
        assert!(!pattern(text).matches(&address(ALICE)), "{text}");
    }
    assert_eq!(pattern("ucxl://any/any/shop/").to_string(), "ucxl://any/any/shop/any");
    assert_eq!(Pattern::any().with(Component::Task, "task-7").unwrap().to_string(), "ucxl://any/any/any/task-7");
}

#[test]
fn a_search_says_what_it_cannot_mean() {
    let refusal = |text: &str| Pattern::parse(text).unwrap_err().to_string();
    assert_eq!(refusal("ucxl://any:any@any:any/~~1/x"), "~~1 chooses a version, which a search does not");
    assert_eq!(refusal("ucxl://a*/r"), "the agent \"a*\" may hold only letters, digits, `_` and `-`");
    assert_eq!(refusal("ucxl://a//p"), "the role is missing: an address names agent, role, project and task");
    assert!(refusal("ucxl://a/r/p/t/any/x").contains("`any` stands for the whole path, not for a part of it"));
    assert!(Pattern::any().with(Component::Path, "x/../y").is_err());
}

#[test]
fn a_dht_key_is_one_whatever_slashes_the_prefix_has() {
    let key = address("ucxl://a/r/p/t").dht_key("antiphon/0011223344556677");
    assert!(key.starts_with("/antiphon/0011223344556677/ucxl/"));
    assert_eq!((key.len(), key.contains('=')), ("/antiphon/0011223344556677/ucxl/".len() + 43, false));
    assert_eq!(address("ucxl://a/r/p/t").dht_key("/antiphon/0011223344556677/"), key);
}

fn any_address() -> impl Strategy<Value = Address> {
    let word = "[A-Za-z0-9_-]{1,24}";
    let path = proptest::collection::vec("[A-Za-z0-9_-]{1,12}(\\.[a-z]{1,3})?", 0..5);
    (word, word, word, word, path).prop_filter_map("`any` names nothing", |(agent, role, project, task, path)| {
        Address::new(&agent, &role, &project, &task, &path.join("/")).ok()
    })
}

fn any_selector() -> impl Strategy<Value = Selector> {
    prop_oneof![
        Just(Selector::Latest),
        (1..=u64::MAX).prop_map(Selector::Version),
        any::<u64>().prop_map(Selector::Back),
        any::<u64>().prop_map(Selector::Forward),
    ]
}

proptest! {
    #[test]
    fn an_address_reads_back_from_both_forms(address in any_address(), selector in any_selector()) {
        prop_assert_eq!(Address::read(&address.to_string()), Ok(address.clone()));
        prop_assert_eq!(Address::parse(&address.at(selector)), Ok((address.clone(), selector)));
        prop_assert_eq!(selector.to_string().parse(), Ok(selector));
        let meant = Pattern::from(&address);
        prop_assert!(meant.matches(&address));
        prop_assert_eq!(Pattern::parse(&meant.to_string()), Ok(meant));
    }

    #[test]
    fn whatever_is_read_is_written_in_one_way(text in "(ucxl://)?[a-c:@/.*~^0-2]{0,24}|\\PC{0,40}") {
        if let Ok((address, selector)) = Address::parse(&text) {
            prop_assert_eq!(Address::read(&address.to_string()), Ok(address.clone()));
            prop_assert_eq!(Address::parse(&address.at(selector)), Ok((address, selector)));
        }
        if let Ok(pattern) = Pattern::parse(&text) {
            prop_assert_eq!(Pattern::parse(&pattern.to_string()), Ok(pattern));
        }
    }
}
