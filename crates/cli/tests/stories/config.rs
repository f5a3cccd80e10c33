//! Settings: where each comes from, changing them, and having a running node go by them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::Value;

use crate::common::{Machine, finish, until};

fn toml(machine: &Machine) -> std::path::PathBuf {
    machine.home().join("antiphon.toml")
}

/// One setting of `config show`.
#[track_caller]
fn setting(machine: &Machine, key: &str) -> Value {
    let shown = machine.json(&["config", "show"]);
    let settings = shown["settings"].as_array().unwrap();
    settings.iter().find(|setting| setting["key"] == key).unwrap_or_else(|| panic!("{key}: {shown:#}")).clone()
}

fn hang_up(machine: &Machine) {
    let pid = fs::read_to_string(machine.home().join("node.lock")).unwrap();
    assert!(Command::new("kill").args(["-HUP", pid.trim()]).status().unwrap().success());
}

fn problems(machine: &Machine) -> String {
    machine.json(&["status"])["problems"].to_string()
}

#[test]
fn every_value_says_where_it_came_from() {
    let alice = Machine::new("alice");
    let check = |key: &str, value: &str, source: &str, place: Option<&str>| {
        let setting = setting(&alice, key);
        assert_eq!((&setting["value"], &setting["source"]), (&value.into(), &source.into()), "{setting:#}");
        assert_eq!(setting["place"].as_str(), place, "{setting:#}");
    };
    check("outbox.retry", "15s", "default", None);
    assert!(!alice.home().join("node.key").exists(), "asking makes no node");
    alice.run(&["config", "set", "outbox.retry", "5s"]).good();
    check("outbox.retry", "5s", "file", Some("antiphon.toml:2"));
    check("http.listen", "127.0.0.1:0", "environment", Some("ANTIPHON_HTTP"));
    check("node.mdns", "false", "environment", Some("ANTIPHON_NO_MDNS"));
    alice.run(&["up", "--detach", "--outbox-retry", "3s", "--set", "content.cache=1MiB"]).good();
    check("outbox.retry", "3s", "flag", Some("--outbox-retry"));
    check("content.cache", "1MiB", "flag", Some("--set"));
    let words = alice.run(&["config", "show", "outbox.retry"]).good().stdout;
    for word in ["outbox.retry", "3s", "--outbox-retry", "ANTIPHON_OUTBOX_RETRY", "default 15s", "running node"] {
        assert!(words.contains(word), "{word}: {words}");
    }
    assert_eq!(alice.run(&["config", "get", "outbox.retry"]).good().stdout, "3s\n");
    assert_eq!(alice.run(&["config", "get", "outbox.levels.message"]).good().stdout, "critical\n");
    let written = alice.json(&["config", "set", "outbox.retry", "9s"]);
    assert_eq!(written["hidden_by"], "--outbox-retry", "what goes before the file is said: {written:#}");
}

#[test]
fn settings_that_belong_together_are_set_by_one_command() {
    let alice = Machine::new("alice");
    alice.run(&["config", "set", "http.tls_cert", "c.pem"]).refused(2, &["http.tls_key"]);
    alice.run(&["config", "set", "http.tls_cert", "c.pem", "http.tls_key"]).refused(2, &["http.tls_key", "no value"]);
    assert!(!toml(&alice).exists());
    let run = alice.run(&["config", "set", "http.tls_cert", "c.pem", "http.tls_key", "k.pem", "--json"]).good();
    let lines: Vec<Value> = run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.iter().map(|line| &line["key"]).collect::<Vec<_>>(), ["http.tls_cert", "http.tls_key"]);
    assert_eq!(alice.run(&["config", "get", "http.tls_key"]).good().stdout, "k.pem\n");
    alice.run(&["config", "unset", "http.tls_key"]).refused(2, &["http.tls_key"]);
    alice.run(&["config", "unset", "http.tls_cert", "http.tls_key"]).good();
    assert!(!fs::read_to_string(toml(&alice)).unwrap().contains("pem"));
}

#[test]
fn a_change_of_the_file_keeps_what_a_person_wrote_there() {
    let alice = Machine::new("alice");
    fs::create_dir_all(alice.home()).unwrap();
    let text = "# this machine is slow\n[outbox]\nretry = \"1m\"   # not so often\n\n[storage]\noffer = true\n";
    fs::write(toml(&alice), text).unwrap();
    fs::set_permissions(toml(&alice), fs::Permissions::from_mode(0o640)).unwrap();
    let written = alice.json(&["config", "set", "outbox.retry", "2m"]);
    assert_eq!((&written["changed"], &written["needs"]), (&true.into(), &"nothing".into()), "{written:#}");
    assert_eq!(fs::read_to_string(toml(&alice)).unwrap(), text.replace("1m", "2m"));
    assert_eq!(fs::metadata(toml(&alice)).unwrap().permissions().mode() & 0o777, 0o640);
    alice.run(&["config", "set", "outbox.retry", "soon"]).refused(2, &["outbox.retry", "15s"]);
    alice.run(&["config", "set", "outbox.retries", "5s"]).refused(3, &["outbox.retries", "outbox.retry"]);
    alice.run(&["config", "get", "retry"]).refused(3, &["outbox.retry"]);
    assert_eq!(fs::read_to_string(toml(&alice)).unwrap(), text.replace("1m", "2m"), "what is refused changes nothing");
    alice.run(&["config", "unset", "outbox.retry"]).good();
    assert_eq!(alice.run(&["config", "get", "outbox.retry"]).good().stdout, "15s\n");
    let path = alice.run(&["config", "path"]).good().stdout;
    assert_eq!(path.trim(), toml(&alice).display().to_string());
}

#[test]
fn a_running_node_goes_by_what_can_be_changed_and_names_the_rest() {
    let alice = Machine::new("alice");
    alice.remember("she runs");
    let written = alice.json(&["config", "set", "storage.quota_mib", "7"]);
    assert_eq!((&written["needs"], &written["command"]), (&"reload".into(), &"antiphon config reload".into()));
    assert_eq!(setting(&alice, "storage.quota_mib")["next"]["value"], "7", "it does not hold yet");
    assert_eq!(alice.json(&["config", "reload"])["changed"], serde_json::json!(["storage.quota_mib"]));
    assert_eq!(alice.json(&["federation", "status"])["storage"]["quota_bytes"], 7 << 20);
    assert_eq!(setting(&alice, "storage.quota_mib")["next"], Value::Null);
    let written = alice.json(&["config", "set", "network.relay", "true"]);
    assert_eq!(written["needs"], "restart", "{written:#}");
    assert!(written["command"].as_str().unwrap().contains("antiphon down"), "{written:#}");
    let done = alice.json(&["config", "reload"]);
    assert_eq!((&done["changed"], &done["waits"]), (&serde_json::json!([]), &serde_json::json!(["network.relay"])));
    assert!(problems(&alice).contains("network.relay"), "{}", problems(&alice));
    alice.run(&["down"]).good();
    alice.run(&["up", "--detach"]).good();
    assert!(!problems(&alice).contains("network.relay"));
    assert_eq!(setting(&alice, "network.relay")["value"], "true");
    alice.run(&["down"]).good();
    alice.run(&["config", "reload"]).refused(5, &["no node is running", "antiphon up"]);
}

#[test]
fn sighup_takes_over_a_file_as_a_whole_or_not_at_all() {
    let alice = Machine::new("alice");
    fs::create_dir_all(alice.home()).unwrap();
    fs::write(toml(&alice), "[outbox]\nitems_per_peer = 11\n").unwrap();
    alice.remember("she runs");
    let bound = || alice.json(&["outbox", "stats"])["bounds"]["items_per_peer"].as_u64().unwrap();
    assert_eq!(bound(), 11);
    fs::write(toml(&alice), "[outbox]\nitems_per_peer = 12\nlevels.planner = \"none\"\n[node]\nlog = \"debug\"\n")
        .unwrap();
    hang_up(&alice);
    until("the new bound holds", || bound() == 12);
    let levels = alice.json(&["outbox", "levels"])["levels"].to_string();
    assert!(levels.contains("\"kind\":\"planner\",\"level\":\"none\"") || levels.contains("none"), "{levels}");
    until("the log says more", || alice.log().contains("DEBUG"));
    fs::write(toml(&alice), "[outbox]\nitems_per_peer = 13\nretri = \"5s\"\n").unwrap();
    hang_up(&alice);
    until("the slip is told", || problems(&alice).contains("retri"));
    assert_eq!(bound(), 12, "of a file with a slip nothing holds");
    assert!(problems(&alice).contains("antiphon config reload") && alice.log().contains("nothing changed"));
    let refused = alice.run(&["config", "reload"]);
    refused.refused(2, &["antiphon.toml:3", "outbox.retri", "did you mean retry?"]);
    fs::write(toml(&alice), "[outbox]\nitems_per_peer = 13\n").unwrap();
    hang_up(&alice);
    until("the mended file holds", || bound() == 13 && !problems(&alice).contains("retri"));
    assert_eq!(alice.recall("runs"), ["she runs"], "the node went on all the while");
}

#[test]
fn every_setting_that_can_change_does_so_at_once() {
    let alice = Machine::new("alice");
    alice.remember("she runs");
    let text = "[content]\ncache = \"1MiB\"\n[replication]\nfactor = 5\ngrace = \"7s\"\nconcurrent = 2\n[storage]\noffer = false\n\
                reserve = \"2MiB\"\n[node]\npeer_timeout = \"9m\"\n[doctor]\nstuck_after = \"2h\"\n[outbox]\nretry = \"2s\"\n";
    fs::write(toml(&alice), text).unwrap();
    let changed = alice.json(&["config", "reload"])["changed"].to_string();
    for key in
        ["content.cache", "replication.factor", "storage.offer", "storage.reserve", "node.peer_timeout", "outbox.retry"]
    {
        assert!(changed.contains(key), "{key}: {changed}");
    }
    let copies = alice.json(&["replication", "metrics"])["settings"].clone();
    assert_eq!(
        (&copies["factor"], &copies["grace_ms"], &copies["concurrent"]),
        (&5.into(), &7_000.into(), &2.into()),
        "{copies:#}"
    );
    assert_eq!(alice.json(&["federation", "status"])["storage"]["offer"], false);
    let shown = alice.json(&["config", "show"]);
    let waits = shown["settings"].as_array().unwrap().iter().filter(|setting| !setting["next"].is_null()).count();
    assert_eq!(waits, 0, "{shown:#}");
}

#[test]
fn a_slip_in_the_environment_is_noticed() {
    let alice = Machine::new("alice");
    let mut command = alice.command(&["config", "get", "outbox.retry"]);
    command.env("ANTIPHON_OUTBOX_RETRYS", "5s").env("ANTIPHON_TEST_ANYTHING", "1");
    let run = finish(command, b"").good();
    assert!(
        run.stderr.contains("ANTIPHON_OUTBOX_RETRYS") && run.stderr.contains("did you mean ANTIPHON_OUTBOX_RETRY?"),
        "{run:#?}"
    );
    assert!(!run.stderr.contains("ANTIPHON_TEST_ANYTHING") && !run.stderr.contains("ANTIPHON_HTTP"), "{run:#?}");
    let mut command = alice.command(&["up", "--detach"]);
    command.env("ANTIPHON_OUTBOX_RETRY", "soon");
    finish(command, b"").refused(2, &["ANTIPHON_OUTBOX_RETRY", "15s"]);
    assert!(!alice.home().join("node.key").exists(), "a slip makes nothing");
    alice
        .run(&["up", "--detach", "--set", "outbox.retri=5s"])
        .refused(2, &["outbox.retri", "did you mean outbox.retry?"]);
}

#[test]
fn two_profiles_are_two_nodes_with_ports_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| {
        let machine = Machine::at("unused", dir.path().join("unused"));
        let mut command = machine.command(args);
        command.env_remove("ANTIPHON_HOME").env_remove("ANTIPHON_NAME").env("XDG_DATA_HOME", dir.path());
        // Dropping the machine stops nothing that runs: its own home holds no node.
        finish(command, b"")
    };
    let json = |args: &[&str]| run(&[&["--json"], args].concat()).good().json();
    for profile in ["work", "play"] {
        run(&["--profile", profile, "up", "--detach", "--name", profile, "--no-recovery"]).good();
        run(&["--profile", profile, "remember", &format!("only at {profile}")]).good();
    }
    let (work, play) = (json(&["--profile", "work", "status"]), json(&["--profile", "play", "status"]));
    assert_ne!(work["node_id"], play["node_id"]);
    assert_ne!(work["team"]["id"], play["team"]["id"]);
    assert_ne!(work["http"], play["http"]);
    assert_ne!(work["listen"], play["listen"]);
    assert_eq!(json(&["--profile", "work", "recall", "only"]).as_array().unwrap().len(), 1);
    let path = run(&["--profile", "work", "config", "path"]).good().stdout;
    assert_eq!(path.trim(), dir.path().join("antiphon/work/antiphon.toml").display().to_string());
    run(&["--profile", "work", "config", "set", "storage.offer", "false"]).good();
    assert_eq!(run(&["--profile", "play", "config", "get", "storage.offer"]).good().stdout, "true\n");
    run(&["--profile", "../x", "status"]).refused(2, &["profile name"]);
    run(&["--profile", "work", "--home", "/tmp/x", "status"])
        .code
        .checked_sub(2)
        .map(|rest| assert_eq!(rest, 0))
        .unwrap();
    for shell in ["bash", "zsh", "fish"] {
        assert!(run(&["completions", shell]).good().stdout.contains("--profile"), "{shell}");
    }
    for profile in ["work", "play"] {
        run(&["--profile", profile, "down"]).good();
    }
}
