//! The lowest matching id wins, on every match path (SPEC 3).

use eg_policy::check::Trust;
use eg_policy::verdict::Action;

use super::bench::one;

/// Attributes that all hold for one request, one of each kind.
const HOLDING: &[&str] = &[
    "match-uri: https://10.0.0.1/x",
    "match-domain: =10.0.0.1",
    "match-domain-list: x.list",
    "match-source: 192.0.2.0/24",
    "match-destination: private",
    "match-sni: s.example",
    "match-user-agent: agent",
];

#[test]
fn the_lowest_id_wins_on_every_match_path() {
    for first in HOLDING {
        for second in HOLDING {
            for (action, word) in [("permit", "permit"), ("deny", "deny"), ("warn", "warn")] {
                let text = format!(
                    "miss: {{\n match-domain: elsewhere.example\n}}\n\
                     one: {{\n {first}\n action: {action}\n}}\n\
                     two: {{\n {second}\n action: aup\n}}\n"
                );
                let list: &[u8] = b"10.0.0.1\ns.example\n";
                let request = "request https://10.0.0.1/x | sni=s.example | ua=an Agent";
                // a permitting rule about the host must hold for the SNI too, which is another one
                let about_host =
                    first.starts_with("match-domain:") || first.starts_with("match-uri:");
                let broad = about_host && action == "permit";
                let expected = if broad { "aup two".to_owned() } else { format!("{word} one") };
                one(&text).list("x.list", list).decides(&[(request, &expected)]);
            }
        }
    }
}

#[test]
fn shared_rules_come_after_the_operators() {
    one("own: {\n match-domain: www.a.example\n action: permit\n}")
        .file("s/1.policy", "feed: {\n match-domain: a.example\n}", Trust::Shared)
        .default(Action::Warn)
        .decides(&[
            ("request http://www.a.example/", "permit own"),
            ("request http://a.example/", "deny feed"),
            ("request http://b.example/", "default"),
        ]);
}

/// A kind, values of it that cover each other, the widest first, and requests with the number of the
/// narrowest value that covers each.
type Nested = (&'static str, &'static [&'static str], &'static [(&'static str, usize)]);

const NESTED: &[Nested] = &[
    (
        "match-domain",
        &["a.example", "b.a.example", "c.b.a.example", "=d.c.b.a.example"],
        &[
            ("request http://a.example/", 0),
            ("request http://x.a.example/", 0),
            ("request http://b.a.example/", 1),
            ("request http://cc.b.a.example/", 1),
            ("request http://c.b.a.example/", 2),
            ("request http://x.d.c.b.a.example/", 2),
            ("request http://d.c.b.a.example/", 3),
        ],
    ),
    (
        "match-uri",
        &["a.example", "a.example/x", "a.example/xy", "a.example/xy/z?q"],
        &[
            ("request http://a.example/", 0),
            ("request http://a.example/y", 0),
            ("request http://a.example/x", 1),
            ("request http://a.example/xz", 1),
            ("request http://a.example/xy", 2),
            ("request http://a.example/xy/z", 2),
            ("request http://a.example/xy/z?qq", 3),
        ],
    ),
    (
        "match-uri",
        &[
            "a.example/",
            "https://a.example/",
            "https://a.example:8443/",
            "https://a.example:8443/x",
        ],
        &[
            ("request http://a.example:8443/x", 0),
            ("request https://a.example/x", 1),
            ("request https://a.example:8443/y", 2),
            ("request https://a.example:8443/x", 3),
        ],
    ),
    (
        "match-source",
        &["0.0.0.0/0", "10.0.0.0/8", "10.1.0.0-10.1.255.254", "10.1.2.3"],
        &[
            ("request http://a.example/ | client=192.0.2.1", 0),
            ("request http://a.example/ | client=10.2.0.0", 1),
            ("request http://a.example/ | client=10.1.255.255", 1),
            ("request http://a.example/ | client=10.1.2.4", 2),
            ("request http://a.example/ | client=10.1.255.254", 2),
            ("request http://a.example/ | client=10.1.2.3", 3),
        ],
    ),
    (
        "match-destination",
        &["any-literal", "private", "10.0.0.0/8", "10.0.0.1"],
        &[
            ("request http://8.8.8.8/", 0),
            ("request http://192.168.0.1/", 1),
            ("request http://10.0.0.2/", 2),
            ("request http://0xa000001/", 3),
        ],
    ),
    (
        "match-user-agent",
        &["b", "bc", "abcd", "abcde"],
        &[
            ("request http://a.example/ | ua=b", 0),
            ("request http://a.example/ | ua=abd", 0),
            ("request http://a.example/ | ua=abc", 1),
            ("request http://a.example/ | ua=xabcdx", 2),
            ("request http://a.example/ | ua=b abcd abcde", 3),
        ],
    ),
    (
        "match-sni",
        &["a.example", "b.a.example", "=c.b.a.example"],
        &[
            ("hello x.example:443 | sni=a.example", 0),
            ("hello x.example:443 | sni=b.a.example", 1),
            ("hello x.example:443 | sni=x.c.b.a.example", 1),
            ("hello x.example:443 | sni=c.b.a.example", 2),
        ],
    ),
];

#[test]
fn the_lowest_id_wins_however_narrow_the_others_are() {
    for (kind, values, requests) in NESTED {
        let block = |n: usize, action: &str| {
            format!("r{n}: {{\n {kind}: {}\n action: {action}\n}}\n", values[n])
        };
        for actions in [["deny", "permit"], ["permit", "deny"], ["warn", "aup"]] {
            let action = |n: usize| actions[n % 2];
            // the widest first: it wins wherever it covers
            let text: String = (0..values.len()).map(|n| block(n, action(n))).collect();
            let expected = format!("{} r0", action(0));
            let cases: Vec<_> =
                requests.iter().map(|(line, _)| (*line, expected.as_str())).collect();
            one(&text).decides(&cases);
            // the narrowest first
            let text: String = (0..values.len()).rev().map(|n| block(n, action(n))).collect();
            for (line, narrowest) in *requests {
                let expected = format!("{} r{narrowest}", action(*narrowest));
                one(&text).decides(&[(line, &expected)]);
            }
        }
    }
}
