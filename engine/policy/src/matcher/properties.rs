//! The tables and their slow twin give the same verdict on everything.

use std::net::IpAddr;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::testing::{Ask, More, Sketch};
use crate::check::{
    AddressClass, AddressPattern, AddressRange, Anomaly, Application, Conditions, DomainPattern,
    ListExpression, ListIndex, ListKind, MINUTES_OF_WEEK, Mode, PortRange, Scope, SniPattern,
    TimeWindow, UserPattern, Validity,
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
const USERS: &[&str] = &["ada", "Ada", "eve", "DOMAIN\\eve"];
const METHODS: &[&str] = &["GET", "get", "POST", "CONNECT", "connect", "FOO"];
const ZONES: &[&str] =
    &["UTC", "Europe/Zurich", "America/New_York", "Pacific/Auckland", "Australia/Lord_Howe"];
/// Behind the lists of names, the one of addresses and the one of users: those of URLs, and the one of expressions.
const URL_LISTS: std::ops::Range<u32> = LISTS + 2..LISTS + 4;
const EXPRESSIONS: ListIndex = ListIndex(LISTS + 4);
const URLS: &[&str] = &[
    "example.com/",
    "example.com/a",
    "example.com/a/b",
    "example.com/a/b?x",
    "www.example.com/ab",
    "a.www.example.com/",
    "other.net/a/",
    "other.net/c/..",
    "cdn.other.net/A",
    "192.0.2.1/a",
    "[2001:db8::1]/",
    "com/a",
];

/// Lists of names and of URLs, and expressions of the one that has some.
fn lists() -> impl Strategy<Value = (Vec<ListIndex>, Vec<ListExpression>)> {
    let numbers = (0..LISTS).chain(URL_LISTS).chain(URL_LISTS).map(ListIndex);
    let lists = subsequence(numbers.collect::<Vec<_>>(), 0..=3);
    let expressions = select(&[r"/a/b", r"^https?://other\.net/", r"[?]x=\d", r"org/$"][..]);
    let expressions = expressions.prop_map(|text| {
        let pattern = RegexPattern::parse(text).unwrap();
        ListExpression { list: EXPRESSIONS, pattern }
    });
    (rarely(lists), rarely(rarely(vec(expressions, 1..3))))
}

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
    let kinds = (
        rarely(vec(prefix(), 1..4)),
        rarely(names()),
        lists(),
        rarely(sni),
        rarely(vec(address(false), 1..3)),
        rarely(vec(address(true), 1..3)),
        rarely(vec(select(&["mozilla", "bot", "o", "curl/8"][..]).prop_map(str::to_owned), 1..3)),
        (rarely(vec(select(&Anomaly::ALL[..]), 1..3)), regexes(), terms()),
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
        |(
            uri,
            domains,
            (domain_lists, list_expressions),
            sni,
            sources,
            destinations,
            agents,
            others,
            application,
        )| {
            let (anomalies, regexes, (users, methods, ports, windows)) = others;
            let user_agents = agents;
            let [uri_regexes, sni_regexes, user_agent_regexes, referer_regexes] = regexes;
            Conditions {
                uri,
                domains,
                domain_lists,
                list_expressions,
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
                users,
                methods,
                ports,
                windows,
            }
        },
    )
}

type Terms = (Vec<UserPattern>, Vec<String>, Vec<PortRange>, Vec<TimeWindow>);

/// Users, methods, ports and times, close to what requests and moments have.
fn terms() -> impl Strategy<Value = Terms> {
    let user = prop_oneof![
        3 => select(USERS).prop_map(|name| UserPattern::Name(name.to_owned())),
        1 => Just(UserPattern::List(ListIndex(LISTS + 1))),
    ];
    let method = select(METHODS).prop_map(str::to_owned);
    let ports = [(80, 80), (443, 443), (1, 1023), (8080, 8080), (8000, 9000), (444, 65535)];
    let port = select(ports.to_vec()).prop_map(|(first, last)| PortRange { first, last });
    let window = (0..MINUTES_OF_WEEK, prop_oneof![1_u16..180, 1_u16..MINUTES_OF_WEEK])
        .prop_map(|(from, long)| TimeWindow { from, until: (from + long).min(MINUTES_OF_WEEK) });
    // The night to Sunday, in which clocks are changed.
    let night = (6 * 1440..6 * 1440 + 300_u16, 1_u16..90)
        .prop_map(|(from, long)| TimeWindow { from, until: from + long });
    let windows = vec(prop_oneof![window, night], 1..4);
    (rarely(vec(user, 1..3)), rarely(vec(method, 1..3)), rarely(vec(port, 1..3)), rarely(windows))
}

/// What few rules say, on few rules.
fn more() -> impl Strategy<Value = More> {
    let moment = || prop_oneof![2 => Just(None), 1 => moment().prop_map(Some)];
    let validity = (moment(), moment()).prop_map(|(from, until)| Validity { from, until });
    let except =
        conditions().prop_map(|asked| Conditions { application: Application::Any, ..asked });
    let mode = prop_oneof![4 => Just(Mode::Enforce), 1 => Just(Mode::Monitor)];
    (
        prop_oneof![1 => Just(Conditions::default()), 2 => except],
        prop_oneof![3 => Just(Validity::ALWAYS), 1 => validity],
        mode,
    )
        .prop_map(|(except, validity, mode)| More { except, validity, mode })
}

/// Moments around the changes of clocks in the zones of [`ZONES`], and any others of these years.
fn moment() -> impl Strategy<Value = Moment> {
    let changes = [
        // Europe, 2026: the last Sundays of March and October, 01:00 UTC
        1_774_746_000,
        1_792_890_000,
        // New York, 2026: 07:00 and 06:00 UTC
        1_772_953_200,
        1_793_512_800,
        // Auckland, 2026: 14:00 UTC
        1_775_311_200,
        1_790_431_200,
        // Lord Howe, 2026: half an hour
        1_775_314_800,
        1_791_041_400,
    ];
    let near = (select(changes.to_vec()), -14_400_i64..14_400).prop_map(|(at, off)| at + off);
    let any = 1_735_689_600_i64..1_830_297_600;
    let seconds = prop_oneof![4 => near, 1 => any];
    let micros = prop_oneof![3 => Just(0_i64), 1 => 0_i64..1_000_000];
    (seconds, micros).prop_map(|(at, micros)| Moment::from_unix_micros(at * 1_000_000 + micros))
}

/// Patterns of each field, with ends, boundaries and cases that matter.
fn regexes() -> impl Strategy<Value = [Vec<RegexPattern>; 4]> {
    let of = |texts: &'static [&'static str]| {
        rarely(vec(select(texts).prop_map(|text| RegexPattern::parse(text).unwrap()), 1..3))
    };
    let uri = of(&[
        r"^https?://(www\.)?example\.com/",
        r"^https?://([^/]+\.)?example\.com/",
        r"^https?://(?:[a-z0-9-]+\.)*?other\.net(/a|$)",
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

fn sketch() -> impl Strategy<Value = Sketch> {
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
    let urls = || {
        let lines = subsequence(URLS, 0..5);
        lines.prop_map(|lines| lines.iter().map(|line| format!("{line}\n")).collect::<String>())
    };
    let addresses = (addresses, urls(), urls());
    let tls = prop_oneof![
        3 => Just(None),
        1 => select(&[Tls::Splice, Tls::Bump, Tls::Terminate][..]).prop_map(Some),
    ];
    let users = subsequence(vec!["ada\n", "eve\n", "DOMAIN\\eve\n"], 0..3);
    let more = prop_oneof![1 => Just(Vec::new()), 2 => vec(more(), 1..10)];
    let rules = vec((actions(), conditions()), 1..10);
    let lists = (lists, addresses, users);
    (rules, lists, actions(), vec(tls, 10), more, select(ZONES)).prop_map(
        |(rules, (names, (addresses, one, other), users), default, tls, more, zone)| {
            let mut lists: Vec<_> =
                names.into_iter().map(|text| (ListKind::Domains, text)).collect();
            lists.push((ListKind::Addresses, addresses.concat()));
            lists.push((ListKind::Users, users.concat()));
            lists.extend([(ListKind::Urls, one), (ListKind::Urls, other)]);
            lists.push((ListKind::Expressions, String::new()));
            let more = more.into_iter().take(rules.len()).collect();
            Sketch { rules, lists, default_action: Some(default), tls, more, zone: Some(zone) }
        },
    )
}

fn ask() -> impl Strategy<Value = Ask> {
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
    let user = prop_oneof![Just(None), select(USERS).prop_map(Some)];
    let who = (client, user, select(METHODS));
    (phase, tunnel, uri, who, sni(), agent(), referer, earlier).prop_map(
        |(phase, tunnel, uri, (client, user, method), sni, user_agent, referer, earlier)| Ask {
            phase,
            tunnel,
            uri,
            client,
            sni,
            user_agent,
            earlier,
            referer,
            method,
            user,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn tables_and_twin_agree(
        sketch in sketch(),
        asks in vec((ask(), moment()), 1..30),
        backend in select(vec![Backend::built_in(), Backend::Regex]),
    ) {
        let twins = sketch.build_for(backend).unwrap();
        let mut scratch = Scratch::new(&twins.ruleset);
        for (ask, now) in asks {
            ask.with(|request| {
                let fast = decide(&twins.ruleset, &mut scratch, request, now);
                prop_assert_eq!(fast, twins.naive.decide(request, now), "{:?}", request);
                if request.phase == Phase::Hello {
                    let fast = tls_for(&twins.ruleset, &mut scratch, request, now);
                    prop_assert_eq!(fast, twins.naive.tls_for(request, now), "{:?}", request);
                }
                Ok(())
            }).unwrap_or(Ok(()))?;
        }
    }
}
