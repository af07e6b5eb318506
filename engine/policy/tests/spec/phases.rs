//! Views, phases, and what is not known yet (SPEC 4).

use eg_policy::verdict::Action;

use super::bench::one;

const PERMIT: &str = "good: {\n match-uri: shared.test/pub/\n action: permit\n}";

#[test]
fn a_rule_that_permits_holds_in_every_view() {
    one(PERMIT).default(Action::Deny).decides(&[
        ("request http://shared.test/pub/", "permit good"),
        ("request http://shared.test/pub/a?b=../c", "permit good"),
        // equivalent by RFC 3986: one view
        ("request http://SHARED.test:80/%70ub/a", "permit good"),
        ("request http://shared.test/./pub/a", "permit good"),
        ("request http://shared.test/x/../pub/a", "permit good"),
        ("request http://shared.test/pub/%2e%2e/pub/a", "permit good"),
        // other views, and all of them below the prefix
        ("request http://shared.test/pub/a;x=1", "permit good"),
        ("request http://shared.test/pub/a%20b", "permit good"),
        ("request http://shared.test/pub//a", "permit good"),
        ("request http://shared.test/pub/a%252fb", "permit good"),
        ("request http://shared.test/pub/\\xc3\\xbc", "permit good"),
        // plainly elsewhere
        ("request http://shared.test/pub/../secret", "default"),
        ("request http://shared.test/pub/%2e%2e/secret", "default"),
        // elsewhere for a lenient origin
        ("request http://shared.test/pub/..%2fsecret", "default"),
        ("request http://shared.test/pub/%2e%2e%2fsecret", "default"),
        ("request http://shared.test/pub/..\\secret", "default"),
        ("request http://shared.test/pub/..%5csecret", "default"),
        ("request http://shared.test/pub/%252e%252e/secret", "default"),
        ("request http://shared.test/pub/%25252e%25252e/secret", "default"),
        ("request http://shared.test/pub/..;x/secret", "default"),
        ("request http://shared.test/pub/. ./secret", "default"),
        ("request http://shared.test/pub/.%09./secret", "default"),
        ("request http://shared.test/pub/x//../../secret", "default"),
        // elsewhere as sent, which is not equivalent
        ("request http://shared.test//pub/a", "default"),
        // there for a lenient origin only
        ("request http://shared.test/pub%2fa", "default"),
        ("request http://shared.test/x/..%2fpub/a", "default"),
        ("request http://shared.test/\\pub\\a", "default"),
    ]);
}

#[test]
fn each_blocking_action_holds_in_any_view() {
    for action in ["deny", "warn", "aup"] {
        let text = format!("r: {{\n match-uri: shared.test/secret\n action: {action}\n}}");
        let expected = format!("{action} r");
        for path in
            ["/secret", "//secret", "/x/..%2fsecret", "/%2573ecret", "/sec%20ret", "/\\secret"]
        {
            one(&text)
                .decides(&[(&format!("request http://shared.test{path}"), expected.as_str())]);
        }
        one(&text).decides(&[("request http://shared.test/public", "default")]);
    }
}

#[test]
fn a_request_that_reads_two_ways_is_blocked_by_either() {
    let text = format!("{PERMIT}\nbad: {{\n match-uri: shared.test/secret\n}}");
    one(&text).decides(&[
        ("request http://shared.test/pub/a", "permit good"),
        ("request http://shared.test/pub/..%2f..%2fsecret", "deny bad"),
        ("request http://shared.test/pub/..%2fsecret", "deny bad"),
        ("request http://shared.test/secret/..%2fpub/", "deny bad"),
    ]);
    // the lowest id still wins where it permits in every view
    let text = "wide: {\n match-uri: shared.test/\n action: permit\n}\nbad: {\n match-uri: shared.test/secret\n}";
    one(text).decides(&[
        ("request http://shared.test/secret", "permit wide"),
        ("request http://shared.test/x/..%2fsecret", "permit wide"),
    ]);
}

#[test]
fn a_rule_that_permits_a_host_holds_for_host_and_sni() {
    let text = "good: {\n match-domain: good.test\n action: permit\n}";
    one(text).default(Action::Deny).decides(&[
        ("connect good.test:443", "permit good"),
        ("hello good.test:443", "permit good"),
        ("hello good.test:443 | sni=good.test", "permit good"),
        ("hello good.test:443 | sni=cdn.good.test", "permit good"),
        ("hello good.test:443 | sni=GOOD.test.", "permit good"),
        ("hello good.test:443 | sni=evil.test", "default"),
        ("hello evil.test:443 | sni=good.test", "default"),
        ("hello 192.0.2.1:443 | sni=good.test", "default"),
        ("request https://good.test/ | sni=evil.test", "default"),
        ("request https://evil.test/ | sni=good.test", "default"),
    ]);
}

#[test]
fn a_connect_is_https_with_an_unknown_path() {
    for (value, yes, no) in [
        (
            "a.test",
            &["a.test:443", "a.test:8443", "a.test", "A.Test.:443"][..],
            &["b.test:443"][..],
        ),
        ("a.test/", &["a.test:443"], &["www.a.test:443"]),
        ("https://a.test/", &["a.test:443", "a.test:8443"], &["a.test.evil.test:443"]),
        ("http://a.test/", &[], &["a.test:443", "a.test:80"]),
        ("a.test:8443", &["a.test:8443"], &["a.test:443"]),
        ("https://192.0.2.1/", &["192.0.2.1:443", "0xc0000201:443"], &["192.0.2.2:443"]),
    ] {
        let text = format!("r: {{\n match-uri: {value}\n}}");
        // known, so nothing is deferred
        for tail in ["", " | tunnel=decrypted"] {
            let yes = yes.iter().map(|host| (format!("connect {host}{tail}"), "deny r"));
            let no = no.iter().map(|host| (format!("connect {host}{tail}"), "default"));
            let lines: Vec<_> = yes.chain(no).collect();
            one(&text).decides(&lines.iter().map(|(l, e)| (l.as_str(), *e)).collect::<Vec<_>>());
        }
    }
}

const DEEP: &str = "deep: {\n match-uri: shared.test/secret\n}\n";

#[test]
fn an_unknown_path_defers_only_where_the_tunnel_is_decrypted() {
    one(DEEP).decides(&[
        ("connect shared.test:443 | tunnel=decrypted", "deferred"),
        ("hello shared.test:443 | sni=shared.test | tunnel=decrypted", "deferred"),
        ("connect shared.test:443", "default"),
        ("hello shared.test:443 | sni=shared.test", "default"),
        // known: another host, scheme or port
        ("connect other.test:443 | tunnel=decrypted", "default"),
        ("request https://shared.test/secret | tunnel=decrypted", "deny deep"),
        ("request https://shared.test/public | tunnel=decrypted", "default"),
    ]);
    one(DEEP).default(Action::Deny).decides(&[
        ("connect shared.test:443 | tunnel=decrypted", "deferred"),
        ("connect shared.test:443", "default"),
        ("connect other.test:443 | tunnel=decrypted", "default"),
        ("request https://shared.test/public | tunnel=decrypted", "default"),
    ]);
    one("r: {\n match-uri: shared.test:8443/secret\n}\ns: {\n match-uri: http://shared.test/secret\n}").decides(&[
        ("connect shared.test:443 | tunnel=decrypted", "default"),
        ("connect shared.test:8443 | tunnel=decrypted", "deferred"),
    ]);
}

#[test]
fn only_an_unknown_before_the_first_yes_defers() {
    let yes_first = format!("host: {{\n match-domain: shared.test\n action: warn\n}}\n{DEEP}");
    one(&yes_first).decides(&[
        ("connect shared.test:443 | tunnel=decrypted", "warn host"),
        ("connect shared.test:443", "warn host"),
    ]);
    let unknown_first = format!("{DEEP}host: {{\n match-domain: shared.test\n action: warn\n}}\n");
    one(&unknown_first).decides(&[
        ("connect shared.test:443 | tunnel=decrypted", "deferred"),
        ("connect shared.test:443", "warn host"),
        ("request https://shared.test/secret | tunnel=decrypted", "deny deep"),
        ("request https://shared.test/x | tunnel=decrypted", "warn host"),
    ]);
    let permit_first = "page: {\n match-uri: shared.test/pub/\n action: permit\n}\nhost: {\n match-domain: shared.test\n}\n";
    one(permit_first).decides(&[
        ("connect shared.test:443 | tunnel=decrypted", "deferred"),
        ("connect shared.test:443", "deny host"),
        ("request https://shared.test/pub/a", "permit page"),
        ("request https://shared.test/x", "deny host"),
    ]);
}

#[test]
fn what_each_phase_knows() {
    let sni = "r: {\n match-sni: s.test\n}";
    one(sni).decides(&[
        ("connect a.test:443 | tunnel=decrypted", "deferred"),
        ("connect a.test:443 | sni=s.test | tunnel=decrypted", "deferred"),
        ("connect a.test:443 | sni=s.test", "default"),
        ("hello a.test:443 | sni=s.test", "deny r"),
        ("hello a.test:443 | tunnel=decrypted", "default"),
        ("hello a.test:443 | sni=other.test | tunnel=decrypted", "default"),
        ("request https://a.test/ | sni=s.test", "deny r"),
        ("request https://a.test/", "default"),
    ]);
    let agent = "r: {\n match-user-agent: curl\n}";
    one(agent).decides(&[
        ("connect a.test:443 | ua=curl", "deny r"),
        ("connect a.test:443 | ua=wget | tunnel=decrypted", "default"),
        ("hello a.test:443 | ua=curl", "default"),
        ("hello a.test:443 | tunnel=decrypted", "deferred"),
        ("request https://a.test/ | ua=curl", "deny r"),
        ("request https://a.test/", "default"),
    ]);
    // what is always known never defers
    for rule in [
        "match-domain: b.test",
        "match-source: 10.0.0.1",
        "match-destination: any-literal",
        "application: ftp\n match-domain: a.test",
    ] {
        one(&format!("r: {{\n {rule}\n}}")).decides(&[
            ("connect a.test:443 | tunnel=decrypted", "default"),
            ("hello a.test:443 | sni=a.test | tunnel=decrypted", "default"),
        ]);
    }
}

#[test]
fn no_and_unknown_is_no_yes_or_unknown_is_yes() {
    one("r: {\n match-uri: shared.test/secret\n match-source: 10.0.0.1\n}").decides(&[
        ("connect shared.test:443 | tunnel=decrypted", "default"),
        ("connect shared.test:443 | tunnel=decrypted | client=10.0.0.1", "deferred"),
        ("connect shared.test:443 | client=10.0.0.1", "default"),
    ]);
    one("r: {\n match-uri: [\n shared.test/secret\n shared.test/\n ]\n}").decides(&[
        ("connect shared.test:443 | tunnel=decrypted", "deny r"),
        ("connect shared.test:443", "deny r"),
    ]);
    one("r: {\n match-uri: shared.test/secret\n application: http\n}")
        .decides(&[("connect shared.test:443 | tunnel=decrypted", "default")]);
    one("r: {\n match-sni: s.test\n match-user-agent: curl\n}").decides(&[
        ("connect a.test:443 | ua=wget | tunnel=decrypted", "default"),
        ("connect a.test:443 | ua=curl | tunnel=decrypted", "deferred"),
        ("hello a.test:443 | sni=x.test | tunnel=decrypted", "default"),
        ("hello a.test:443 | sni=s.test | tunnel=decrypted", "deferred"),
        ("hello a.test:443 | sni=s.test", "default"),
    ]);
}

#[test]
fn a_rule_that_permits_is_not_held_by_an_unknown() {
    let text = "page: {\n match-uri: a.test/pub/\n action: permit\n}\nagent: {\n match-user-agent: curl\n action: permit\n}\nname: {\n match-sni: s.test\n action: permit\n}";
    one(text).default(Action::Deny).decides(&[
        ("connect a.test:443", "default"),
        ("connect b.test:443 | sni=s.test", "default"),
        ("hello b.test:443 | ua=curl", "default"),
        ("hello b.test:443 | sni=s.test", "permit name"),
        ("connect b.test:443 | ua=curl", "permit agent"),
        ("request https://a.test/pub/x", "permit page"),
    ]);
}

#[test]
fn each_attribute_is_asked_about_all_views_by_itself() {
    // one value holds in one view and another value in the other: the attribute holds in both
    one("good: {\n match-uri: [\n a.test/pub/\n a.test/x\n ]\n action: permit\n}")
        .default(Action::Deny)
        .decides(&[
            ("request http://a.test/pub/..%2fx", "permit good"),
            ("request http://a.test/pub/..%2fy", "default"),
        ]);
    one("good: {\n match-domain: a.test, b.test\n match-domain-list: x.list\n action: permit\n}")
        .list("x.list", b"c.test\n")
        .default(Action::Deny)
        .decides(&[
            ("hello a.test:443 | sni=b.test", "permit good"),
            ("hello a.test:443 | sni=c.test", "permit good"),
            ("hello c.test:443 | sni=b.test", "permit good"),
            ("hello a.test:443 | sni=d.test", "default"),
        ]);
    // what blocks needs one view for each attribute, not one view for all
    one("bad: {\n match-domain: b.test\n match-uri: a.test/secret\n}").decides(&[
        ("request https://a.test/x/..%2fsecret | sni=b.test", "deny bad"),
        ("request https://a.test/secret | sni=a.test", "default"),
        ("request https://a.test/x | sni=b.test", "default"),
    ]);
    // source and destination have one view, whatever the SNI
    one("good: {\n match-source: 192.0.2.0/24\n match-destination: private\n action: permit\n}")
        .default(Action::Deny)
        .decides(&[("hello 10.0.0.1:443 | sni=evil.test", "permit good")]);
}

#[test]
fn a_yes_of_a_rule_that_permits_needs_no_inner_request() {
    let text = format!("good: {{\n match-domain: shared.test\n action: permit\n}}\n{DEEP}");
    one(&text).default(Action::Deny).decides(&[
        ("connect shared.test:443 | tunnel=decrypted", "permit good"),
        ("hello shared.test:443 | sni=shared.test | tunnel=decrypted", "permit good"),
        ("request https://shared.test/secret | tunnel=decrypted", "permit good"),
    ]);
    // an SNI of another name takes the permit away, and the path is unknown
    one(&text).default(Action::Deny).decides(&[
        ("hello shared.test:443 | sni=evil.test | tunnel=decrypted", "deferred"),
        ("hello shared.test:443 | sni=evil.test", "default"),
    ]);
}
