//! The matcher beside its slow twin: for rules out of few names, hosts and paths, so that they meet
//! often, both say the same of every request.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;

use eg_policy::build::{Loaded, build};
use eg_policy::check::{CheckedPolicy, HasUrls, ListContents, ListKind, Trust, check_with_lists};
use eg_policy::client::{Client, Earlier, Known, Phase, Request, Tunnel};
use eg_policy::compile::{CompiledList, CompiledPolicy, compile};
use eg_policy::decide::{Scratch, decide};
use eg_policy::digest::Digest;
use eg_policy::lists::{
    AddressList, ListFormat, NameList, RawList, UrlList, read_addresses, read_list, read_names,
};
use eg_policy::matcher::naive::{NaivePolicy, NaiveSets};
use eg_policy::matcher::{DomainIndex, write_index_with};
use eg_policy::moment::Moment;
use eg_policy::regex::{Backend, RegexPattern, compile_all};
use eg_policy::ruleset::Ruleset;
use eg_policy::sources::SourceFile;
use eg_policy::tunnel::tls_for;
use eg_policy::uri::{CanonicalUri, Domain, Form, UriBuffer};
use eg_policy::users::{UserList, read_users};
use eg_policy::verdict::Action;
use eg_policy::zone::Zone;

use crate::feed::Feed;

/// Rules of one policy, and requests to it: enough for every kind to meet every other.
const RULES_MAX: usize = 8;
const REQUESTS_MAX: usize = 16;

const NAMES: [&str; 8] = [
    "example.com",
    "www.example.com",
    "a.www.example.com",
    "ample.com",
    "other.net",
    "cdn.other.net",
    "192.0.2.1",
    "[2001:db8::1]",
];
const PREFIXES: [&str; 10] = [
    "example.com",
    "http://example.com/",
    "https://example.com/a",
    "example.com:8080/a/",
    "http://192.0.2.1/",
    "other.net/a/b",
    "https://other.net:443/",
    "www.example.com/ab",
    "ftp://other.net/",
    "example.com/a/b?x",
];
const URLS: [&str; 8] = [
    "example.com/a\n",
    "example.com/a/b\n",
    "www.example.com/\n",
    "other.net/a/b?x\n",
    "cdn.other.net/ab\n",
    "192.0.2.1/a\n",
    "[2001:db8::1]/\n",
    "example.com/a/b?x\n",
];
const CLIENTS: [&str; 6] =
    ["10.1.2.3", "10.0.0.0/8", "2001:db8::/32", "10.1.2.1-10.1.3.9", "list:0", "::/0"];
const DESTINATIONS: [&str; 6] =
    ["192.0.2.0/24", "loopback", "private", "link-local", "any-literal", "2001:db8::1"];
const AGENTS: [&str; 4] = ["mozilla", "bot", "o", "curl/8"];
/// Mostly nothing, as rules have.
const TLS: [&str; 6] = ["", "", "", "splice", "bump", "terminate"];
const ANOMALIES: [&str; 8] =
    ["", "", "", "", "no-sni", "sni-mismatch", "host-mismatch", "ip-literal"];
const PATTERNS: [&str; 10] = [
    "^https?://example",
    "/a/b$",
    "a/b",
    "[^/]*\\.com",
    "\\.net/",
    "bot",
    "(?-i)Mozilla/[0-9]",
    "^[a-z]+\\.other",
    "[?]x=[0-9]",
    "org$",
];
const LINES: [&str; 6] = [
    "example.com\n",
    "=www.example.com\n",
    "other.net\n",
    "=cdn.other.net\n",
    "192.0.2.1\n",
    "x\n",
];
const USERS: [&str; 3] = ["ada\n", "eve\n", "DOMAIN\\eve\n"];
const RANGES: [&str; 4] = ["10.0.0.0/8\n", "10.1.2.3\n", "2001:db8::/64\n", "::/80\n"];

const HOSTS: [&str; 14] = [
    "example.com",
    "WWW.Example.COM.",
    "b.a.www.example.com",
    "notexample.com",
    "other.net",
    "x.cdn.other.net",
    "unlisted.org",
    "192.0.2.1",
    "3221225985",
    "[::ffff:192.0.2.1]",
    "[2001:DB8::1]",
    "127.1",
    "0",
    "10.1.2.3",
];
const PATHS: [&str; 12] = [
    "",
    "/",
    "/a",
    "/a/b",
    "/a/b?x=1",
    "/ab",
    "/x/../a/b",
    "//a//b",
    "/%61/b",
    "/a%2fb",
    "/c\\..\\a\\b",
    "/%2561/b",
];
const SNIS: [&str; 4] = ["example.com", "www.example.com", "z.other.net", "plain.org"];
const HEADERS: [&str; 4] = ["Mozilla/5.0", "GoogleBOT", "curl/8.1", ""];
const ASKED_USERS: [&str; 4] = ["ada", "Ada", "DOMAIN\\eve", "@/l/users"];
const WHO: [Option<&[u8]>; 4] = [None, Some(b"ada"), Some(b"Ada"), Some(b"DOMAIN\\eve")];
const METHODS: [&str; 5] = ["GET", "get", "POST", "CONNECT", "connect"];
const PORTS: [&str; 5] = ["80", "443", "1-1023", "8000-9000", "444-65535"];
const WINDOWS: [&str; 5] =
    ["sun 02:00-03:00", "sat 22:00-02:30", "00:00-12:00", "fri-mon 01:30-02:30", "mon 00:00-24:00"];
const INSTANTS: [&str; 2] = ["2026-03-29T02:30:00+01:00", "2026-10-25T02:30:00+02:00"];
const LATER: [&str; 2] = ["2026-10-25T02:30:00+01:00", "2027-01-01T00:00:00Z"];
const ZONES: [&str; 4] = ["UTC", "Europe/Zurich", "America/New_York", "Pacific/Auckland"];
/// Seconds at which clocks change, in 2026: Europe twice, New York and Auckland once.
const CHANGES: [i64; 4] = [1_774_746_000, 1_792_890_000, 1_772_953_200, 1_790_431_200];
const ADDRESSES: [&str; 6] =
    ["10.1.2.3", "10.9.9.9", "172.16.0.9", "192.0.2.7", "2001:db8::7", "::7"];

pub(crate) fn run(bytes: &[u8]) {
    let mut feed = Feed::new(bytes);
    let text = policy_text(&mut feed);
    let files = [(SourceFile::new("fuzz.policy", text.as_str()), Trust::Operator)];
    // One list has URLs, the other expressions too.
    let (checked, faults) = check_with_lists(&files, |list| {
        let pattern = (list.path == "/l/two").then(|| RegexPattern::parse("/a/b"));
        Ok(ListContents {
            urls: HasUrls::Present,
            expressions: pattern.and_then(Result::ok).into_iter().collect(),
        })
    });
    let default_action = if feed.byte() & 1 == 0 { Action::Permit } else { Action::Deny };
    let Some((ruleset, naive)) = twins(&mut feed, checked, default_action) else {
        return;
    };
    let mut scratch = Scratch::new(&ruleset);
    for _ in 0..REQUESTS_MAX {
        if feed.is_empty() {
            return;
        }
        let now = moment(&mut feed);
        ask(&mut feed, |request| {
            let fast = decide(&ruleset, &mut scratch, request, now);
            let slow = naive.decide(request, now);
            assert_eq!(fast, slow, "{request:?}\n{text}\n{}", faults.len());
            if request.phase == Phase::Hello {
                let fast = tls_for(&ruleset, &mut scratch, request, now);
                assert_eq!(fast, naive.tls_for(request, now), "{request:?}\n{text}");
            }
        });
    }
}

/// A moment, most often near a change of clocks.
fn moment(feed: &mut Feed<'_>) -> Moment {
    let change = feed.pick(&CHANGES).unwrap_or_default();
    let minutes = i64::from(feed.byte()) - 128;
    Moment::from_unix_micros((change + minutes * 97) * 1_000_000)
}

/// Some rules, each of some attributes.
fn policy_text(feed: &mut Feed<'_>) -> String {
    let mut text = String::new();
    for number in 0..=feed.below(RULES_MAX) {
        let mut lines = String::new();
        let mut add = |key: &str, value: &str| {
            // A text takes what it is given.
            let _ = writeln!(lines, "    {key}: {value}");
        };
        let kinds = feed.byte();
        let asked = |kind: u8| kinds & (1 << kind) != 0;
        for (kind, key, values) in [
            (0, "match-domain", NAMES.as_slice()),
            (1, "match-uri", PREFIXES.as_slice()),
            (2, "match-source", CLIENTS.as_slice()),
            (3, "match-destination", DESTINATIONS.as_slice()),
            (4, "match-user-agent", AGENTS.as_slice()),
            (5, "match-sni", NAMES.as_slice()),
        ] {
            if asked(kind) {
                for _ in 0..=feed.below(2) {
                    let host = if kind == 0 && feed.byte() & 1 == 1 { "=" } else { "" };
                    let value = feed.pick(values).unwrap_or_default();
                    add(key, &format!("{host}{}", value.replace("list:0", "/l/addresses")));
                }
            }
        }
        let kinds = feed.byte();
        for (kind, key) in [
            (0, "match-uri-regex"),
            (1, "match-sni-regex"),
            (2, "match-user-agent-regex"),
            (3, "match-referer-regex"),
        ] {
            // Both bits, so that few rules have one.
            if kinds >> (2 * kind) & 3 == 3 {
                add(key, feed.pick(&PATTERNS).unwrap_or_default());
            }
        }
        if asked(6) {
            add("match-domain-list", feed.pick(&["/l/one", "/l/two"]).unwrap_or_default());
        }
        if asked(7) {
            let words = ["http", "https", "ftp", "connect"];
            add("application", feed.pick(&words).unwrap_or_default());
        }
        if let Some(word) = feed.pick(&TLS).filter(|word| !word.is_empty()) {
            add("tls", word);
        }
        if let Some(anomaly) = feed.pick(&ANOMALIES).filter(|anomaly| !anomaly.is_empty()) {
            add("match-anomaly", anomaly);
        }
        terms(feed, &mut add);
        add("action", feed.pick(&["permit", "permit", "deny", "warn", "aup"]).unwrap_or_default());
        let _ = writeln!(text, "rule-{number}: {{\n{lines}}}");
    }
    text
}

/// What few rules ask and except.
fn terms(feed: &mut Feed<'_>, add: &mut impl FnMut(&str, &str)) {
    let kinds = feed.byte();
    for (kind, key, values) in [
        (0, "match-user", ASKED_USERS.as_slice()),
        (1, "match-method", METHODS.as_slice()),
        (2, "match-port", PORTS.as_slice()),
        (3, "time-window", WINDOWS.as_slice()),
        (4, "valid-from", INSTANTS.as_slice()),
        (5, "valid-until", LATER.as_slice()),
        (6, "monitor", ["true"].as_slice()),
    ] {
        // Both bits, so that few rules have one.
        if kinds >> kind & 1 == 1 && feed.byte() & 1 == 1 {
            add(key, feed.pick(values).unwrap_or_default());
        }
    }
    for _ in 0..feed.below(3) {
        let (key, values) = match feed.byte() % 13 {
            0 => ("except-domain", NAMES.as_slice()),
            1 => ("except-uri", PREFIXES.as_slice()),
            2 => ("except-source", ["10.1.2.3", "10.0.0.0/8", "::/0"].as_slice()),
            3 => ("except-destination", DESTINATIONS.as_slice()),
            4 => ("except-user-agent", AGENTS.as_slice()),
            5 => ("except-sni", ["example.com", "other.net"].as_slice()),
            6 => ("except-uri-regex", PATTERNS.as_slice()),
            7 => ("except-anomaly", ["no-sni", "ip-literal", "host-mismatch"].as_slice()),
            8 => ("except-user", ASKED_USERS.as_slice()),
            9 => ("except-method", METHODS.as_slice()),
            10 => ("except-port", PORTS.as_slice()),
            11 => ("except-time-window", WINDOWS.as_slice()),
            _ => ("except-domain-list", ["/l/one", "/l/two"].as_slice()),
        };
        add(key, feed.pick(values).unwrap_or_default());
    }
}

/// Both twins of a policy whose lists are made up.
fn twins(
    feed: &mut Feed<'_>,
    checked: CheckedPolicy,
    default_action: Action,
) -> Option<(Ruleset, NaivePolicy)> {
    let (mut names, mut addresses, mut lists) = (Vec::new(), Vec::new(), Vec::new());
    let mut users: Vec<(Digest, UserList)> = Vec::new();
    let mut urls: Vec<(Digest, UrlList)> = Vec::new();
    for used in &checked.lists {
        let chosen = feed.byte();
        let all: &[&str] = match used.kind {
            ListKind::Domains => &LINES,
            ListKind::Addresses => &RANGES,
            ListKind::Users => &USERS,
            ListKind::Urls => &URLS,
            // The rules have them.
            ListKind::Expressions => &[],
        };
        let chosen = (0..8).zip(all).filter(|(bit, _)| chosen & (1 << bit) != 0);
        let text: String = chosen.map(|(_, line)| *line).collect();
        let set = Digest::of(format!("{:?} {text}", used.kind).as_bytes());
        match used.kind {
            ListKind::Domains => names.push((set, read_names(text.as_bytes()).ok()?.0)),
            ListKind::Addresses => addresses.push((set, read_addresses(text.as_bytes()).ok()?.0)),
            ListKind::Users => users.push((set, read_users(text.as_bytes()).ok()?.0)),
            ListKind::Urls => {
                let list = RawList::file(text.into_bytes());
                urls.push((set, read_list(&list, Some(ListFormat::Urls)).ok()?.0.urls));
            }
            ListKind::Expressions => {}
        }
        lists.push(CompiledList {
            path: used.path.clone(),
            kind: used.kind,
            source: set,
            set,
            entries: 0,
        });
    }
    names.sort_by_key(|(set, _): &(Digest, NameList)| *set);
    names.dedup_by_key(|(set, _)| *set);
    let mut sets = NaiveSets::default();
    names.iter().for_each(|(set, names)| sets.add_names(*set, names));
    addresses.iter().for_each(|(set, list): &(Digest, AddressList)| sets.add_addresses(*set, list));
    users.iter().for_each(|(set, list)| sets.add_users(*set, list));
    urls.sort_by_key(|(set, _)| *set);
    urls.dedup_by_key(|(set, _)| *set);
    urls.iter().for_each(|(set, urls)| sets.add_urls(*set, urls));
    let urls: Vec<_> = urls.iter().map(|(set, urls)| (*set, urls)).collect();
    let borrowed: Vec<_> = names.iter().map(|(set, names)| (*set, names)).collect();
    let index = DomainIndex::open(write_index_with(&borrowed, &urls, 11));
    assert!(index.is_ok(), "an index of ours does not open: {index:?}");
    let compiled: CompiledPolicy = compile(checked, default_action, lists);
    let regexes = compile_all(&compiled, Backend::Regex);
    assert!(regexes.is_ok(), "no shards: {:?}", regexes.as_ref().err());
    let regexes = regexes.ok()?;
    let name = feed.pick(&ZONES).unwrap_or("UTC");
    let (index, zone) = (Arc::new(index.ok()?), Zone::named(name).ok()?);
    let ruleset = build(&compiled, Loaded { index, addresses, regexes, users, zone });
    assert!(ruleset.is_ok(), "no ruleset: {:?}", ruleset.as_ref().err());
    Some((ruleset.ok()?, NaivePolicy::new(compiled, sets).in_zone(name)))
}

/// One request; nothing where it is malformed.
fn ask(feed: &mut Feed<'_>, judge: impl FnOnce(&Request<'_>)) {
    let phase =
        feed.pick(&[Phase::Request, Phase::Connect, Phase::Hello]).unwrap_or(Phase::Request);
    let tunnel =
        feed.pick(&[Tunnel::Opaque, Tunnel::Decrypted, Tunnel::Peeked]).unwrap_or(Tunnel::Opaque);
    let raw = match feed.byte() % 8 {
        // What the fuzzer makes up, behind a host that rules name.
        0 => {
            let count = usize::from(feed.byte()) % 32;
            [b"http://example.com/".as_slice(), feed.take(count)].concat()
        }
        1 | 2 => format!("{}:443", feed.pick(&HOSTS).unwrap_or_default()).into_bytes(),
        _ => {
            let scheme = feed.pick(&["http", "https", "ftp"]).unwrap_or_default();
            let host = feed.pick(&HOSTS).unwrap_or_default();
            let port = feed.pick(&["", "", ":80", ":443", ":8080"]).unwrap_or_default();
            let path = feed.pick(&PATHS).unwrap_or_default();
            format!("{scheme}://{host}{port}{path}").into_bytes()
        }
    };
    let form =
        if raw.windows(3).any(|part| part == b"://") { Form::Absolute } else { Form::Connect };
    let (mut first, mut second) = (UriBuffer::default(), UriBuffer::default());
    let Ok(uri) = CanonicalUri::parse(&mut first, form, &raw) else { return };
    let tunnel_to = format!("{}:443", feed.pick(&HOSTS).unwrap_or_default());
    let outer = CanonicalUri::parse(&mut second, Form::Connect, tunnel_to.as_bytes()).ok();
    let (mut name, mut outer_name) = (String::new(), String::new());
    let sni = known_name(feed, &mut name);
    let outer_sni = known_name(feed, &mut outer_name);
    let earlier = match feed.byte() & 3 {
        0 => outer.map(|outer| Earlier {
            host: outer.host(),
            port: outer.port(),
            sni: outer_sni,
            user_agent: known_text(feed),
        }),
        _ => None,
    };
    let address: Option<IpAddr> = feed.pick(&ADDRESSES).and_then(|text| text.parse().ok());
    let Some(address) = address else { return };
    let (user_agent, referer) = (known_text(feed), known_text(feed));
    judge(&Request {
        phase,
        tunnel,
        method: feed.pick(&METHODS).unwrap_or_default().as_bytes(),
        uri: &uri,
        client: Client {
            address,
            user: feed.pick(&WHO).unwrap_or_default(),
            sni,
            user_agent,
            referer,
        },
        earlier,
    });
}

fn known_name<'a>(feed: &mut Feed<'_>, buffer: &'a mut String) -> Known<Domain<'a>> {
    match feed.byte() % 3 {
        0 => Known::Unknown,
        1 => Known::Absent,
        _ => {
            let name = feed.pick(&SNIS).unwrap_or_default();
            Domain::parse(buffer, name.as_bytes()).map_or(Known::Absent, Known::Is)
        }
    }
}

fn known_text(feed: &mut Feed<'_>) -> Known<&'static [u8]> {
    match feed.byte() % 3 {
        0 => Known::Unknown,
        1 => Known::Absent,
        _ => Known::Is(feed.pick(&HEADERS).unwrap_or_default().as_bytes()),
    }
}
