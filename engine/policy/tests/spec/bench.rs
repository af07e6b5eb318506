//! From policy text, lists and a request line to a verdict, through every stage.
//!
//! A request line is `phase URI | key=value | ...`. `connect` and `hello` take the `host:port` of a
//! CONNECT. `\xNN` in URI and values is that byte; any other `\` is itself. Keys: `client` (default
//! 192.0.2.10), `sni` (default: known to be absent; `?`: unknown), `ua` (absent), `tunnel=peeked` or `decrypted`
//! (default opaque), `method` (default GET), `user` (default: nobody), `at` (an instant of RFC 3339, default 1970-01-01). `connect=host:port` is the tunnel that an inner request came through, as a tag tells
//! it, and `told-sni`, `told-ua` (default: unknown) what else it tells.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;

use eg_policy::build::{Loaded, build};
use eg_policy::check::{HasUrls, ListContents, ListKind, Trust, check_with_lists};
use eg_policy::client::{Client, Earlier, Known, Phase, Request, Tunnel};
use eg_policy::compile::{CompiledList, compile};
use eg_policy::decide::{Scratch, decide};
use eg_policy::diagnostic::{Diagnostic, Severity};
use eg_policy::digest::Digest;
use eg_policy::guard::PortalGuard;
use eg_policy::lists::{ListPart, RawList, read_addresses, read_list};
use eg_policy::matcher::{DomainIndex, write_index_with};
use eg_policy::moment::Moment;
use eg_policy::regex::{Backend, compile_all};
use eg_policy::ruleset::Ruleset;
use eg_policy::sources::SourceFile;
use eg_policy::tunnel::{TlsAnswer, tls_for};
use eg_policy::uri::{CanonicalUri, Domain, Form, Host, Malformed, UriBuffer};
use eg_policy::users::read_users;
use eg_policy::verdict::{Action, Cause, Verdict};
use eg_policy::zone::Zone;

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
    /// Where the portal is.
    pub(crate) portal: Option<&'a str>,
    /// Where clocks are.
    pub(crate) zone: &'a str,
}

/// One file of the operator, no lists, `default_action permit`.
pub(crate) fn one(text: &str) -> Setup<'_> {
    Setup {
        files: vec![("10-test.policy", text, Trust::Operator)],
        lists: Vec::new(),
        default_action: Action::Permit,
        portal: None,
        zone: "UTC",
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

    pub(crate) fn zone(mut self, zone: &'a str) -> Self {
        self.zone = zone;
        self
    }

    pub(crate) fn portal(mut self, base_url: &'a str) -> Self {
        self.portal = Some(base_url);
        self
    }

    fn bytes(&self, path: &str) -> Option<&'a [u8]> {
        let found = self.lists.iter().find(|(name, _)| format!("{FOLDER}/{name}") == path);
        found.map(|(_, bytes)| *bytes)
    }

    /// The list at a path: a file, or the files of a folder.
    fn raw(&self, path: &str) -> Result<RawList, String> {
        if let Some(bytes) = self.bytes(path) {
            return Ok(RawList::file(bytes.to_vec()));
        }
        let parts: Vec<_> = ListPart::OF_FOLDER
            .into_iter()
            .filter_map(|part| Some((part, self.bytes(&part.path(path))?.to_vec())))
            .collect();
        if parts.is_empty() { Err("no such file".to_owned()) } else { Ok(RawList::folder(parts)) }
    }

    /// The ruleset and every diagnostic; no ruleset where one of them is an error.
    pub(crate) fn load(&self) -> (Option<Ruleset>, Vec<Diagnostic>) {
        let files: Vec<_> = self
            .files
            .iter()
            .map(|(path, text, trust)| (SourceFile::new(format!("{FOLDER}/{path}"), *text), *trust))
            .collect();
        let (checked, faults) = check_with_lists(&files, |list| {
            let raw = self.raw(&list.path)?;
            if list.kind == ListKind::Addresses {
                return Ok(ListContents::default());
            }
            let (sets, _) = read_list(&raw, list.format).map_err(|fault| fault.to_string())?;
            let urls = if sets.urls.is_empty() { HasUrls::Absent } else { HasUrls::Present };
            Ok(ListContents { urls, expressions: sets.expressions.patterns().to_vec() })
        });
        if faults.iter().any(|fault| fault.severity == Severity::Error) {
            return (None, faults);
        }
        let (mut names, mut addresses, mut lists) = (Vec::new(), Vec::new(), Vec::new());
        let mut users = Vec::new();
        let mut urls = Vec::new();
        for list in &checked.lists {
            let raw = self.raw(&list.path).unwrap();
            let bytes = &raw.parts()[0].1;
            let sets = || read_list(&raw, list.format).unwrap().0;
            let (set, entries) = match list.kind {
                ListKind::Domains => {
                    let set = sets().names;
                    let about = (set.digest(), set.len());
                    names.push((set.digest(), set));
                    about
                }
                ListKind::Urls => {
                    let set = sets().urls;
                    let about = (set.digest(), set.len());
                    urls.push((set.digest(), set));
                    about
                }
                ListKind::Expressions => {
                    let set = sets().expressions;
                    (set.digest(), set.len())
                }
                ListKind::Addresses => {
                    let (set, _) = read_addresses(bytes).unwrap();
                    let about = (set.digest(), set.len());
                    addresses.push((set.digest(), set));
                    about
                }
                ListKind::Users => {
                    let (set, _) = read_users(bytes).unwrap();
                    let about = (set.digest(), set.len());
                    users.push((set.digest(), set));
                    about
                }
            };
            let (path, kind, source) = (list.path.clone(), list.kind, Digest::of(bytes));
            lists.push(CompiledList { path, kind, source, set, entries });
        }
        names.sort_by_key(|(digest, _)| *digest);
        names.dedup_by_key(|(digest, _)| *digest);
        let sets: Vec<_> = names.iter().map(|(digest, set)| (*digest, set)).collect();
        urls.sort_by_key(|(digest, _)| *digest);
        urls.dedup_by_key(|(digest, _)| *digest);
        let urls: Vec<_> = urls.iter().map(|(digest, set)| (*digest, set)).collect();
        let index = Arc::new(DomainIndex::open(write_index_with(&sets, &urls, 7)).unwrap());
        let compiled = compile(checked, self.default_action, lists);
        let regexes = compile_all(&compiled, Backend::built_in()).unwrap();
        let zone = Zone::named(self.zone).unwrap();
        let loaded = Loaded { index, addresses, regexes, users, zone };
        (Some(build(&compiled, loaded).unwrap()), faults)
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
            let got = match self.portal.and_then(PortalGuard::new) {
                Some(guard) => ask_with(&rules, Some(&guard), line, said),
                None => ask(&rules, line, said),
            };
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

    /// Asks the second question of each `hello` line and compares `word verdict`.
    pub(crate) fn answers(&self, cases: &[(&str, &str)]) {
        let rules = self.ruleset();
        let mut wrong = String::new();
        for (line, expected) in cases {
            let answer = judge(line, |read, now| match read {
                Ok(request) => {
                    assert_eq!(request.phase, Phase::Hello, "{line}");
                    let answer = tls_for(&rules, &mut Scratch::new(&rules), request, now);
                    format!("{} {}", answer.tls.word(), said(&answer.verdict))
                }
                Err(fault) => {
                    let answer = TlsAnswer::terminate(Verdict::invalid_request(fault));
                    format!("{} {}", answer.tls.word(), said(&answer.verdict))
                }
            });
            if answer != *expected {
                writeln!(wrong, "{line:?}\n    expected {expected}, got {answer}").unwrap();
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
        Cause::Portal => "portal".to_owned(),
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
    ask_with(rules, None, line, look)
}

/// The same, where the portal has a guard.
fn ask_with<T>(
    rules: &Ruleset,
    guard: Option<&PortalGuard>,
    line: &str,
    look: impl FnOnce(&Verdict<'_>) -> T,
) -> T {
    judge(line, |read, now| match read {
        Ok(request) if guard.is_some_and(|guard| guard.covers(request)) => look(&Verdict::portal()),
        Ok(request) => look(&decide(rules, &mut Scratch::new(rules), request, now)),
        Err(fault) => look(&Verdict::invalid_request(fault)),
    })
}

/// Reads a request line and hands over the request, or why there is none.
fn judge<T>(line: &str, judge: impl FnOnce(Result<&Request<'_>, Malformed>, Moment) -> T) -> T {
    let mut parts = line.split(" | ");
    let (phase, uri) = parts.next().unwrap().split_once(' ').unwrap();
    let (phase, form) = match phase {
        "connect" => (Phase::Connect, Form::Connect),
        "hello" => (Phase::Hello, Form::Connect),
        "request" => (Phase::Request, Form::Absolute),
        other => panic!("no phase {other}"),
    };
    let (mut client, mut agent) = (IpAddr::from([192, 0, 2, 10]), None);
    let mut sni = Known::Absent;
    let (mut connect, mut told_sni, mut told_agent) = (None, None, None);
    let (mut tunnel, mut method) = (Tunnel::Opaque, b"GET".to_vec());
    let (mut referer, mut user, mut now) = (None, None, Moment::from_unix_micros(0));
    for part in parts {
        match part.split_once('=').unwrap() {
            ("client", text) => client = text.parse::<IpAddr>().unwrap().to_canonical(),
            ("sni", "?") => sni = Known::Unknown,
            ("sni", text) => sni = Known::Is(bytes(text)),
            ("ua", text) => agent = Some(bytes(text)),
            ("method", text) => method = bytes(text),
            ("user", text) => user = Some(bytes(text)),
            ("at", text) => now = instant(text),
            ("tunnel", "peeked") => tunnel = Tunnel::Peeked,
            ("referer", text) => referer = Some(bytes(text)),
            ("tunnel", "decrypted") => tunnel = Tunnel::Decrypted,
            ("connect", text) => connect = text.rsplit_once(':'),
            ("told-sni", text) => told_sni = Some(bytes(text)),
            ("told-ua", text) => told_agent = Some(bytes(text)),
            (key, _) => panic!("no key {key}"),
        }
    }
    let (raw, mut buffer, mut name) = (bytes(uri), UriBuffer::default(), String::new());
    let uri = match CanonicalUri::parse(&mut buffer, form, &raw) {
        Ok(uri) => uri,
        Err(fault) => return judge(Err(fault), now),
    };
    let sni = match &sni {
        Known::Unknown => Known::Unknown,
        Known::Absent => Known::Absent,
        Known::Is(raw) => match Domain::parse(&mut name, raw) {
            Ok(sni) => Known::Is(sni),
            Err(fault) => return judge(Err(fault), now),
        },
    };
    let (mut host, mut told_name) = (String::new(), String::new());
    let earlier = connect.map(|(text, port)| Earlier {
        host: Host::parse(&mut host, text.as_bytes()).unwrap(),
        port: port.parse().unwrap(),
        sni: match told_sni.as_deref() {
            None => Known::Unknown,
            Some(b"") => Known::Absent,
            Some(raw) => Known::Is(Domain::parse(&mut told_name, raw).unwrap()),
        },
        user_agent: told_agent.as_deref().map_or(Known::Unknown, Known::Is),
    });
    let user_agent = agent.as_deref().map_or(Known::Absent, Known::Is);
    let referer = referer.as_deref().map_or(Known::Absent, Known::Is);
    let user = user.as_deref();
    let client = Client { address: client, user, sni, user_agent, referer };
    let request = Request { phase, tunnel, method: &method, uri: &uri, client, earlier };
    judge(request.contradiction().map_or(Ok(&request), Err), now)
}

/// An instant as RFC 3339 has it.
fn instant(text: &str) -> Moment {
    Moment::from_unix_micros(text.parse::<jiff::Timestamp>().unwrap().as_microsecond())
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
