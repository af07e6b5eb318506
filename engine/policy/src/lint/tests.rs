//! What lint says is true of every request, and it finds what it can find.

use proptest::collection::vec;
use proptest::prelude::*;

use super::covers::{Compare, Wider};
use super::names::Listed;
use super::never::{When, never};
use super::overlap::Overlap;
use super::shadow::{CANDIDATES_MAX, Finder, Shadow};
use super::{Inspect, LintInput, ListSet, lint};
use crate::check::{CheckedPolicy, ListKind, ListUse, Trust, check_with};
use crate::client::{Known, Phase};
use crate::decide::{Scratch, decide};
use crate::diagnostic::{Place, Severity};
use crate::lists::{
    AddressList, ListFormat, NameList, RawList, UrlList, read_addresses, read_list, read_names,
};
use crate::matcher::properties::{ask, moment, sketch};
use crate::matcher::testing::Sketch;
use crate::moment::Moment;
use crate::sources::SourceFile;
use crate::uri::{PathKnown, Scheme};
use crate::users::{UserList, read_users};
use crate::verdict::Cause;

const NOW: Moment = Moment::from_unix_micros(1_790_000_000_000_000);

enum Read {
    Names(NameList),
    Addresses(AddressList),
    Users(UserList),
    Urls(UrlList),
    Unread,
}

impl Read {
    fn new(kind: ListKind, text: &str) -> Self {
        match kind {
            ListKind::Domains => Self::Names(read_names(text.as_bytes()).unwrap().0),
            ListKind::Addresses => Self::Addresses(read_addresses(text.as_bytes()).unwrap().0),
            ListKind::Users => Self::Users(read_users(text.as_bytes()).unwrap().0),
            ListKind::Urls => {
                let list = RawList::file(text.as_bytes().to_vec());
                Self::Urls(read_list(&list, Some(ListFormat::Urls)).unwrap().0.urls)
            }
            ListKind::Expressions => Self::Unread,
        }
    }

    fn set(&self) -> ListSet<'_> {
        match self {
            Self::Names(names) => ListSet::Names(names),
            Self::Addresses(addresses) => ListSet::Addresses(addresses),
            Self::Users(users) => ListSet::Users(users),
            Self::Urls(urls) => ListSet::Urls(urls),
            Self::Unread => ListSet::Unread,
        }
    }
}

/// The findings as `code@line`, and their messages.
fn found(text: &str, lists: &[(&str, &str)], inspect: Inspect) -> Vec<(String, String)> {
    let files = [(SourceFile::new("/r/t.policy", text), Trust::Operator)];
    let mut read = Vec::new();
    let (policy, faults) = check_with(&files, |list| {
        let found = lists.iter().find(|(name, _)| format!("/r/{name}") == list.path);
        read.push(Read::new(list.kind, found.ok_or("no such list")?.1));
        Ok(())
    });
    let errors: Vec<_> = faults.iter().filter(|fault| fault.severity == Severity::Error).collect();
    assert!(errors.is_empty(), "{errors:?}");
    let sets: Vec<_> = read.iter().map(Read::set).collect();
    let input = LintInput { files: &files, policy: &policy, lists: &sets, inspect, now: NOW };
    let linted = lint(&input);
    assert!(linted.unfinished.is_empty(), "{:?}", linted.unfinished);
    let told = linted.diagnostics.into_iter().map(|fault| {
        assert!(!fault.render().is_empty());
        (format!("{}@{}", fault.code.id(), fault.place.line), fault.message)
    });
    told.collect()
}

#[track_caller]
fn check(text: &str, lists: &[(&str, &str)], expected: &[&str]) {
    let found = found(text, lists, Inspect::Unsaid);
    let codes: Vec<&str> = found.iter().map(|(code, _)| code.as_str()).collect();
    assert_eq!(codes, expected, "{text}\n{found:#?}");
}

/// Looks at two rules of attributes, of which the second is behind the first or not.
#[track_caller]
fn shadows(pairs: &[(&str, &str)], is_behind: bool) {
    let lists =
        [("l.txt", "example.net\n=one.test\n"), ("n.txt", "10.0.0.0/8\n"), ("u.txt", "ada\neve\n")];
    for (first, second) in pairs {
        let lines = |text: &str| text.replace("; ", "\n");
        let text = format!("a: {{\n{}\n}}\nb: {{\n{}\n}}\n", lines(first), lines(second));
        let told = format!("EGP091@{}", 4 + first.matches("; ").count());
        let expected: &[&str] = if is_behind { &[&told] } else { &[] };
        check(&text, &lists, expected);
    }
}

#[test]
fn rules_behind_a_wider_one() {
    shadows(
        &[
            ("match-domain: example.com", "match-domain: www.example.com"),
            ("match-domain: example.com", "match-domain: =example.com, a.example.com"),
            ("match-domain: example.com", "match-uri: https://www.example.com/path"),
            ("match-domain: a.test, b.test", "match-domain: b.test; match-source: 10.0.0.0/8"),
            ("match-domain-list: l.txt", "match-domain: www.example.net"),
            ("match-domain-list: l.txt", "match-domain: =one.test"),
            ("match-domain-list: l.txt", "match-domain-list: l.txt"),
            ("match-uri: example.com/a", "match-uri: https://example.com/ab?x"),
            ("match-source: 10.0.0.0/8", "match-source: 10.1.0.0-10.2.0.7"),
            ("match-source: ./n.txt", "match-source: 10.1.0.0/16, 10.9.9.9"),
            ("match-source: 0.0.0.0/0", "match-source: ./n.txt"),
            ("match-destination: private", "match-destination: 192.168.1.0/24"),
            ("match-destination: any-literal", "match-destination: loopback"),
            ("match-user-agent: curl", "match-user-agent: Curl/7"),
            ("match-sni: a.test", "match-sni: x.a.test"),
            ("allow-broad: true; match-sni: *", "match-sni: x.a.test"),
            ("match-uri-regex: /ads[0-9]+", "match-uri-regex: /ads[0-9]+; match-domain: a.test"),
            ("match-anomaly: ip-literal, no-sni", "match-anomaly: ip-literal"),
            (
                "match-domain: a.test; application: https",
                "match-domain: a.test; application: connect",
            ),
            ("match-domain: a.test", "match-domain: a.test; action: permit"),
            ("match-domain: a.test; action: permit", "match-domain: b.a.test; action: deny"),
            ("match-domain: *; allow-broad: true", "match-domain: b.a.test; action: permit"),
            ("match-domain: a.test; tls: splice", "match-domain: a.test; tls: bump"),
        ],
        true,
    );
    shadows(
        &[
            ("match-domain: www.example.com", "match-domain: example.com"),
            ("match-domain: =example.com", "match-domain: www.example.com"),
            ("match-domain: example.com", "match-domain: notexample.com"),
            ("match-domain: example.com; match-source: 10.0.0.0/8", "match-domain: example.com"),
            ("match-domain-list: l.txt", "match-domain: one.test"),
            ("match-uri: example.com/ab", "match-uri: example.com/a"),
            ("match-uri: https://example.com/", "match-uri: example.com/"),
            ("match-source: 10.0.0.0/9", "match-source: 10.0.0.0/8"),
            ("match-source: ./n.txt", "match-source: 10.0.0.0/7"),
            ("match-user-agent: curl/7", "match-user-agent: curl"),
            ("match-sni: a.test", "match-domain: a.test"),
            (
                "match-domain: a.test; application: connect",
                "match-domain: a.test; application: https",
            ),
            ("match-domain: a.test", "match-domain: a.test; tls: bump"),
            ("match-uri-regex: /ads", "match-uri-regex: /ads[0-9]+"),
        ],
        false,
    );
}

#[test]
fn rules_of_users_and_times_behind_a_wider_one() {
    shadows(
        &[
            ("match-user: ada, eve", "match-user: eve; match-domain: a.test"),
            ("match-user: @u.txt", "match-user: ada"),
            ("match-user: @u.txt", "match-user: @u.txt; match-port: 80"),
            ("match-method: get, POST", "match-method: GET; match-domain: a.test"),
            ("match-port: 8000-8100", "match-port: 8080, 8001-8002"),
            ("match-domain: a.test", "match-domain: a.test; monitor: true"),
            ("match-domain: a.test", "match-domain: a.test; except-source: 10.0.0.1"),
            ("match-domain: a.test", "match-domain: a.test; time-window: 08:00-09:00"),
            (
                "match-domain: a.test; time-window: 08:00-09:00",
                "match-domain: a.test; time-window: 08:00-09:00",
            ),
            ("match-domain: a.test; except-user: ada", "match-domain: a.test; except-user: ada"),
        ],
        true,
    );
    shadows(
        &[
            ("match-domain: a.test; monitor: true", "match-domain: a.test"),
            ("match-domain: a.test; monitor: true", "match-domain: a.test; monitor: true"),
            ("match-domain: a.test; time-window: 08:00-09:00", "match-domain: a.test"),
            ("match-domain: a.test; valid-until: 2099-01-01T00:00:00Z", "match-domain: a.test"),
            ("match-domain: a.test; except-user: ada", "match-domain: a.test"),
            (
                "match-domain: a.test; except-user: ada",
                "match-domain: a.test; action: warn; except-user: ada",
            ),
            ("match-method: get; action: permit", "match-method: GET; action: permit"),
            ("match-method: GET; action: permit", "match-method: GET"),
            ("match-port: 8000-8080", "match-port: 8080-8090"),
            ("match-user: ada", "match-user: @u.txt"),
            ("match-user: ada", "match-user: Ada"),
        ],
        false,
    );
}

#[test]
fn a_permit_leaves_a_denial_what_can_be_read_in_two_ways() {
    let text = "a: {\n match-domain: a.test\n action: permit\n}\n\
                b: {\n match-uri: a.test/x\n}\n";
    let found = found(text, &[], Inspect::Unsaid);
    let [(code, message)] = &found[..] else { panic!("{found:?}") };
    assert_eq!(code, "EGP091@5");
    assert!(message.contains("decides only requests that can be read in two ways"), "{message}");
    assert!(message.contains("`a` (/r/t.policy:1)"), "{message}");
}

#[test]
fn rules_that_never_match() {
    let never = |attributes: &str, is_never: bool| {
        let text = format!("a: {{\n{}\n}}\n", attributes.replace("; ", "\n"));
        let lists = [("e.txt", "# nothing\n"), ("f.txt", "a.test\n"), ("n.txt", "\n")];
        let found = found(&text, &lists, Inspect::Unsaid);
        assert_eq!(found.iter().any(|(code, _)| code.starts_with("EGP090")), is_never, "{text}");
    };
    for attributes in [
        "match-uri: https://a.test/; application: http",
        "match-uri: http://a.test/; application: connect",
        "match-uri: a.test/x; application: connect",
        "match-sni: a.test; application: http",
        "match-sni-regex: ^a\\.; application: ftp",
        "match-anomaly: no-sni; application: http",
        "match-anomaly: host-mismatch; application: connect",
        "match-referer-regex: ^https; application: connect",
        "match-domain-list: e.txt",
        "match-source: ./n.txt",
        "match-domain: a.test; match-uri: b.test/x",
        "match-domain-list: f.txt; match-uri: b.test/x",
        "match-domain: a.test; match-destination: private",
        "match-uri: a.test/; match-destination: private",
        "match-user: @e.txt",
        "match-source: 10.0.0.1; except-source: 10.0.0.1, 10.0.0.2",
        "match-user: ada; except-user: ada",
        "match-domain: a.test; except-domain: b.test, a.test; action: permit",
        "match-domain: a.test; except-domain: a.test",
        "match-uri: a.test/x; except-uri: a.test/x",
        "match-method: GET; except-method: GET; action: permit",
        "match-domain: a.test; time-window: 08:00-09:00; except-time-window: 08:00-09:00",
    ] {
        never(attributes, true);
    }
    for attributes in [
        "match-uri: https://a.test/; application: https",
        "match-uri: a.test/; application: connect",
        "match-sni: a.test; application: https",
        "match-anomaly: no-sni, ip-literal; application: http",
        "match-domain-list: e.txt; match-domain-list: f.txt",
        "match-domain-list: e.txt; match-domain: a.test",
        "match-domain: a.test; match-uri: www.a.test/x, b.test/x",
        "match-domain-list: f.txt; match-uri: x.a.test/x",
        "match-domain: 10.0.0.1; match-destination: private",
        "match-uri: 10.0.0.1/; match-destination: private",
        "match-source: 10.0.0.0/8; except-source: 10.0.0.1",
        "match-user: ada, eve; except-user: ada",
        "match-method: GET; except-method: GET",
        "match-domain: a.test; except-domain: www.a.test",
        "match-domain: a.test; except-user: @e.txt",
        // Their words about TLS are heard while the path is not known.
        "match-uri: a.test/x; application: connect; tls: bump",
        "match-uri: a.test/x; except-uri: a.test/x; action: permit; tls: splice",
    ] {
        never(attributes, false);
    }
}

#[test]
fn rules_that_share_all_their_values_are_compared_within_the_bound() {
    let count = CANDIDATES_MAX + 7;
    let rule = |number: usize| {
        format!(
            "r{number}: {{\n match-domain: a.test, h{number}.test\n match-source: 10.0.0.0/8, \
             172.16.{}.{}\n}}\n",
            number / 250,
            number % 250
        )
    };
    let text: String = (0..count).map(rule).collect();
    let files = [(SourceFile::new("/r/t.policy", text), Trust::Operator)];
    let (policy, faults) = crate::check::check(&files);
    assert!(faults.is_empty());
    let inspect = Inspect::Unsaid;
    let input = LintInput { files: &files, policy: &policy, lists: &[], inspect, now: NOW };
    let linted = lint(&input);
    assert!(linted.diagnostics.is_empty());
    let [told] = &linted.unfinished[..] else { panic!("{:?}", linted.unfinished) };
    assert!(
        told.starts_with("6 rules share their values with more than 1000 earlier ones"),
        "{told}"
    );
}

#[test]
fn lists_that_repeat_each_other() {
    let text = "a: {\n match-domain-list: a.txt\n}\nb: {\n match-domain-list: b.txt\n}\n\
                c: {\n match-domain-list: c.txt\n match-source: 10.0.0.1\n}\n";
    let same =
        [("a.txt", "x.test\n=y.test\n"), ("b.txt", "=Y.test\nx.test\n"), ("c.txt", "z.test")];
    // The rule behind a list that is the same is shadowed as well.
    check(text, &same, &["EGP091@4", "EGP092@5"]);
    let inside =
        [("a.txt", "x.test\ny.test\nw.test"), ("b.txt", "y.test\nz.test"), ("c.txt", "y.test\n")];
    let found = found(text, &inside, Inspect::Unsaid);
    let messages: Vec<_> = found.iter().map(|(_, message)| message.as_str()).collect();
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(messages[0].starts_with("the rule `c` never decides"), "{messages:?}");
    let told = "all 1 entries of the list `/r/c.txt` are among the 2 of `/r/b.txt`";
    assert_eq!(messages[1], told);
    let apart = [("a.txt", "x.test"), ("b.txt", "=x.test"), ("c.txt", "y.x.test")];
    check(text, &apart, &[]);
}

#[test]
fn patterns_that_fit_other_hosts() {
    check(
        "a: {\n match-sni-regex: [\n  (^|\\.)fine\\.com$\n  evil\\.com$\n ]\n}\n",
        &[],
        &["EGP094@4"],
    );
    check("a: {\n match-uri-regex: ^https?://evil\\.com\n}\n", &[], &["EGP094@2"]);
    check("a: {\n match-uri-regex: /banner\\.gif$\n}\n", &[], &[]);
}

#[test]
fn paths_that_nobody_sees() {
    let text = "a: {\n match-uri: https://a.test/x\n}\nb: {\n match-uri: a.test/x\n}\n\
                c: {\n match-uri: c.test/x\n application: https\n}\n\
                d: {\n match-uri: https://d.test/\n}\n";
    let codes = |text: &str, inspect| {
        let found = found(text, &[], inspect);
        let codes = found.into_iter().map(|(code, _)| code);
        codes.filter(|code| code.starts_with("EGP095")).collect::<Vec<_>>()
    };
    for inspect in [Inspect::Off, Inspect::Peek] {
        assert_eq!(codes(text, inspect), ["EGP095@2", "EGP095@8"]);
    }
    for inspect in [Inspect::Unsaid, Inspect::Bump] {
        assert!(codes(text, inspect).is_empty());
    }
    let bumps = format!("{text}e: {{\n match-domain: a.test\n tls: bump\n}}\n");
    assert!(codes(&bumps, Inspect::Peek).is_empty());
    assert_eq!(codes(&bumps, Inspect::Off).len(), 2);
}

#[test]
fn rules_whose_time_is_over() {
    let rule = |until: &str| format!("a: {{\n match-domain: a.test\n valid-until: {until}\n}}\n");
    check(&rule("2020-01-01T00:00:00Z"), &[], &["EGP096@3"]);
    check(&rule("2020-01-01T00:00:00+02:00"), &[], &["EGP096@3"]);
    check(&rule("2099-01-01T00:00:00Z"), &[], &[]);
}

/// A sketch as lint sees it.
fn with<T>(sketch: &Sketch, look: impl FnOnce(&LintInput<'_>, &Compare<'_, '_>) -> T) -> T {
    let twins = sketch.build();
    let read: Vec<_> = sketch.lists.iter().map(|(kind, text)| Read::new(*kind, text)).collect();
    let sets: Vec<_> = read.iter().map(Read::set).collect();
    let lists = twins.compiled.lists.iter().map(|list| ListUse {
        path: list.path.clone(),
        kind: list.kind,
        format: None,
        mention: Place::default(),
    });
    let policy = CheckedPolicy { rules: twins.compiled.rules.clone(), lists: lists.collect() };
    let input =
        LintInput { files: &[], policy: &policy, lists: &sets, inspect: Inspect::Unsaid, now: NOW };
    let (overlap, listed) = (Overlap::new(&input), Listed::new(&input));
    look(&input, &Compare::new(&input, &listed, &overlap))
}

/// The slow twin of the finder: every earlier rule is compared.
fn all_shadows(compare: &Compare<'_, '_>) -> Vec<Shadow> {
    let count = compare.input.policy.rules.len();
    let of = |rule: usize| {
        let shadow = |by| Shadow { rule, by, wider: compare.wider(by, rule) };
        let mut wider = (0..rule).map(shadow).filter(|shadow| shadow.wider != Wider::No);
        let mut all = wider.clone().filter(|shadow| shadow.wider == Wider::Always);
        all.next().or_else(|| wider.next())
    };
    (0..count).filter_map(of).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn what_is_said_of_rules_is_true(sketch in sketch(), asks in vec((ask(), moment()), 1..30)) {
        let (shadows, nevers) = with(&sketch, |input, compare| {
            let shadows = Finder::new(compare).shadows();
            assert_eq!(shadows.unfinished, 0);
            assert_eq!(shadows.found, all_shadows(compare));
            let rules = input.policy.rules.iter().enumerate();
            let nevers = rules.filter_map(|(at, rule)| Some((at, never(compare, at, rule)?.when)));
            (shadows.found, nevers.collect::<Vec<_>>())
        });
        let twins = sketch.build();
        let mut scratch = Scratch::new(&twins.ruleset);
        for (ask, now) in asks {
            ask.with(|request| {
                let one_name = request.elsewhere().next().is_none();
                let one_reading = one_name && request.uri.views().count() == 1;
                let holding = twins.naive.holding(request, now);
                let decided = decide(&twins.ruleset, &mut scratch, request, now);
                let winner = match decided.cause {
                    Cause::Rule { rule, .. } => Some(rule.id),
                    _ => None,
                };
                let id = |at: usize| twins.compiled.rules[at].id;
                for Shadow { rule, by, wider } in &shadows {
                    if *wider == Wider::Always || one_reading {
                        prop_assert_ne!(winner, Some(id(*rule)), "{:?} by {:?}: {:?}", rule, by, request);
                        prop_assert!(!holding.contains(&id(*rule)) || holding.contains(&id(*by)));
                    }
                }
                // What Squid asks: a CONNECT before its tunnel is open, plain http outside of one.
                let is_open = request.phase == Phase::Request;
                let is_plain = request.uri.scheme() != Scheme::Https;
                let is_honest = is_open == (request.uri.path_known() == PathKnown::Known)
                    && (!is_plain
                        || (request.sni() == Known::Absent && request.earlier.is_none()));
                for (at, when) in &nevers {
                    let is_meant = match when {
                        When::Always => true,
                        When::OneName => one_name,
                        When::OneReading => one_reading,
                    };
                    if is_honest && is_meant {
                        prop_assert!(!holding.contains(&id(*at)), "{:?}: {:?}", twins.compiled.rules[*at], request);
                    }
                }
                Ok(())
            }).unwrap_or(Ok(()))?;
        }
    }
}
