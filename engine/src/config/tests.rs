//! Whole configurations: what is read, what is refused, and that the manual and the shipped file say
//! what the code does.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use eg_settings::log::{Level, LogType};
use eg_settings::{ConfigFaults, Fallback, Kind, Overrides, hold_page, in_tree, with_manual_table};

use super::*;

const KEY: &str = "0123456789abcdef";
const SECRET: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// The least that a configuration needs, with `extra` at its end.
fn least(extra: &str) -> String {
    format!("[connectors.squid]\nkey = \"{KEY}\"\n[captive_portal]\nsecret = \"{SECRET}\"\n{extra}")
}

fn read(text: &str) -> Result<Loaded, ConfigFaults> {
    load_text(PathBuf::from("/srv/eg/engine.conf"), text, &Overrides::default())
}

/// The one fault of `text`.
fn fault(text: &str) -> String {
    let faults = read(text).unwrap_err();
    assert_eq!(faults.faults.len(), 1, "{faults}");
    faults.to_string()
}

#[test]
fn the_least_configuration_has_the_defaults_of_the_manual() {
    let loaded = read(&least("")).unwrap();
    let config = loaded.config;
    assert_eq!(config.global.threads.get(), 4);
    assert_eq!(config.connectors[0].port, 11224);
    assert_eq!(config.connectors[0].peers.len(), 2);
    assert_eq!(config.connectors[0].path, Path::new("/run/enforcegate/squid.sock"));
    assert_eq!(config.control.address.to_string(), "0.0.0.0:11225");
    assert_eq!(config.control.key, Path::new("/srv/eg/conf/ssl/key.pem"));
    assert_eq!(config.policy.shrink_guard_percent, 20);
    assert_eq!(config.policy.default_action, eg_policy::verdict::Action::Permit);
    assert_eq!(config.captive_portal.redirect_status.code(), 302);
    assert_eq!(config.captive_portal.ack_token_max_age.as_secs(), 300);
    assert_eq!(config.logging.level, Level::Error);
    assert_eq!(config.audit.verdicts, Verdicts::Blocked);
    assert!(config.license.is_none() && config.learning.is_none());
    assert!(config.metrics.listen.is_none() && config.cluster.url.is_none());
    assert_eq!(config.not_yet, Vec::<String>::new());
    assert_eq!(weakenings(&read(&least("")).unwrap().config), []);
    assert_eq!(loaded.warnings, Vec::<String>::new());
}

#[test]
fn every_key_can_be_set() {
    for key in ENGINE_CONF.keys {
        let Fallback::Value(value) = key.default else { continue };
        let quoted = match key.kind {
            Kind::Switch | Kind::Integer { .. } | Kind::Number(_) => value.to_owned(),
            _ => format!("\"{value}\""),
        };
        let line = format!("{} = {quoted}\n", key.name);
        let text = match key.section {
            "" => format!("{line}{}", least("")),
            keys::CONNECTORS | "captive_portal" => least("").replace(
                &format!("[{}]\n", key.section.replace("<name>", "squid")),
                &format!("[{}]\n{line}", key.section.replace("<name>", "squid")),
            ),
            "license" => least(&format!(
                "[license]\nserial = \"ABCDE-1234-5678-9ABC-D\"\nusername = \"u\"\npassword = \"p\"\n{line}"
            )),
            section => least(&format!("[{section}]\n{line}")),
        };
        assert!(text.contains(&line), "{}", key.full_name());
        if let Err(faults) = read(&text) {
            panic!("{}: {faults}", key.full_name());
        }
    }
}

#[test]
fn wrong_values_are_refused_with_their_line() {
    for (extra, expected) in [
        ("[global]\nthreads = 0\n", ":6:1: `threads` is 0; it must be 1 to 256"),
        ("[control]\nport = 70000\n", ":6:1: `port` is 70000; it must be 1 to 65535"),
        (
            "[control]\nip = \"localhost\"\n",
            ":6:1: `ip` is `localhost`, which is not an IP address",
        ),
        (
            "[policy]\ndefault_action = \"allow\"\n",
            ":6:1: `default_action` is `allow`; it must be `permit`, `deny`, `warn`, `aup`",
        ),
        ("[policy]\npath = \"\"\n", ":6:1: `path` in `[policy]` must not be empty"),
        (
            "[policy]\ntime_window_tz = \"Mars/Olympus\"\n",
            ":6:1: `time_window_tz` is `Mars/Olympus`",
        ),
        ("[policy]\nshrink_guard_percent = 101\n", "it must be 0 to 100"),
        ("[metrics]\nlisten = \"9100\"\n", ":6:1: `listen` is `9100`"),
        ("[logging]\ntype = \"journal\"\n", ":6:1: `type` is `journal`; it must be"),
        ("[logging]\nlevel = \"loud\"\n", ":6:1: `level` is `loud`"),
        ("[control]\nip = \"127.0.0.1\"\nport = 11224\n", "give one of them another port"),
        ("[control]\nport = 11224\n", "give one of them another port"),
        ("[control]\nkey = \"a\"\ncert = \"a\"\n", ":7:1: `key` and `cert` are the same file"),
        (
            "[license]\nserial = \"1\"\nusername = \"u\"\npassword = \"p\"\n",
            ":6:1: `serial` is `1`; it has 22 characters",
        ),
        (
            "[license]\nserial = \"ABCDE-1234-5678-9ABC-D\"\nusername = \"u\"\n",
            ":5:2: `password` in `[license]` is required",
        ),
    ] {
        let found = fault(&least(extra));
        assert!(found.contains(expected), "`{expected}` is not in: {found}");
    }
}

#[test]
fn connectors_need_a_key_and_peers() {
    for (table, expected) in [
        ("", "is required in `[connectors.a]`"),
        ("key = \"short\"\n", "at least 16"),
        ("key_file = \"/nowhere\"\n", "cannot read `/nowhere`"),
        ("key = \"0123456789abcdef\"\nkey_file = \"k\"\n", "both given"),
        (
            "key = \"0123456789abcdef\"\nip = \"0.0.0.0\"\n",
            "`peers` is required in `[connectors.a]`",
        ),
        ("key = \"0123456789abcdef\"\npeers = []\n", "`peers` is empty"),
        ("key = \"0123456789abcdef\"\npeers = [\"localhost\"]\n", "neither an address nor a CIDR"),
        (
            "key = \"0123456789abcdef\"\nnet = \"socket\"\npeers = [\"192.0.2.1\"]\n",
            "`peers` does not apply where `net` is `socket`",
        ),
        ("key = \"0123456789abcdef\"\nnet = \"socket\"\nip = \"::1\"\n", "`ip` does not apply"),
        ("key = \"0123456789abcdef\"\nnet = \"socket\"\nport = 1\n", "`port` does not apply"),
        ("key = \"0123456789abcdef\"\npath = \"/x\"\n", "`path` belongs to `net = \"socket\"`"),
    ] {
        let text = format!("[captive_portal]\nsecret = \"{SECRET}\"\n[connectors.a]\n{table}");
        let found = fault(&text);
        assert!(found.contains(expected), "`{expected}` is not in: {found}");
    }
    let long = format!("key = \"{KEY}\"\nnet = \"socket\"\npath = \"/{}\"\n", "x".repeat(107));
    let long = fault(&format!("[captive_portal]\nsecret = \"{SECRET}\"\n[connectors.a]\n{long}"));
    assert!(long.contains("longer than 107 bytes"), "{long}");
    let none = fault(&format!("[captive_portal]\nsecret = \"{SECRET}\"\n"));
    assert!(none.contains("no connector may ask"), "{none}");
    let name = fault(&least("[connectors.\"a b\"]\nkey = \"0123456789abcdef\"\n"));
    assert!(name.contains("is no name of a connector"), "{name}");
}

#[test]
fn a_connector_may_come_by_a_socket() {
    let table = |name: &str, rest: &str| {
        format!("[connectors.{name}]\nkey = \"{KEY}\"\nnet = \"socket\"\n{rest}")
    };
    // The control plane has the port that no connector has: sockets have none.
    let text = least(&(table("a", "") + &table("b", "path = \"x.sock\"\n") + &table("c", "")));
    let connectors = read(&text).unwrap().config.connectors;
    let places: Vec<String> =
        crate::bind::wanted(&connectors).iter().map(|wanted| wanted.place.to_string()).collect();
    let expected =
        ["127.0.0.1:11224", "/run/enforcegate/a.sock", "/srv/eg/x.sock", "/run/enforcegate/c.sock"];
    assert_eq!(places, expected);
    let shared = table("a", "path = \"/x\"\n") + &table("b", "path = \"/x\"\n");
    let connectors = read(&least(&shared)).unwrap().config.connectors;
    let wanted = crate::bind::wanted(&connectors);
    assert_eq!((wanted.len(), wanted[1].guests.len()), (2, 2));
}

#[test]
fn the_portal_secret_is_exactly_one() {
    for (table, expected) in [
        ("", "is required in `[captive_portal]`"),
        ("secret = \"abc\"\n", "secret"),
        ("secret = \"MDEyMzQ1Njc4OWFiY2RlZg==\"\n", "32"),
        (
            "secret = \"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\"\nsecret_file = \"s\"\n",
            "both given",
        ),
        ("secret_file = \"/nowhere\"\n", "cannot read `/nowhere`"),
    ] {
        let found = fault(&format!("[connectors.a]\nkey = \"{KEY}\"\n[captive_portal]\n{table}"));
        assert!(found.contains(expected), "`{expected}` is not in: {found}");
        assert!(!found.contains("MDEy"), "a secret is shown: {found}");
    }
}

#[test]
fn what_has_no_effect_yet_is_named_and_what_weakens_too() {
    let extra = "[policy]\nwatch = true\nbackup_depth = 10\ndomain_backend = \"hashset\"\n\
                 [audit]\nverdicts = \"none\"\non_failure = \"continue\"\nredact_query = false\n\
                 sync_ms = 0\n[cluster]\nurl = \"redis://x\"\n";
    let config = read(&least(extra)).unwrap().config;
    assert_eq!(config.not_yet, ["[cluster] url"]);
    assert_eq!(
        weakenings(&config),
        [Weakening::AuditMayFail, Weakening::NothingRecorded, Weakening::QueriesRecorded]
    );
}

#[test]
fn flags_beat_the_environment() {
    let overrides = Overrides {
        variables: vec![("ENFORCEGATE_LOGGING_LEVEL".to_owned(), "info".to_owned())],
        log_level: Some("debug".to_owned()),
        log_type: Some("console".to_owned()),
    };
    let loaded = load_text(PathBuf::from("/e.conf"), &least(""), &overrides).unwrap();
    assert_eq!(loaded.config.logging.level, Level::Debug);
    assert_eq!(loaded.config.logging.kind, LogType::Console);
    let overrides = Overrides { log_level: Some("loud".to_owned()), ..Overrides::default() };
    let faults = load_text(PathBuf::from("/e.conf"), &least(""), &overrides).unwrap_err();
    assert!(faults.to_string().starts_with("flag `--loglevel`: `level` is `loud`"), "{faults}");
}

#[test]
fn the_shipped_file_is_right() {
    let folder = tempfile::tempdir().unwrap();
    let shipped = in_tree("packaging/config/engine.conf").unwrap();
    let text = fs::read_to_string(shipped).unwrap();
    for (name, content, mode) in
        [("connector.key", KEY, 0o400), ("captive-portal-secret", SECRET, 0o640)]
    {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let here = folder.path().to_str().unwrap();
    let text = text
        .replace("/etc/enforcegate-shared/captive", &format!("{here}/captive"))
        .replace("/etc/enforcegate/connector", &format!("{here}/connector"));
    let loaded = read(&text).unwrap();
    assert_eq!(loaded.config.logging.level, Level::Notice);
    assert_eq!(loaded.config.control.address.to_string(), "127.0.0.1:11225");
    assert!(loaded.config.learning.is_some());
    assert_eq!(weakenings(&loaded.config), []);
}

/// The manual's table is the description of keys. `EG_WRITE_MANUAL=1` writes it.
#[test]
fn the_manual_has_the_table_of_keys() {
    hold_page("docs/manual/engine.md", |page| with_manual_table(page, &ENGINE_CONF)).unwrap();
}
