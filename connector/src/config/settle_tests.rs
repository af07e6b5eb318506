//! What a file may say, and every way in which it is refused; and that the manual and the shipped file
//! say what the code does.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use eg_settings::log::{Level, LogType};
use eg_settings::{hold_page, in_tree, load_text, with_manual_table};

use super::super::types::Weakening;
use super::*;

const STRONG: &str = "q7Rk2LxV9bTzN4mWc8PdHs3FgJy6Ea5U";

/// A folder with the files that configurations name.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["engine".to_owned()]).unwrap();
    for (name, text) in [
        ("strong.key", format!("{STRONG}\n")),
        ("short.key", "short".to_owned()),
        ("no.pem", "no certificate".to_owned()),
        ("cert.pem", made.cert.pem()),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    }
    folder
}

/// The configuration, or its faults as lines without the folder.
fn parse(text: &str) -> Result<Config, Vec<String>> {
    let folder = folder();
    let path = folder.path().join("c.conf");
    let loaded = load_text(&CONNECTOR_CONF, path, text, &Overrides::default(), config);
    let here = format!("{}/", folder.path().display());
    loaded.map(|loaded| loaded.config).map_err(|faults| {
        let lines = faults.to_string().replace(&here, "");
        lines.lines().map(str::to_owned).collect()
    })
}

fn with(rest: &str) -> String {
    format!(
        "[engine.a]\nhost = \"::1\"\nkey_file = \"strong.key\"\n[connector]\nname = \"s\"\n{rest}"
    )
}

#[track_caller]
fn refused(text: &str, expected: &[&str]) {
    let faults = parse(text).unwrap_err();
    assert_eq!(faults.len(), expected.len(), "{faults:#?}");
    for (fault, expected) in faults.iter().zip(expected) {
        assert!(fault.contains(expected), "`{fault}` lacks `{expected}`");
    }
}

#[test]
fn the_least_that_is_needed() {
    let config = parse(&with("")).unwrap();
    let engine = &config.engines[0];
    let address = EngineAddress::Tcp { host: "::1".to_owned(), port: 11224.try_into().unwrap() };
    assert_eq!((engine.name.as_str(), &engine.address), ("a", &address));
    assert_eq!(engine.pin, None);
    assert_eq!(config.connector.answer, Answer::Note);
    assert_eq!(config.connector.fail_action, FailAction::Deny);
    assert_eq!(config.connector.answer_timeout, Duration::from_secs(2));
    assert_eq!(config.connector.inspect, Inspect::Off);
    assert_eq!(config.tls_fail_action, TlsFailAction::Terminate);
    assert_eq!(config.logging.kind, LogType::Console);
    assert!(config.weakenings().is_empty());
}

#[test]
fn engines_keep_the_order_of_the_file() {
    let engine = |name: &str| format!("[engine.{name}]\nhost=\"h\"\nkey=\"{STRONG}\"\n");
    let text = engine("z") + &engine("a") + &engine("m") + "[connector]\nname=\"s\"\n";
    let names: Vec<String> = parse(&text).unwrap().engines.into_iter().map(|e| e.name).collect();
    assert_eq!(names, ["z", "a", "m"]);
}

#[test]
fn an_engine_may_be_reached_by_a_socket() {
    let text = |rest: &str| {
        format!("[engine.a]\nnet=\"socket\"\nkey=\"{STRONG}\"\n{rest}[connector]\nname=\"s\"\n")
    };
    for (rest, expected) in
        [("", "/run/enforcegate/s.sock"), ("path = \"/tmp/x.sock\"\n", "/tmp/x.sock")]
    {
        let config = parse(&text(rest)).unwrap();
        assert_eq!(config.engines[0].address, EngineAddress::Socket(PathBuf::from(expected)));
    }
    let why = "belongs to `net = \"tcp\"`";
    refused(
        &text("host=\"h\"\nport=1\n"),
        &[&format!("c.conf:4:1: `host` {why}"), &format!("c.conf:5:1: `port` {why}")],
    );
    refused(
        &with("").replace("host", "path=\"x\"\nhost"),
        &["c.conf:2:1: `path` belongs to `net = \"socket\"`"],
    );
}

#[test]
fn there_is_a_bound_on_engines() {
    let text = |count: usize| {
        let engines: String = (0..count)
            .map(|at| format!("[engine.e{at}]\nhost=\"h\"\nkey=\"{STRONG}\"\n"))
            .collect();
        engines + "[connector]\nname=\"s\"\n"
    };
    assert_eq!(parse(&text(8)).unwrap().engines.len(), 8);
    refused(&text(9), &["there are 9 engines; a connector takes 8"]);
}

#[test]
fn everything_set() {
    let text = with(
        "answer = \"redirect\"\nfail_action = \"permit\"\nfail_url = \"http://p.test/\"\n\
         answer_timeout_ms = 1500\ninspect = \"peek\"\n[ssl_bump_acl]\nfail_action = \"splice\"\n\
         [logging]\ntype = \"file\"\nfile = \"c.log\"\nlevel = \"warn\"\nformat = \"json\"\n",
    );
    let config = parse(&text).unwrap();
    let fail_url = Some("http://p.test/".to_owned());
    assert_eq!(config.connector.answer, Answer::Redirect { fail_url });
    assert_eq!(config.connector.inspect, Inspect::Peek);
    assert!(matches!(&config.logging.kind, LogType::File(path) if path.ends_with("c.log")));
    assert_eq!(config.logging.level, Level::Warning);
    assert_eq!(config.tls_fail_action, TlsFailAction::Splice);
    assert!(config.not_yet.is_empty());
    assert_eq!(
        config.weakenings(),
        [Weakening::FailPermit, Weakening::AnswerRedirect, Weakening::TlsNotTerminated]
    );
}

#[test]
fn a_weak_key_needs_a_pin() {
    let text = |key: &str, cert: &str| {
        format!("[engine.a]\nhost=\"h\"\nkey=\"{key}\"\n{cert}\n[connector]\nname=\"s\"\n")
    };
    refused(&text("aaaaaaaaaaaaaaaaaaaa", ""), &["c.conf:3:1: the key is worth about"]);
    assert!(parse(&text("aaaaaaaaaaaaaaaaaaaa", "cert=\"cert.pem\"")).is_ok());
    refused(&text(STRONG, "cert=\"no.pem\""), &["c.conf:4:1: `cert` names `no.pem`: it holds no"]);
    refused(&text(STRONG, "cert=\"gone.pem\""), &["c.conf:4:1: cannot read `gone.pem`"]);
    refused(&text("short", ""), &["at least 16"]);
}

#[test]
fn a_key_that_everybody_can_read_is_a_warning() {
    let folder = folder();
    let key = folder.path().join("strong.key");
    for (mode, warnings) in [(0o640, 0), (0o644, 1)] {
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
        let path = folder.path().join("c.conf");
        let loaded = load_text(&CONNECTOR_CONF, path, &with(""), &Overrides::default(), config);
        assert_eq!(loaded.unwrap().warnings.len(), warnings, "{mode:o}");
    }
}

#[test]
fn all_faults_at_once_with_their_places() {
    refused(
        "[engin.a]\nhost = \"h\"\n[engine.b]\nprot = 1\nport = 70000\nnet = \"tcp\"\n\
         key = \"0123456789abcdef\"\nkey_file = \"strong.key\"\n[connector]\nname = \"a b\"\n\
         answer = \"notes\"\nanswer_timeout_ms = \"2000\"\ninspect = 1\n[logging]\ntype = \"journal\"\n",
        &[
            "c.conf:1:2: unknown section `[engin]`; the nearest is `[engine]`",
            "c.conf:3:9: `host` in `[engine.b]` is required and must not be empty",
            "c.conf:4:1: unknown key `prot` in `[engine.<name>]`; the nearest is `port`",
            "c.conf:5:1: `port` is 70000; it must be 1 to 65535",
            "c.conf:8:1: `key` and `key_file` are both given; keep one of them",
            "c.conf:10:1: `name`: `a b` is no",
            "c.conf:11:1: `answer` is `notes`; it must be `note`, `redirect`",
            "c.conf:12:21: `answer_timeout_ms` takes a whole number, not a value of type string",
            "c.conf:13:11: `inspect` takes a text in quotes, not a value of type integer",
            "c.conf:15:1: `type` is `journal`; it must be `file`, `console`, `syslog`",
        ],
    );
}

#[test]
fn single_refusals() {
    for (text, expected) in [
        (with("fail_url = \"http://p/\"\n"), "`fail_url` is only for"),
        (with("answer = \"redirect\"\n"), "needs `fail_url`"),
        (with("answer = \"redirect\"\nfail_url = \"ftp://p/\"\n"), "`fail_url` must be"),
        (with("answer_timeout_ms = 10\n"), "it must be 50 to 30000"),
        (with("[logging]\ntype = \"file\"\n"), "needs `file`"),
        (with("[logging]\nlevel = \"loud\"\n"), "`level` is `loud`; it must be"),
        ("[connector]\nname=\"s\"\n".to_owned(), "c.conf: no engine"),
        (
            "[engine]\nhost=\"h\"\n[connector]\nname=\"s\"\n".to_owned(),
            "`host` is not a table; an engine is written `[engine.<name>]`",
        ),
        (with("name = \"again\"\n"), "duplicate key"),
        (with("x = \n"), "c.conf:6:5: not TOML"),
    ] {
        let faults = parse(&text).unwrap_err();
        assert!(faults.iter().any(|fault| fault.contains(expected)), "{expected}: {faults:#?}");
    }
    refused(&format!("[engine.a]\nhost=\"h\"\nkey=\"{STRONG}\"\n"), &["no `[connector]` section"]);
}

#[test]
fn flags_beat_the_file() {
    let overrides = Overrides {
        log_level: Some("debug".to_owned()),
        log_type: Some("console".to_owned()),
        ..Overrides::default()
    };
    let folder = folder();
    let path = folder.path().join("c.conf");
    let text = with("[logging]\ntype = \"file\"\nfile = \"c.log\"\n");
    let logging =
        load_text(&CONNECTOR_CONF, path, &text, &overrides, config).unwrap().config.logging;
    assert_eq!((logging.level, logging.kind), (Level::Debug, LogType::Console));
}

#[test]
fn the_shipped_file_is_right() {
    let text = fs::read_to_string(in_tree("packaging/config/squid-connector.conf").unwrap());
    let text = text
        .unwrap()
        .replace("/etc/enforcegate/squid-connector.key", "strong.key")
        .replace("/etc/enforcegate/engine-cert.pem", "cert.pem");
    let config = parse(&text).unwrap();
    assert_eq!(config.logging.level, Level::Notice);
    assert!(config.engines[0].pin.is_some());
    assert!(config.weakenings().is_empty() && config.not_yet.is_empty());
}

/// The manual's table is the description of keys. `EG_WRITE_MANUAL=1` writes it.
#[test]
fn the_manual_has_the_table_of_keys() {
    let made = |page: &str| with_manual_table(page, &CONNECTOR_CONF);
    hold_page("docs/manual/connector.md", made).unwrap();
}
