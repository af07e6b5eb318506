//! What a file may say, and every way in which it is refused.

use super::*;

const STRONG: &str = "q7Rk2LxV9bTzN4mWc8PdHs3FgJy6Ea5U";

fn parse(text: &str) -> Result<Config, Vec<String>> {
    let read = |path: &Path| match path.to_str() {
        Some("/etc/x/strong.key") => Ok(format!("{STRONG}\n").into_bytes()),
        Some("/etc/x/short.key") => Ok(b"short".to_vec()),
        Some("/etc/x/no.pem") => Ok(b"no certificate".to_vec()),
        Some("/etc/x/cert.pem") => {
            let made = rcgen::generate_simple_self_signed(vec!["engine".to_owned()]).unwrap();
            Ok(made.cert.pem().into_bytes())
        }
        Some(_) | None => Err(io::Error::from(io::ErrorKind::NotFound)),
    };
    Config::parse(text, Path::new("/etc/x"), &read).map_err(|faults| {
        let show = |fault: Fault| format!("{}:{} {}", fault.line, fault.column, fault.message);
        faults.into_iter().map(show).collect()
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
    assert_eq!(
        (engine.name.as_str(), engine.host.as_str(), engine.port.get()),
        ("a", "::1", 11224)
    );
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
    assert_eq!(config.logging.kind, LogType::File(PathBuf::from("/etc/x/c.log")));
    assert_eq!(config.logging.level, LogLevel::Warning);
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
    refused(&text("aaaaaaaaaaaaaaaaaaaa", ""), &["3:5 the key is worth about"]);
    assert!(parse(&text("aaaaaaaaaaaaaaaaaaaa", "cert=\"cert.pem\"")).is_ok());
    refused(&text(STRONG, "cert=\"no.pem\""), &["4:6 `cert` names `/etc/x/no.pem`: it holds no"]);
    refused(&text(STRONG, "cert=\"gone.pem\""), &["cannot read it"]);
    refused(&text("short", ""), &["at least 16"]);
}

#[test]
fn all_faults_at_once_with_their_places() {
    refused(
        "[engin.a]\nhost = \"h\"\n[engine.b]\nprot = 1\nport = 70000\nnet = \"socket\"\n\
         key = \"0123456789abcdef\"\nkey_file = \"strong.key\"\n[connector]\nname = \"a b\"\n\
         answer = \"notes\"\nanswer_timeout_ms = \"2000\"\ninspect = 1\n[logging]\ntype = \"syslog\"\n",
        &[
            "1:2 unknown section or key: `engin`; did you mean `engine`?",
            "3:9 [engine.b] has no `host`",
            "4:1 unknown key in [engine.b]: `prot`; did you mean `port`?",
            "5:8 `70000` for `port` in [engine.b] is not within 1 to 65535",
            "6:7 `net = \"socket\"` is not in this version",
            "8:12 `key` and `key_file` are both set",
            "10:8 `a b` is no",
            "11:10 `notes` is no value for `answer` in [connector]; it takes note, redirect; did",
            "12:21 `answer_timeout_ms` in [connector] needs a whole number, not string",
            "13:11 `inspect` in [connector] needs a text in quotes, not integer",
            "15:8 `type = \"syslog\"` is not in this version",
        ],
    );
}

#[test]
fn single_refusals() {
    for (text, expected) in [
        (with("fail_url = \"http://p/\"\n"), "`fail_url` is only for"),
        (with("answer = \"redirect\"\n"), "needs `fail_url`"),
        (with("answer = \"redirect\"\nfail_url = \"ftp://p/\"\n"), "`fail_url` must be"),
        (with("answer_timeout_ms = 10\n"), "not within 50 to 30000"),
        (with("[logging]\ntype = \"file\"\n"), "needs `file`"),
        (with("[logging]\nlevel = \"loud\"\n"), "`loud` is no value for `level`"),
        ("[connector]\nname=\"s\"\n".to_owned(), "0:0 no engine"),
        ("[engine]\nhost=\"h\"\n[connector]\nname=\"s\"\n".to_owned(), "key of no table"),
        (with("name = \"again\"\n"), "duplicate key"),
        (with("x = \n"), "6:5"),
    ] {
        let faults = parse(&text).unwrap_err();
        assert!(faults.iter().any(|fault| fault.contains(expected)), "{expected}: {faults:#?}");
    }
    refused(&format!("[engine.a]\nhost=\"h\"\nkey=\"{STRONG}\"\n"), &["no `[connector]` section"]);
}
