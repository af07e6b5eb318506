//! `except-` (SPEC 3 and 4): the rule does not hold where one matches; a rule that blocks is excepted only
//! in every view and name, one that permits in any; and what nobody will tell.

use eg_policy::verdict::Action;

use super::bench::one;

/// A rule `r` about `a.test` and what is below it.
fn rule(lines: &str) -> String {
    format!("r: {{\n match-domain: a.test\n {lines}\n}}")
}

/// An exception, a request that it spares, and one that it does not.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("except-domain: ok.a.test", "request http://x.ok.a.test/", "request http://xok.a.test/"),
    ("except-domain: =ok.a.test", "request http://ok.a.test/", "request http://x.ok.a.test/"),
    ("except-domain-list: ok.txt", "request http://ok.a.test/", "request http://a.test/"),
    ("except-uri: a.test/ok/", "request http://a.test/ok/x", "request http://a.test/okx"),
    ("except-uri-regex: \\.css$", "request http://a.test/x.css", "request http://a.test/x.css?"),
    (
        "except-sni: ok.a.test",
        "hello a.test:443 | sni=ok.a.test",
        "hello a.test:443 | sni=b.a.test",
    ),
    (
        "except-sni-regex: ^ok",
        "hello a.test:443 | sni=ok.a.test",
        "hello a.test:443 | sni=b.a.test",
    ),
    (
        "except-source: 10.0.0.0/8",
        "request http://a.test/ | client=10.1.1.1",
        "request http://a.test/ | client=11.1.1.1",
    ),
    (
        "except-source: nets.txt",
        "request http://a.test/ | client=10.1.1.1",
        "request http://a.test/ | client=11.1.1.1",
    ),
    (
        "except-anomaly: sni-mismatch",
        "hello a.test:443 | sni=www.a.test",
        "hello a.test:443 | sni=a.test",
    ),
    ("except-user: ada", "request http://a.test/ | user=ada", "request http://a.test/ | user=Ada"),
    ("except-user: @who.txt", "request http://a.test/ | user=ada", "request http://a.test/"),
    ("except-user-agent: curl", "request http://a.test/ | ua=CURL/8", "request http://a.test/"),
    (
        "except-user-agent-regex: ^curl/[78]$",
        "request http://a.test/ | ua=curl/8",
        "request http://a.test/ | ua=curl/9",
    ),
    (
        "except-referer-regex: ^https://ok/",
        "request http://a.test/ | referer=https://ok/",
        "request http://a.test/",
    ),
    ("except-method: GET", "request http://a.test/", "request http://a.test/ | method=POST"),
    ("except-port: 80", "request http://a.test/", "request http://a.test:81/"),
    (
        "except-time-window: thu 00:00-01:00",
        "request http://a.test/ | at=1970-01-01T00:59:00Z",
        "request http://a.test/ | at=1970-01-01T01:00:00Z",
    ),
];

#[test]
fn each_attribute_excepts_what_it_matches() {
    for (lines, spared, caught) in EXCEPTIONS {
        one(&rule(lines))
            .list("ok.txt", b"ok.a.test\n")
            .list("nets.txt", b"10.0.0.0/8\n")
            .list("who.txt", b"ada\n")
            .decides(&[(spared, "default"), (caught, "deny r")]);
    }
    one("r: {\n match-destination: any-literal\n except-destination: private, 192.0.2.0/24\n}")
        .decides(&[
            ("request http://10.0.0.1/", "default"),
            ("request http://192.0.2.9/", "default"),
            ("request http://8.8.8.8/", "deny r"),
            ("request http://0/", "deny r"),
        ]);
}

#[test]
fn one_exception_is_enough() {
    let text =
        rule("except-user: ada\n except-port: 8080, 8081\n except-domain: ok.a.test, =two.a.test");
    one(&text).decides(&[
        ("request http://a.test/ | user=ada", "default"),
        ("request http://a.test:8081/", "default"),
        ("request http://two.a.test/", "default"),
        ("request http://ok.a.test:8080/ | user=ada", "default"),
        ("request http://a.test/ | user=eve", "deny r"),
        ("request http://x.two.a.test/", "deny r"),
    ]);
}

#[test]
fn what_is_excepted_goes_on_to_the_next_rule() {
    let text = format!(
        "{}\ns: {{\n match-domain: a.test\n action: warn\n}}",
        rule("except-uri: a.test/ok/")
    );
    one(&text).decides(&[
        ("request http://a.test/ok/", "warn s"),
        ("request http://a.test/", "deny r"),
        ("request http://b.test/ok/", "default"),
    ]);
}

#[test]
fn an_exception_finds_no_rule() {
    one("r: {\n match-user: ada\n except-domain: ok.test\n}").decides(&[
        ("request http://ok.test/", "default"),
        ("request http://ok.test/ | user=ada", "default"),
        ("request http://no.test/ | user=ada", "deny r"),
        ("request http://no.test/", "default"),
    ]);
}

#[test]
fn a_rule_that_blocks_is_excepted_in_every_view() {
    one(&rule("except-uri: a.test/pub/")).decides(&[
        ("request http://a.test/pub/x", "default"),
        ("request http://a.test/%70ub/x", "default"),
        ("request http://a.test/x/../pub/x", "default"),
        ("request http://a.test/pub/../secret", "deny r"),
        ("request http://a.test/pub/..%2fsecret", "deny r"),
        ("request http://a.test/pub/%252e%252e/secret", "deny r"),
        ("request http://a.test/pub/..\\secret", "deny r"),
        ("request http://a.test/x/..%2fpub/a", "deny r"),
        ("request http://a.test//pub/a", "deny r"),
    ]);
    one(&rule("except-uri-regex: ^http://a\\.test/pub/")).decides(&[
        ("request http://a.test/pub/x", "default"),
        ("request http://a.test/pub/..%2fsecret", "deny r"),
        ("request http://a.test/x/..%2fpub/a", "deny r"),
    ]);
    one(&rule("except-method: GET")).decides(&[
        ("request http://a.test/ | method=GET", "default"),
        ("request http://a.test/ | method=get", "deny r"),
    ]);
}

#[test]
fn a_rule_that_permits_is_excepted_in_any_view() {
    let permit = |lines: &str| rule(&format!("{lines}\n action: permit"));
    one(&permit("except-uri: a.test/secret")).default(Action::Deny).decides(&[
        ("request http://a.test/pub", "permit r"),
        ("request http://a.test/secret", "default"),
        ("request http://a.test/x/..%2fsecret", "default"),
        ("request http://a.test/%2573ecret", "default"),
        ("request http://a.test/\\secret", "default"),
        ("request http://a.test//secret", "default"),
    ]);
    one(&permit("except-uri-regex: secret")).default(Action::Deny).decides(&[
        ("request http://a.test/pub", "permit r"),
        ("request http://a.test/%2573ecret", "default"),
    ]);
    one(&permit("except-method: POST")).default(Action::Deny).decides(&[
        ("request http://a.test/ | method=GET", "permit r"),
        ("request http://a.test/ | method=post", "default"),
    ]);
    one(&permit("except-port: 8443")).default(Action::Deny).decides(&[
        ("request https://a.test/", "permit r"),
        ("request https://a.test:9000/ | connect=a.test:8443", "default"),
    ]);
}

#[test]
fn a_rule_that_blocks_is_excepted_by_every_name_and_one_that_permits_by_any() {
    one(&rule("except-domain: ok.a.test")).decides(&[
        ("hello ok.a.test:443 | sni=ok.a.test", "default"),
        ("hello ok.a.test:443 | sni=www.a.test", "deny r"),
        ("hello www.a.test:443 | sni=ok.a.test", "deny r"),
        ("request https://ok.a.test/ | connect=ok.a.test:443", "default"),
        ("request https://ok.a.test/ | connect=www.a.test:443", "deny r"),
        ("request https://ok.a.test/ | connect=ok.a.test:443 | told-sni=www.a.test", "deny r"),
    ]);
    one(&rule("except-domain: no.a.test\n action: permit")).default(Action::Deny).decides(&[
        ("hello ok.a.test:443 | sni=ok.a.test", "permit r"),
        ("hello ok.a.test:443 | sni=no.a.test", "default"),
        ("request https://ok.a.test/ | connect=no.a.test:443", "default"),
    ]);
    one(&rule("except-port: 443")).decides(&[
        ("request https://a.test/ | connect=a.test:443", "default"),
        ("request https://a.test:9000/ | connect=a.test:443", "deny r"),
    ]);
}

#[test]
fn what_a_later_question_tells_is_waited_for() {
    one(&rule("except-uri: a.test/ok/")).decides(&[
        ("connect a.test:443 | tunnel=decrypted", "deferred"),
        ("hello a.test:443 | tunnel=decrypted | sni=a.test", "deferred"),
        ("connect b.test:443 | tunnel=decrypted", "default"),
        ("request https://a.test/ok/ | connect=a.test:443", "default"),
        ("request https://a.test/ | connect=a.test:443", "deny r"),
    ]);
    // The server name is asked for in any case where Squid peeks.
    one(&rule("except-sni: ok.a.test")).decides(&[
        ("connect a.test:443 | tunnel=peeked", "default"),
        ("hello a.test:443 | tunnel=peeked | sni=ok.a.test", "default"),
        ("hello a.test:443 | tunnel=peeked | sni=www.a.test", "deny r"),
        ("hello a.test:443 | tunnel=peeked", "deny r"),
    ]);
    // An exception that is known not to hold, and one that holds, need nothing else.
    one(&rule("except-uri: b.test/ok/\n except-uri: a.test/")).decides(&[
        ("connect a.test:443 | tunnel=decrypted", "default"),
        ("connect www.a.test:443 | tunnel=decrypted", "deny r"),
    ]);
}

/// Of two exceptions that are not known yet, each may spare the client; the verdict waits for both.
#[test]
fn of_several_exceptions_none_is_settled_before_its_question() {
    let text = rule("except-uri: a.test/ok/\n except-sni: ok.a.test");
    one(&text).decides(&[
        ("connect a.test:443 | tunnel=peeked", "default"),
        ("hello a.test:443 | tunnel=peeked | sni=ok.a.test", "default"),
        ("hello a.test:443 | tunnel=peeked | sni=www.a.test", "deny r"),
        ("connect a.test:443", "deny r"),
    ]);
    one(&text.replace("}", " action: warn\n}")).decides(&[
        ("connect a.test:443 | tunnel=peeked", "deferred"),
        ("hello a.test:443 | tunnel=peeked | sni=ok.a.test", "default"),
        ("hello a.test:443 | tunnel=peeked | sni=www.a.test", "warn r"),
    ]);
}

#[test]
fn an_exception_that_nobody_will_tell_spares_nobody() {
    let text = rule("except-uri: a.test/ok/");
    let bumped = format!("{text}\nb: {{\n match-domain: a.test\n action: permit\n tls: bump\n}}");
    one(&text).decides(&[
        ("connect a.test:443", "deny r"),
        ("hello a.test:443 | sni=a.test", "deny r"),
        ("connect a.test:443 | tunnel=peeked", "deny r"),
        ("hello a.test:443 | tunnel=peeked | sni=a.test", "deny r"),
    ]);
    one(&text).answers(&[
        ("hello a.test:443 | tunnel=peeked | sni=a.test", "bump deny r"),
        ("hello a.test:443 | tunnel=decrypted | sni=a.test", "bump deferred"),
    ]);
    // Where a rule decrypts the tunnel, it is told.
    one(&bumped).decides(&[("connect a.test:443 | tunnel=peeked", "deferred")]);
    one(&bumped).answers(&[("hello a.test:443 | tunnel=peeked | sni=a.test", "bump deferred")]);
    // A rule that permits is not one where an exception may hold.
    let permit = rule("except-user-agent: bot\n action: permit");
    one(&permit).default(Action::Deny).decides(&[
        ("connect a.test:443 | ua=curl", "permit r"),
        ("hello a.test:443 | sni=a.test", "default"),
        ("hello a.test:443 | sni=a.test | tunnel=decrypted", "deferred"),
        ("request http://a.test/ | ua=curl", "permit r"),
        ("request http://a.test/ | ua=robot", "default"),
    ]);
    // What is not known of the rule itself still fails it.
    one("r: {\n match-uri: a.test/x\n except-user-agent: bot\n}")
        .decides(&[("hello a.test:443 | sni=a.test", "default")]);
}

/// Exceptions are joined by "or": one that names a host says nothing about where a pattern beside it fits, so that
/// the rule lacks more than a path, with it as without it.
#[test]
fn an_exception_beside_a_pattern_makes_no_word_heard() {
    for beside in ["", "except-domain: bank.test\n except-source: 10.0.0.0/8"] {
        let text = format!(
            "a: {{\n match-source: 192.0.2.0/24\n except-uri-regex: /malware\n {beside}\n \
             action: permit\n tls: splice\n}}\n\
             b: {{\n match-source: 192.0.2.0/24\n action: permit\n tls: bump\n}}"
        );
        one(&text).answers(&[("hello x.test:443 | tunnel=peeked | sni=x.test", "bump deferred")]);
        one(&text).decides(&[("connect x.test:443 | tunnel=peeked", "deferred")]);
    }
    // Where the rule itself names its hosts, it lacks nothing but the path.
    one("a: {\n match-domain: x.test\n except-uri-regex: /malware\n action: permit\n tls: splice\n}\n\
         b: {\n match-domain: x.test\n action: permit\n tls: bump\n}")
        .answers(&[("hello x.test:443 | tunnel=peeked | sni=x.test", "splice permit b")]);
    let list = "a: {\n match-source: 192.0.2.0/24\n except-domain-list: ads\n except-uri: bank.test/x\n \
                action: permit\n tls: splice\n}\n\
                b: {\n match-source: 192.0.2.0/24\n action: permit\n tls: bump\n}";
    one(list)
        .list("ads/expressions", b"/malware\n")
        .answers(&[("hello x.test:443 | tunnel=peeked | sni=x.test", "bump deferred")]);
}

#[test]
fn words_that_look_closer_are_excepted_like_rules_that_block() {
    let text =
        "r: {\n match-domain: a.test\n except-user-agent: app\n tls: terminate\n action: permit\n}";
    one(text).answers(&[
        ("hello a.test:443 | tunnel=peeked | sni=a.test", "terminate deny r"),
        ("hello b.test:443 | tunnel=peeked | sni=b.test", "splice default"),
    ]);
    let text =
        "r: {\n match-domain: a.test\n except-domain: ok.a.test\n tls: bump\n action: permit\n}";
    one(text).answers(&[
        ("hello www.a.test:443 | tunnel=peeked | sni=www.a.test", "bump permit r"),
        ("hello ok.a.test:443 | tunnel=peeked | sni=ok.a.test", "splice default"),
        ("hello ok.a.test:443 | tunnel=peeked | sni=www.a.test", "bump default"),
    ]);
}
