//! The tables and their slow twin give the same verdict on everything.

use std::net::IpAddr;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::testing::{Ask, Sketch};
use crate::check::{
    AddressClass, AddressPattern, AddressRange, Anomaly, Application, Conditions, DomainPattern,
    ListIndex, ListKind, Scope, SniPattern,
};
use crate::client::{Known, Phase, Tunnel};
use crate::decide::{Scratch, decide};
use crate::moment::Moment;
use crate::regex::{Backend, RegexPattern};
use crate::tunnel::tls_for;
use crate::uri::UriPrefix;
use crate::verdict::{Action, Tls};

const NAMES: &[&str] = &[
    "example.com",
    "www.example.com",
    "a.www.example.com",
    "ample.com",
    "other.net",
    "cdn.other.net",
    "192.0.2.1",
    "[2001:db8::1]",
    "2.1",
];
const HOSTS: &[&str] = &[
    "example.com",
    "WWW.Example.COM.",
    "b.a.www.example.com",
    "notexample.com",
    "other.net",
    "x.cdn.other.net",
    "unlisted.org",
    "192.0.2.1",
    "3221225985",
    "0xc0.0.513",
    "[::ffff:192.0.2.1]",
    "[2001:DB8:0::1]",
    "10.1.2.3",
    "127.1",
    "user:word@example.com",
    "p\u{430}ypal.test",
];
const PATHS: &[&str] = &[
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
    "/a;p=1/b",
    "/c\\..\\a\\b",
    "/%2561/b",
    "/b#a",
];
const LISTS: u32 = 3;

fn conditions() -> impl Strategy<Value = Conditions> {
    let names = || vec((select(NAMES), select(&[Scope::Tree, Scope::Host][..])), 1..3);
    let names = move || {
        names().prop_map(|names| {
            let pattern = |(name, scope): (&str, Scope)| DomainPattern { name: name.into(), scope };
            names.into_iter().map(pattern).collect::<Vec<_>>()
        })
    };
    let sni = (names(), prop_oneof![3 => Just(None), 1 => Just(Some(SniPattern::Any))])
        .prop_map(|(names, any)| names.into_iter().map(SniPattern::Name).chain(any).collect());
    let lists = subsequence((0..LISTS).map(ListIndex).collect::<Vec<_>>(), 0..=2);
    let kinds = (
        rarely(vec(prefix(), 1..4)),
        rarely(names()),
        rarely(lists),
        rarely(sni),
        rarely(vec(address(false), 1..3)),
        rarely(vec(address(true), 1..3)),
        rarely(vec(select(&["mozilla", "bot", "o", "curl/8"][..]).prop_map(str::to_owned), 1..3)),
        (rarely(vec(select(&Anomaly::ALL[..]), 1..3)), regexes()),
        prop_oneof![
            4 => Just(Application::Any),
            1 => select(&[
                Application::Http,
                Application::Https,
                Application::Ftp,
                Application::Connect,
            ][..]),
        ],
    );
    kinds.prop_map(
        |(uri, domains, domain_lists, sni, sources, destinations, agents, others, application)| {
            let (anomalies, regexes) = others;
            let user_agents = agents;
            let [uri_regexes, sni_regexes, user_agent_regexes, referer_regexes] = regexes;
            Conditions {
                uri,
                domains,
                domain_lists,
                sni,
                sources,
                destinations,
                user_agents,
                application,
                anomalies,
                uri_regexes,
                sni_regexes,
                user_agent_regexes,
                referer_regexes,
            }
        },
    )
}

/// Patterns of each field, with ends, boundaries and cases that matter.
fn regexes() -> impl Strategy<Value = [Vec<RegexPattern>; 4]> {
    let of = |texts: &'static [&'static str]| {
        rarely(vec(select(texts).prop_map(|text| RegexPattern::parse(text).unwrap()), 1..3))
    };
    let uri = of(&[
        r"^https?://(www\.)?example\.com/",
        r"other\.net(:\d+)?(/|$)",
        r"a/b$",
        r"/a",
        r"\bexample\b",
        r"(?-i)/A",
        r"\.com/\B",
        r"/\b",
        r"[?&]x=",
        r"^http://[^/]*/a",
        r":8080/$",
        r"\.com(/.*)?$",
        r"^https://[0-9.]+/",
        r"%2f|%5c",
        r"org/$|net/.",
    ]);
    let sni = of(&[r"(^|\.)example\.com$", r"^plain", r"o.*e", r"\.net$", r"^[^.]+\.[^.]+$"]);
    let agent = of(&[r"^Mozilla/\d", r"(?-i)bot", r"BOT$", r"curl/[78]\.", r"\bgoogle"]);
    let referer = of(&[r"^https://search\.", r"q=[a-z]+$", r"(?-i)Q="]);
    (uri, sni, agent, referer).prop_map(|(uri, sni, agent, referer)| [uri, sni, agent, referer])
}

/// Mostly nothing, so that rules hold often enough.
fn rarely<T: std::fmt::Debug + Clone + 'static>(
    values: impl Strategy<Value = Vec<T>> + 'static,
) -> impl Strategy<Value = Vec<T>> {
    prop_oneof![3 => Just(Vec::new()), 1 => values]
}

fn prefix() -> impl Strategy<Value = UriPrefix> {
    let scheme = select(&["", "http://", "https://", "ftp://"][..]);
    let port = select(&["", "", ":80", ":443", ":8080"][..]);
    let path = select(&["", "/", "/a", "/a/", "/a/b", "/ab", "/a/b?x", "/A", "/b/.."][..]);
    (scheme, select(HOSTS), port, path)
        .prop_filter_map("a bad prefix", |(scheme, host, port, path)| {
            UriPrefix::parse(&format!("{scheme}{host}{port}{path}")).ok()
        })
}

fn address(destination: bool) -> impl Strategy<Value = AddressPattern> {
    let ranges = [
        ("10.0.0.0", "10.255.255.255"),
        ("10.1.2.3", "10.1.2.3"),
        ("10.1.2.1", "10.1.3.9"),
        ("192.0.2.0", "192.0.2.255"),
        ("0.0.0.0", "255.255.255.255"),
        ("2001:db8::", "2001:db8::ff"),
        ("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ];
    let range = select(ranges.to_vec()).prop_map(|(first, last)| {
        let (first, last) = (first.parse().unwrap(), last.parse().unwrap());
        AddressPattern::Range(AddressRange { first, last })
    });
    let class = select(vec![
        AddressClass::Loopback,
        AddressClass::Private,
        AddressClass::LinkLocal,
        AddressClass::AnyLiteral,
    ]);
    let list = Just(AddressPattern::List(ListIndex(LISTS)));
    prop_oneof![
        4 => range.clone(),
        1 => list,
        2 => if destination { class.prop_map(AddressPattern::Class).boxed() } else { range.boxed() },
    ]
}

pub(crate) fn sketch() -> impl Strategy<Value = Sketch> {
    let actions =
        || select(&[Action::Permit, Action::Permit, Action::Deny, Action::Warn, Action::Aup][..]);
    let names = vec((select(NAMES), select(&["", "="][..])), 0..4).prop_map(|names| {
        names.iter().map(|(name, scope)| format!("{scope}{name}\n")).collect::<String>()
    });
    let lists = vec(names, LISTS as usize);
    let addresses = subsequence(
        vec!["10.0.0.0/8\n", "10.1.2.3\n", "192.0.2.0/30\n", "2001:db8::/64\n", "172.16.0.9\n"],
        0..4,
    );
    let tls = prop_oneof![
        3 => Just(None),
        1 => select(&[Tls::Splice, Tls::Bump, Tls::Terminate][..]).prop_map(Some),
    ];
    (vec((actions(), conditions()), 1..10), lists, addresses, actions(), vec(tls, 10)).prop_map(
        |(rules, names, addresses, default, tls)| {
            let mut lists: Vec<_> =
                names.into_iter().map(|text| (ListKind::Domains, text)).collect();
            lists.push((ListKind::Addresses, addresses.concat()));
            Sketch { rules, lists, default_action: Some(default), tls }
        },
    )
}

pub(crate) fn ask() -> impl Strategy<Value = Ask> {
    let port = || select(&["", "", ":80", ":443", ":8080"][..]);
    let absolute = (select(&["http", "https", "ftp"][..]), select(HOSTS), port(), select(PATHS))
        .prop_map(|(scheme, host, port, path)| format!("{scheme}://{host}{port}{path}"));
    let connect = (select(HOSTS), select(&["443", "8080", "80"][..]))
        .prop_map(|(host, port)| format!("{host}:{port}"));
    let sni = || {
        prop_oneof![
            Just(Known::Unknown),
            Just(Known::Absent),
            select(&["example.com", "www.example.com", "z.other.net", "plain.org"][..])
                .prop_map(|name| Known::Is(name.to_owned())),
        ]
    };
    let agent = || {
        prop_oneof![
            Just(Known::Unknown),
            Just(Known::Absent),
            select(&["Mozilla/5.0", "GoogleBOT", "curl/8.1", ""][..])
                .prop_map(|text| Known::Is(text.to_owned())),
        ]
    };
    let hosts = ["example.com", "www.example.com", "other.net", "192.0.2.1", "[2001:db8::1]"];
    let told = (select(hosts.to_vec()), select(vec![443, 8080, 80]), sni(), agent())
        .prop_map(|(host, port, sni, agent)| Some((host.to_owned(), port, sni, agent)));
    let earlier = prop_oneof![2 => Just(None), 1 => told];
    let clients =
        ["10.1.2.3", "10.9.9.9", "172.16.0.9", "2001:db8::7", "fe80::1", "::ffff:10.1.2.3"];
    let client = select(clients.map(|text| text.parse::<IpAddr>().unwrap()).to_vec());
    let phase = select(&[Phase::Connect, Phase::Hello, Phase::Request][..]);
    let tunnel = select(&[Tunnel::Opaque, Tunnel::Peeked, Tunnel::Decrypted][..]);
    let referer = prop_oneof![
        Just(Known::Unknown),
        Just(Known::Absent),
        select(&["https://search.example/?q=ads", "http://h/?Q=1", ""][..])
            .prop_map(|text| Known::Is(text.to_owned())),
    ];
    let uri = prop_oneof![absolute, connect];
    (phase, tunnel, uri, client, sni(), agent(), referer, earlier).prop_map(
        |(phase, tunnel, uri, client, sni, user_agent, referer, earlier)| Ask {
            phase,
            tunnel,
            uri,
            client,
            sni,
            user_agent,
            earlier,
            referer,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn tables_and_twin_agree(
        sketch in sketch(),
        asks in vec(ask(), 1..30),
        backend in select(vec![Backend::built_in(), Backend::Regex]),
    ) {
        let twins = sketch.build_for(backend).unwrap();
        let mut scratch = Scratch::new(&twins.ruleset);
        let now = Moment::from_unix_micros(0);
        for ask in asks {
            ask.with(|request| {
                let fast = decide(&twins.ruleset, &mut scratch, request, now);
                prop_assert_eq!(fast, twins.naive.decide(request, now), "{:?}", request);
                if request.phase == Phase::Hello {
                    let fast = tls_for(&twins.ruleset, &mut scratch, request, now);
                    prop_assert_eq!(fast, twins.naive.tls_for(request), "{:?}", request);
                }
                Ok(())
            }).unwrap_or(Ok(()))?;
        }
    }
}
