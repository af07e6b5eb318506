//! Regular expressions as rules write them: how values are cut, what fits, what is refused (SPEC 3, 4).

use eg_policy::verdict::Action;

use super::bench::{one, refuses};

/// Asks a policy of one rule `r` that denies; `yes` lines must meet it, `no` lines the default.
fn rule(attributes: &str, yes: &[&str], no: &[&str]) {
    let text = format!("r: {{\n{attributes}\n}}");
    let yes = yes.iter().map(|line| (*line, "deny r"));
    let no = no.iter().map(|line| (*line, "default"));
    one(&text).decides(&yes.chain(no).collect::<Vec<_>>());
}

#[test]
fn a_pattern_is_searched_for_in_the_canonical_uri() {
    rule(
        r"match-uri-regex: ^https?://([a-z0-9-]+\.)*ads\.example/",
        &[
            "request http://ads.example/",
            "request https://a.b.ADS.Example./x",
            "request http://ads.example:80/",
            "request http://user@ads.example/",
        ],
        &[
            "request http://ads.example:8080/",
            "request http://ads.example.org/",
            "request http://bads.example/",
            "request http://h.example/?http://ads.example/",
            "request ftp://ads.example/",
        ],
    );
    rule(
        r"match-uri-regex: /banner[0-9]{1,3}\.(gif|png)$",
        &[
            "request http://h.example/banner1.gif",
            "request http://h.example/x/BANNER123.PNG",
            "request http://h.example/%62anner1.gif",
            "request http://h.example/banner1.gif#top",
        ],
        &["request http://h.example/banner1234.gif", "request http://h.example/banner1.gif?x"],
    );
}

#[test]
fn values_are_whole_and_may_be_several() {
    for attributes in [
        "match-uri-regex: [ ads[0-9]{1,2}x\n  (one|two), too ]",
        "match-uri-regex: ads[0-9]{1,2}x\n match-uri-regex: (one|two), too",
        r#"match-uri-regex: "ads[0-9]{1,2}x" "#,
    ] {
        rule(
            attributes,
            &["request http://h.example/ads12x", "request http://h.example/ADS1X"],
            &["request http://h.example/ads123x", "request http://h.example/ads"],
        );
    }
    rule(
        "match-uri-regex: [0-9]+-ads",
        &["request http://h.example/7-ads"],
        &["request http://h.example/x-ads"],
    );
}

#[test]
fn case_matters_where_the_pattern_says_so() {
    rule(
        "match-uri-regex: (?-i)/Ads/",
        &["request http://h.example/Ads/"],
        &["request http://h.example/ads/", "request http://h.example/ADS/"],
    );
}

#[test]
fn other_fields_have_patterns_of_their_own() {
    rule(
        r"match-sni-regex: (^|\.)ads[0-9]*\.example$",
        &["hello h.example:443 | sni=ads7.example", "hello 192.0.2.1:443 | sni=x.ads.example"],
        &["hello ads.example:443", "hello h.example:443 | sni=bads.example"],
    );
    rule(
        r"match-user-agent-regex: ^curl/[0-7]\.",
        &["request http://h.example/ | ua=curl/7.88", "connect h.example:443 | ua=Curl/1.0"],
        &["request http://h.example/ | ua=xcurl/7.88", "request http://h.example/"],
    );
    rule(
        r"match-referer-regex: ^https://search\.",
        &["request http://h.example/ | referer=https://SEARCH.example/?q=x"],
        &[
            "request http://h.example/ | referer=http://search.example/",
            "request http://h.example/",
            "connect h.example:443 | referer=https://search.example/",
        ],
    );
}

#[test]
fn kinds_are_anded() {
    rule(
        "match-uri-regex: ads\nmatch-user-agent-regex: bot\nmatch-domain: h.example",
        &["request http://h.example/ads | ua=Bot"],
        &[
            "request http://h.example/ads | ua=x",
            "request http://h.example/ | ua=Bot",
            "request http://x.example/ads | ua=Bot",
        ],
    );
}

#[test]
fn a_tunnel_meets_a_pattern_by_its_host() {
    let text = "r: {\n match-uri-regex: ^https://ads\\.example(/|$)\n}\ns: {\n match-uri-regex: \\.exe$\n action: warn\n}";
    one(text).decides(&[
        ("connect ads.example:443", "deny r"),
        ("hello ads.example:443 | sni=ads.example", "deny r"),
        ("connect h.example:443", "default"),
        ("connect h.example:443 | tunnel=decrypted", "deferred"),
        ("request https://h.example/a.exe", "warn s"),
        ("request https://h.example/a.exe?x", "default"),
    ]);
    let text = "r: {\n match-uri-regex: ^https://good\\.example/pub/\n action: permit\n}";
    one(text).default(Action::Deny).decides(&[
        ("connect good.example:443", "default"),
        ("connect good.example:443 | tunnel=decrypted", "deferred"),
        ("request https://good.example/pub/x", "permit r"),
        ("request https://good.example/pub/..%2fx", "default"),
    ]);
}

/// A client may name one host inside and end up at another: a pattern that blocks is tried with each.
#[test]
fn a_pattern_of_a_uri_meets_every_host_of_a_connection() {
    let host = "r: {\n match-uri-regex: ^https://([^/]*\\.)?evil\\.test/\n}";
    one(host).decides(&[
        ("hello evil.test:443 | sni=good.test", "deny r"),
        ("hello good.test:443 | sni=evil.test", "deny r"),
        ("hello 192.0.2.1:443 | sni=evil.test", "deny r"),
        ("hello good.test:443 | sni=evil.test | tunnel=decrypted", "deny r"),
        ("request https://good.test/x | connect=evil.test:443", "deny r"),
        ("request https://good.test/x | connect=good.test:443 | told-sni=a.evil.test", "deny r"),
        ("request https://good.test/x | connect=192.0.2.1:443 | sni=evil.test", "deny r"),
        ("request https://good.test:8443/x | connect=evil.test:443", "deny r"),
        ("request https://good.test/x | connect=good.test:443 | told-sni=good.test", "default"),
        ("request https://good.test/evil.test/ | connect=notevil.test:443", "default"),
        ("hello good.test:443 | sni=evil.test.good.test", "default"),
    ]);
    let port = "r: {\n match-uri-regex: ^https://[^/]*:8443/\n}";
    one(port).decides(&[
        ("request https://a.test/x | connect=a.test:8443", "deny r"),
        ("request https://b.test/x | connect=a.test:8443", "deny r"),
        ("request https://a.test/x | connect=a.test:443", "default"),
        ("hello a.test:8443 | sni=b.test", "deny r"),
    ]);
    let address = "r: {\n match-uri-regex: ^https://(192\\.0\\.2\\.1|\\[2001:db8::1\\])/\n}";
    one(address).decides(&[
        ("request https://good.test/x | connect=192.0.2.1:443", "deny r"),
        ("request https://good.test/x | connect=[2001:db8::1]:443", "deny r"),
        ("request https://good.test/x | connect=192.0.2.2:443", "default"),
    ]);
    // The path goes with each host, in every view, and is not known before the request.
    let path = "r: {\n match-uri-regex: ^https://evil\\.test/secret$\n}";
    one(path).decides(&[
        ("request https://good.test/secret | connect=evil.test:443", "deny r"),
        ("request https://good.test/x/..%2fsecret | connect=evil.test:443", "deny r"),
        ("request https://evil.test:8443/secret | connect=evil.test:443", "deny r"),
        ("request https://good.test/secrets | connect=evil.test:443", "default"),
        ("hello good.test:443 | sni=evil.test", "default"),
        ("hello good.test:443 | sni=evil.test | tunnel=decrypted", "deferred"),
    ]);
    // What permits stays closed where the hosts or their ports differ.
    let permit = "r: {\n match-uri-regex: ^https://(good|evil)\\.test\n action: permit\n}";
    one(permit).default(Action::Deny).decides(&[
        ("request https://good.test/ | connect=good.test:443 | told-sni=good.test", "permit r"),
        ("request https://good.test/ | connect=evil.test:443", "default"),
        ("request https://good.test/ | connect=good.test:443 | told-sni=evil.test", "default"),
        ("request https://good.test/ | connect=good.test:8443", "default"),
        ("hello good.test:443 | sni=evil.test", "default"),
        ("hello good.test:443 | sni=good.test", "permit r"),
    ]);
}

#[test]
fn what_is_no_pattern_is_refused_where_it_stands() {
    let rule =
        |value: &str| format!("a: {{\n match-domain: h.example\n match-uri-regex: {value}\n}}");
    let cases = [
        ("a(b", "EGP050@3"),
        ("(?!a)b", "EGP051@3"),
        (r"(a)\1", "EGP052@3"),
        ("a++", "EGP053@3"),
        ("a(?R)", "EGP054@3"),
        ("[a&&b]", "EGP055@3"),
        ("a*", "EGP056@3"),
        (".", "EGP056@3"),
        ("a{1,32767}{1,32767}", "EGP053@3"),
        ("a{1,32767}", "EGP057@3"),
        ("ads", ""),
        ("(a+)+$", ""),
    ];
    let cases = cases.map(|(value, faults)| (rule(value), faults));
    refuses(&cases.each_ref().map(|(text, faults)| (text.as_str(), *faults)));
    refuses(&[
        ("a: {\n match-uri-regex: .\n allow-broad: true\n}", ""),
        ("a: {\n match-uri-regex: .*\n allow-broad: true\n}", "EGP056@2"),
        ("a: {\n match-uri-regex: [ ads\n (?=x)y\n banner\n a++ ]\n}", "EGP051@3 EGP053@5"),
        ("a: {\n match-sni-regex: \\.\n}", "EGP056@2"),
        ("a: {\n match-user-agent-regex: .+\n}", "EGP056@2"),
        ("a: {\n match-referer-regex: .\n}", "EGP056@2"),
        ("a: {\n except-uri-regex: ads\n match-domain: h.example\n}", ""),
        ("a: {\n except-uri-regex: (?!ads)\n match-domain: h.example\n}", "EGP051@2"),
    ]);
}
