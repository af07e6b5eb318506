//! From policy text, lists and a request line to a verdict, through every stage.
//!
//! A request line is `phase URI | key=value | ...`. `connect` and `hello` take the `host:port` of a
//! CONNECT. `\xNN` in URI and values is that byte; any other `\` is itself. Keys: `client` (default
//! 192.0.2.10), `sni` (default: known to be absent), `ua` (likewise), `tunnel=decrypted` (default
//! opaque).

use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;

use eg_policy::build::{Loaded, build};
use eg_policy::check::{ListKind, Trust, check_with};
use eg_policy::client::{Client, Known, Phase, Request, Tunnel};
use eg_policy::compile::{CompiledList, compile};
use eg_policy::decide::{Scratch, decide};
use eg_policy::diagnostic::{Diagnostic, Severity};
use eg_policy::digest::Digest;
use eg_policy::lists::{read_addresses, read_names};
use eg_policy::matcher::{DomainIndex, write_index};
use eg_policy::moment::Moment;
use eg_policy::regex::{Backend, compile_all};
use eg_policy::ruleset::Ruleset;
use eg_policy::sources::SourceFile;
use eg_policy::uri::{CanonicalUri, Domain, Form, UriBuffer};
use eg_policy::verdict::{Action, Cause, Verdict};

/// The folder that the files of a test lie in.
pub(crate) const FOLDER: &str = "/rules.d";

/// A policy before it is loaded.
#[derive(Clone)]
pub(crate) struct Setup<'a> {
    /// Path below the folder, text, whose.
    pub(crate) files: Vec<(&'a str, &'a str, Trust)>,
    /// Path below the folder, bytes.
    pub(crate) lists: Vec<(&'a str, &'a [u8])>,
    /// What a request gets that no rule holds for.
    pub(crate) default_action: Action,
}

/// One file of the operator, no lists, `default_action permit`.
pub(crate) fn one(text: &str) -> Setup<'_> {
    Setup {
        files: vec![("10-test.policy", text, Trust::Operator)],
        lists: Vec::new(),
        default_action: Action::Permit,
    }
}

impl<'a> Setup<'a> {
    pub(crate) fn list(mut self, path: &'a str, bytes: &'a [u8]) -> Self {
        self.lists.push((path, bytes));
        self
    }

    pub(crate) fn file(mut self, path: &'a str, text: &'a str, trust: Trust) -> Self {
        self.files.push((path, text, trust));
        self
    }

    pub(crate) fn default(mut self, action: Action) -> Self {
        self.default_action = action;
        self
    }

    fn bytes(&self, path: &str) -> Option<&'a [u8]> {
        let found = self.lists.iter().find(|(name, _)| format!("{FOLDER}/{name}") == path);
        found.map(|(_, bytes)| *bytes)
    }

    /// The ruleset and every diagnostic; no ruleset where one of them is an error.
    pub(crate) fn load(&self) -> (Option<Ruleset>, Vec<Diagnostic>) {
        let files: Vec<_> = self
            .files
            .iter()
            .map(|(path, text, trust)| (SourceFile::new(format!("{FOLDER}/{path}"), *text), *trust))
            .collect();
        let (checked, faults) = check_with(&files, |list| {
            self.bytes(&list.path).map(|_| ()).ok_or_else(|| "no such file".to_owned())
        });
        if faults.iter().any(|fault| fault.severity == Severity::Error) {
            return (None, faults);
        }
        let (mut names, mut addresses, mut lists) = (Vec::new(), Vec::new(), Vec::new());
        for list in &checked.lists {
            let bytes = self.bytes(&list.path).unwrap();
            let (set, entries) = match list.kind {
                ListKind::Domains => {
                    let (set, _) = read_names(bytes).unwrap();
                    let about = (set.digest(), set.len());
                    names.push((set.digest(), set));
                    about
                }
                ListKind::Addresses => {
                    let (set, _) = read_addresses(bytes).unwrap();
                    let about = (set.digest(), set.len());
                    addresses.push((set.digest(), set));
                    about
                }
            };
            let (path, kind, source) = (list.path.clone(), list.kind, Digest::of(bytes));
            lists.push(CompiledList { path, kind, source, set, entries });
        }
        names.sort_by_key(|(digest, _)| *digest);
        names.dedup_by_key(|(digest, _)| *digest);
        let sets: Vec<_> = names.iter().map(|(digest, set)| (*digest, set)).collect();
        let index = Arc::new(DomainIndex::open(write_index(&sets, 7)).unwrap());
        let compiled = compile(checked, self.default_action, lists);
        let regexes = compile_all(&compiled, Backend::built_in()).unwrap();
        (Some(build(&compiled, Loaded { index, addresses, regexes }).unwrap()), faults)
    }

    /// The ruleset of a policy that must be free of errors.
    pub(crate) fn ruleset(&self) -> Ruleset {
        let (rules, faults) = self.load();
        rules.unwrap_or_else(|| panic!("{}", drawn(&faults)))
    }

    /// Asks each request line and compares `action rule`. Short forms: `invalid` is deny by
    /// `invalid-request`; `default` is the default action; `deferred`; `denied` is deny, whoever says
    /// so.
    pub(crate) fn decides(&self, cases: &[(&str, &str)]) {
        let rules = self.ruleset();
        let mut wrong = String::new();
        for (line, expected) in cases {
            let got = ask(&rules, line, said);
            let fits = match *expected {
                "denied" => got == "invalid" || got.starts_with("deny "),
                other => got == other,
            };
            if !fits {
                writeln!(wrong, "{line:?}\n    expected {expected}, got {got}").unwrap();
            }
        }
        assert!(wrong.is_empty(), "{}\n{wrong}", self.files[0].1);
    }

    /// The faults as `code@line`, in the order of files and lines.
    pub(crate) fn faults(&self) -> String {
        let (_, faults) = self.load();
        let words: Vec<_> = faults
            .iter()
            .map(|fault| format!("{}@{}", fault.code.id(), fault.place.line))
            .collect();
        words.join(" ")
    }
}

/// Compares the faults of each policy text, `code@line`.
pub(crate) fn refuses(cases: &[(&str, &str)]) {
    let mut wrong = String::new();
    for (text, expected) in cases {
        let got = one(text).faults();
        if got != *expected {
            writeln!(wrong, "{text}\n    expected {expected:?}, got {got:?}").unwrap();
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// Faults as a person sees them.
pub(crate) fn drawn(faults: &[Diagnostic]) -> String {
    faults.iter().map(Diagnostic::render).collect::<Vec<_>>().join("\n")
}

fn said(verdict: &Verdict<'_>) -> String {
    match verdict.cause {
        Cause::Rule { rule, .. } => format!("{} {}", verdict.action, rule.name),
        Cause::Default => "default".to_owned(),
        Cause::Deferred => {
            assert_eq!(verdict.action, Action::Permit, "a tunnel that waits is let through");
            "deferred".to_owned()
        }
        Cause::Invalid(_) => {
            assert_eq!((verdict.action, verdict.rule_name()), (Action::Deny, "invalid-request"));
            "invalid".to_owned()
        }
        Cause::AuditUnavailable => "audit".to_owned(),
    }
}

/// Hands the verdict on a request line to `look`.
pub(crate) fn ask<T>(rules: &Ruleset, line: &str, look: impl FnOnce(&Verdict<'_>) -> T) -> T {
    let mut parts = line.split(" | ");
    let (phase, uri) = parts.next().unwrap().split_once(' ').unwrap();
    let (phase, form) = match phase {
        "connect" => (Phase::Connect, Form::Connect),
        "hello" => (Phase::Hello, Form::Connect),
        "request" => (Phase::Request, Form::Absolute),
        other => panic!("no phase {other}"),
    };
    let (mut client, mut sni, mut agent) = (IpAddr::from([192, 0, 2, 10]), None, None);
    let mut referer = None;
    let mut tunnel = Tunnel::Opaque;
    for part in parts {
        match part.split_once('=').unwrap() {
            ("client", text) => client = text.parse::<IpAddr>().unwrap().to_canonical(),
            ("sni", text) => sni = Some(bytes(text)),
            ("ua", text) => agent = Some(bytes(text)),
            ("referer", text) => referer = Some(bytes(text)),
            ("tunnel", "decrypted") => tunnel = Tunnel::Decrypted,
            (key, _) => panic!("no key {key}"),
        }
    }
    let (raw, mut buffer, mut name) = (bytes(uri), UriBuffer::default(), String::new());
    let uri = match CanonicalUri::parse(&mut buffer, form, &raw) {
        Ok(uri) => uri,
        Err(fault) => return look(&Verdict::invalid_request(fault)),
    };
    let sni = match sni.as_deref().map(|raw| Domain::parse(&mut name, raw)) {
        Some(Ok(sni)) => Known::Is(sni),
        Some(Err(fault)) => return look(&Verdict::invalid_request(fault)),
        None => Known::Absent,
    };
    let user_agent = agent.as_deref().map_or(Known::Absent, Known::Is);
    let referer = referer.as_deref().map_or(Known::Absent, Known::Is);
    let client = Client { address: client, user: None, sni, user_agent, referer };
    let request = Request { phase, tunnel, method: b"GET", uri: &uri, client, earlier: None };
    look(&decide(rules, &mut Scratch::new(rules), &request, Moment::from_unix_micros(0)))
}

/// Puts in the bytes that a line has as `\xNN`.
fn bytes(text: &str) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((&first, tail)) = rest.split_first() {
        let escaped = tail.strip_prefix(b"x").and_then(|tail| tail.split_first_chunk::<2>());
        let byte = escaped.and_then(|(digits, tail)| {
            let digits = str::from_utf8(digits).ok()?;
            Some((u8::from_str_radix(digits, 16).ok()?, tail))
        });
        match (first, byte) {
            (b'\\', Some((byte, tail))) => {
                out.push(byte);
                rest = tail;
            }
            _ => {
                out.push(first);
                rest = tail;
            }
        }
    }
    out
}
