//! Requests that must not slip through, by the ids of the corpus, groups A to G, as far as the engine
//! decides them and as far as
//! the attributes of this version go.
//!
//! Where Squid hands on another text than the client sent, both are asked: the first as a case of
//! rules, the second because another proxy may hand it on.

use eg_policy::verdict::Action;

use super::bench::one;

const POLICY: &str = "
block-tree: {
    match-domain: blocked.test
}
block-idn: {
    match-domain: b\\u00fccher.test
}
block-address: {
    match-destination: loopback
}
block-path: {
    match-uri: shared.test/secret
}
";

fn check(cases: &[(&str, &str)]) {
    let text = POLICY.replace("b\\u00fccher", "b\u{fc}cher");
    one(&text).decides(cases);
}

const TREE: &str = "deny block-tree";
const IDN: &str = "deny block-idn";
const ADDRESS: &str = "deny block-address";
const PATH: &str = "deny block-path";

#[test]
fn a_authority() {
    check(&[
        ("request http://BLOCKED.Test/a", TREE),                // A01
        ("request HTTP://blocked.test/a", TREE),                // A02
        ("request http://blocked.test./a", TREE),               // A04
        ("request http://blocked.test../a", TREE),              // A04
        ("request http://.blocked.test/a", "invalid"),          // A05
        ("request http://blocked..test/a", "invalid"),          // A05
        ("request http://www.blocked.test/a", TREE),            // A06
        ("request http://blocked.test.evil.test/a", "default"), // A08
        ("request http://notblocked.test/a", "default"),        // A08
        ("request http://good.test@blocked.test/a", TREE),      // A09
        ("request http://good.test:80@blocked.test/a", TREE),   // A10
        ("request http://a@good.test@blocked.test/a", TREE),    // A10
        ("request http://good.test\\@blocked.test/a", TREE),    // A12
        ("request http://blocked.test\\@good.test/a", "default"), // A13
        ("request http://good.test#@blocked.test/a", "default"), // A14
        ("request http://good.test?@blocked.test/a", "default"),
        ("request http://good.test/@blocked.test/a", "default"),
        ("request http://bl%6fcked.test/a", "denied"), // A16
        ("request http://blocked%2etest/a", "denied"), // A17
        ("request http://blocked.test%00.good.test/a", "invalid"), // A18
        ("request http://blocked.test\\x00.good.test/a", "invalid"),
        ("request http://blocked.test\t:80/a", "invalid"), // A20
        ("request http://blocked.test :80/a", "invalid"),  // A20
        ("request http://blocked.test:0080/a", TREE),      // A21
        ("request http://blocked.test:80abc/a", "denied"), // A22
        ("request http://blocked.test:+80/a", "denied"),   // A22
        ("request http://blocked.test:/a", "invalid"),     // A24
        ("request http://blocked.test:65536/a", "invalid"), // A24
        ("request http://blocked.test:99999/a", "invalid"), // A24
        ("request http://blocked.test:0/a", "invalid"),    // A24
        ("request http://blocked.test:65535/a", TREE),     // A24
        ("request http://blocked.test/", TREE),            // A25
        ("request http://blocked.test\\a", "denied"),      // A25
        ("request http:/blocked.test/a", "invalid"),       // A26
        ("request http:blocked.test/a", "invalid"),        // A26
        ("request http:///blocked.test/a", "invalid"),     // A26
        ("request //blocked.test/a", "invalid"),           // A26
        ("request blocked.test/a", "invalid"),             // A26
        ("request http://blocked.test/a", TREE),           // A28, A29, A30
        ("request /a", "invalid"),                         // A30
        ("request https://blocked.test/a", TREE),          // A32
        ("request ftp://blocked.test/a", TREE),
        ("request ws://blocked.test/", "invalid"), // A33
        ("request gopher://blocked.test/", "invalid"), // A33
        ("request urn:blocked.test", "invalid"),   // A33
        ("request urn://blocked.test/", "invalid"), // A33
        ("request cache_object://blocked.test/", "invalid"), // A34
        ("request cache_object://good.test/", "invalid"), // A34
        ("request http://good.test/squid-internal-mgr/info", "invalid"), // A34
        ("request http://good.test//squid-internal-mgr/", "invalid"), // A34
        ("request http://good.test/x/..%2fsquid-internal-mgr", "invalid"), // A34
        ("request ", "invalid"),
        ("request http://", "invalid"),
        ("request http:///", "invalid"),
        ("request http://good.test/http://blocked.test/", "default"),
        ("request http://good.test/", "default"),
    ]);
}

#[test]
fn b_international_names() {
    check(&[
        ("request http://b\\xc3\\xbccher.test/", IDN), // B01
        ("request http://www.b\\xc3\\xbccher.test/", IDN), // B01
        ("request http://B\\xc3\\x9cCHER.test/", IDN), // B01
        ("request http://xn--bcher-kva.test/", IDN),   // B02
        ("request http://XN--BCHER-KVA.test/", IDN),   // B03
        ("request http://b\\xfccher.test/", "invalid"), // B05
        ("request http://blocked\\xe3\\x80\\x82test/", "denied"), // B06 U+3002
        ("request http://blocked\\xef\\xbc\\x8etest/", "denied"), // B06 U+FF0E
        ("request http://blocked\\xef\\xbd\\xa1test/", "denied"), // B06 U+FF61
        (
            "request http://\\xef\\xbd\\x82\\xef\\xbd\\x8c\\xef\\xbd\\x8f\\xef\\xbd\\x83\\xef\\xbd\\x8b\\xef\\xbd\\x85\\xef\\xbd\\x84.test/",
            "denied",
        ), // B07 full width
        ("request http://\\xe2\\x93\\x91locked.test/", "denied"), // B07 U+24D1
        ("request http://b\\xc2\\xadlocked.test/", "denied"), // soft hyphen, which UTS 46 drops
        ("request http://blocked\\xe2\\x80\\x8b.test/", "denied"), // zero width space, likewise
        ("request http://xn--a.test/", "invalid"),     // B09
        ("request http://xn--.test/", "invalid"),      // B09
        ("request http://bu\\xcc\\x88cher.test/", IDN), // B10
        ("request http://_x.blocked.test/", TREE),     // B14
        ("request http://-x-.blocked.test/", TREE),    // B14
        ("request http://a--b.blocked.test/", TREE),
        ("request http://bucher.test/", "default"),
        ("request http://stra\\xc3\\x9fe.test/", "default"), // B11
    ]);
}

#[test]
fn b_entries_load_to_one_form() {
    for entry in [
        "b\u{fc}cher.test",
        "xn--bcher-kva.test",
        "XN--BCHER-KVA.TEST",
        "B\u{dc}CHER.TEST.",
        ".b\u{fc}cher.test",
    ] {
        let text = format!("r: {{\n match-domain: {entry}\n}}");
        one(&text).decides(&[("request http://w.b\\xc3\\xbccher.test/", "deny r")]); // B13
        one("r: {\n match-domain-list: x.list\n}")
            .list("x.list", entry.as_bytes())
            .decides(&[("request http://xn--bcher-kva.test/", "deny r")]);
    }
}

/// Every spelling of 127.0.0.1.
const SPELLINGS: &[&str] = &[
    "127.0.0.1",
    "127.0.0.1.",                 // C01
    "2130706433",                 // C03
    "0x7f000001",                 // C04
    "0X7F000001",                 // C04
    "0x7f.1",                     // C04
    "127.1",                      // C04
    "127.0.1",                    // C04
    "0177.0.0.1",                 // C05
    "017700000001",               // C05
    "127.0.0.01",                 // C05
    "[::ffff:127.0.0.1]",         // C09
    "[::ffff:7f00:1]",            // C09
    "[0:0:0:0:0:ffff:7f00:0001]", // C09
    "[::FFFF:127.0.0.1]",         // C09
];

#[test]
fn c_spellings_of_an_address() {
    for rule in [
        "match-destination: loopback",
        "match-destination: 127.0.0.1",
        "match-destination: 127.0.0.0/8",
        "match-destination: ::ffff:127.0.0.1",
        "match-domain: 127.0.0.1",
        "match-domain: =127.0.0.1",
        "match-domain-list: x.list",
        "match-uri: 127.0.0.1/",
        "match-uri: http://2130706433",
    ] {
        let text = format!("r: {{\n {rule}\n}}");
        for spelling in SPELLINGS {
            let (line, other) =
                (format!("request http://{spelling}/"), format!("request http://{spelling}:81/x"));
            one(&text)
                .list("x.list", b"127.0.0.1\n")
                .decides(&[(&line, "deny r"), (&other, "deny r")]);
        }
    }
}

#[test]
fn c_addresses() {
    check(&[
        ("request http://0.0.0.0/", ADDRESS), // C07
        ("request http://0x0/", ADDRESS),     // C08
        ("request http://00.0/", ADDRESS),    // C08
        ("request http://0/", ADDRESS),       // C08
        ("request http://::1/", "invalid"),   // C11
        ("request http://[::1]/", ADDRESS),
        ("request http://[::]/", ADDRESS),
        ("request http://[fe80::1%25eth0]/", "invalid"), // C12
        ("request http://fe80::1%25eth0/", "invalid"),   // C12
        ("request http://[::1]blocked.test/", "invalid"), // C13
        ("request http://[::1/", "invalid"),             // C13
        ("request http://[blocked.test]/", "invalid"),   // C13
        ("request http://127.0.0.2/", ADDRESS),          // C15
        ("request http://127.255.255.254/", ADDRESS),    // C15
        ("request http://127.0.0.1.nip.example/", "default"), // C17
        ("request http://256.0.0.1/", "invalid"),
        ("request http://127.0.0.1.1/", "invalid"),
        ("request http://4294967296/", "invalid"),
        ("request http://good.127/", "invalid"),
        ("request http://good.0x7f/", "invalid"),
        ("request http://0x/", "invalid"),
        ("request http://127.0.0.08/", "invalid"),
        ("request http://8.8.8.8/", "default"),
    ]);
    // C16, C19
    one("inside: {\n match-destination: link-local, private, loopback\n match-source: 192.0.2.0/24\n}").decides(&[
        ("request http://169.254.169.254/latest/meta-data/", "deny inside"),
        ("request http://0xa9fea9fe/latest/meta-data/", "deny inside"),
        ("request http://10.0.0.1/", "deny inside"),
        ("request http://0300.0250.0.1/", "deny inside"),
        ("request http://10.0.0.1/ | client=::ffff:192.0.2.5", "deny inside"),
        ("request http://10.0.0.1/ | client=::ffff:192.0.3.5", "default"),
    ]);
}

#[test]
fn d_path() {
    check(&[
        ("request http://shared.test/secret", PATH),
        ("request http://shared.test/secrets", PATH),
        ("request http://shared.test/", "default"),
        ("request http://shared.test/secre", "default"),
        ("request http://other.test/secret", "default"),
        ("request http://shared.test/SECRET", "default"), // D01, case counts
        ("request http://shared.test//secret", PATH),     // D03
        ("request http://shared.test///secret", PATH),    // D03
        ("request http://shared.test/./secret", PATH),    // D04
        ("request http://shared.test/././/./secret", PATH), // D04
        ("request http://shared.test/x/../secret", PATH), // D05
        ("request http://shared.test/../secret", PATH),   // D05
        ("request http://shared.test/x/y/../../secret", PATH), // D05
        ("request http://shared.test/x/..%2fsecret", PATH), // D07
        ("request http://shared.test/x%2f..%2fsecret", PATH), // D07
        ("request http://shared.test/x/%2e%2e/secret", PATH), // D07
        ("request http://shared.test/x//../secret", PATH),
        ("request http://shared.test/%2e/secret", PATH), // D08
        ("request http://shared.test/s%65cret", PATH),   // D09
        ("request http://shared.test/%73%65%63%72%65%74", PATH), // D09
        ("request http://shared.test/s%c1%a5cret", "default"), // D11, not decoded
        ("request http://shared.test/s%u0065cret", "default"), // D12, not decoded
        ("request http://shared.test/%zz/../secret", PATH), // D13
        ("request http://shared.test/%/../secret", PATH), // D13
        ("request http://shared.test/%zz/../s%65cret", PATH), // D13
        ("request http://shared.test/secret%00.html", "invalid"), // D15
        ("request http://shared.test/%00/secret", "invalid"), // D15
        ("request http://shared.test/x%2500", "invalid"), // D15
        ("request http://shared.test/\\x00/secret", "invalid"), // D15
        ("request http://good.test/x%00", "invalid"),    // D15
        ("request http://shared.test/secret;x=1", PATH), // D16
        ("request http://shared.test/;x=1/secret", PATH), // D16
        ("request http://shared.test/x;y/..;z/secret", PATH), // D16
        ("request http://shared.test/secret?x", PATH),   // D17
        ("request http://shared.test/secret%3fx", PATH), // D17
        ("request http://shared.test/#/secret", "default"), // D19
        ("request http://shared.test?/secret", "default"), // D19
        ("request http://shared.test/?/secret", "default"), // D19
        ("request http://shared.test/;/secret", PATH),   // D19
        ("request http://shared.test\\secret", "denied"), // D20
        ("request http://shared.test/\\secret", PATH),   // D20
        ("request http://shared.test/x\\..\\secret", PATH), // D20
        ("request http://shared.test/x%5c..%5csecret", PATH), // D20
        ("request http://shared.test/sec\tret", PATH),   // D21
        ("request http://shared.test/sec ret", PATH),    // D21
        ("request http://shared.test/sec%09ret", PATH),  // D21
        ("request http://shared.test/sec%20ret", PATH),  // D21
        ("request http://shared.test/secret%20", PATH),  // D23
        ("request http://shared.test/secret.", PATH),    // D23
        ("request http://shared.test/%2fsecret", PATH),  // D24
        ("request http://shared.test/secret%0d%0aX:1", PATH), // D25
        ("request http://shared.test/s%2565cret", PATH), // D29
        ("request http://shared.test/s%252565cret", PATH), // D29
        ("request http://shared.test/s%25%36%35cret", PATH), // D29
        ("request http://shared.test/%252e%252e/x/%252e%252e/secret", PATH),
        ("request http://good.test/translate?u=http://shared.test/secret", "default"), // D33
        ("request http://good.test/?u=aHR0cDovL2Jsb2NrZWQudGVzdC8=", "default"),       // D35
        ("request http://shared.test/secret\\xff\\x80", PATH),                         // D39
        ("request http://shared.test/\\xff\\x80/../secret", PATH),                     // D39
        ("request http://shared.test/\\xff\\x80\\xfe", "default"),                     // D39
        ("request http://shared.test/a\"b", "default"),                                // D40
        ("request http://shared.test/a\\b", "default"),                                // D40
        ("request http://shared.test/{}^`<>/../secret", PATH),                         // D40
        ("request http://SHARED.test.:8080/secret", PATH),
        ("request https://u@shared.test/secret", PATH),
    ]);
}

/// The rows about words in a URI.
#[test]
fn d_keywords() {
    let deep = format!("request http://good.test/{}/casino", "a".repeat(7_000)); // D36
    one("word: {\n match-uri-regex: casino\n}\nfolder: {\n match-uri-regex: /warez/\n}").decides(
        &[
            ("request http://good.test/casino", "deny word"),
            ("request http://good.test/x?q=CASINO", "deny word"),
            ("request http://casino.test/", "deny word"),
            ("request http://good.test/?q=ca+sino", "default"), // D27
            ("request http://good.test/?q=ca%20sino", "deny word"), // D27: in one reading
            ("request http://good.test/c%61sino", "deny word"), // D28
            ("request http://good.test/ca%73%69no", "deny word"), // D28
            ("request http://good.test/%zz/c%61sino", "deny word"), // D28
            ("request http://good.test/c%2561sino", "deny word"), // D29
            ("request http://good.test/c%00asino", "invalid"),  // D29
            ("request http://good.test/warez/", "deny folder"),
            ("request http://good.test/warez", "default"), // D31
            ("request http://good.test/%2fwarez/", "deny folder"), // D32
            ("request http://good.test/warez%2f", "deny folder"), // D32
            ("request http://good.test/./warez/./", "deny folder"), // D32
            ("request http://good.test//warez//", "deny folder"), // D32
            (&deep, "deny word"),
            ("connect casino.test:443", "deny word"),
            ("connect good.test:443", "default"),
            ("connect good.test:443 | tunnel=peeked", "default"),
            ("connect good.test:443 | tunnel=decrypted", "deferred"),
        ],
    );
    // a pattern of the whole URI permits nothing where the names of a connection differ
    one("r: {\n match-uri-regex: ^https://good\\.test/\n action: permit\n}")
        .default(Action::Deny)
        .decides(&[
            ("request https://good.test/x", "permit r"),
            (
                "request https://good.test/x | connect=good.test:443 | told-sni=good.test",
                "permit r",
            ),
            ("request https://good.test/x | connect=evil.test:443", "default"),
            ("request https://good.test/x | connect=good.test:443 | told-sni=evil.test", "default"),
        ]);
}

#[test]
fn d_long_requests() {
    let deep = format!("request http://shared.test/{}/../secret", "a".repeat(7_000)); // D36
    let query = format!("request http://shared.test/secret?{}", "a".repeat(8_060)); // D37
    let longer = format!("request http://shared.test/secret?{}", "a".repeat(9_000)); // D37
    let dots = format!("request http://shared.test{}/secret", "/x/..".repeat(1_500));
    let too_long = format!("request http://good.test/{}", "a".repeat(64 * 1024));
    check(&[(&deep, PATH), (&query, PATH), (&longer, PATH), (&dots, PATH), (&too_long, "invalid")]);
    let label = format!("request http://{}.test/", "a".repeat(64));
    let name = format!("request http://{}blocked.test/", "a.".repeat(125));
    check(&[(&label, "invalid"), (&name, "invalid")]);
    let name = format!("request http://{}blocked.test/", "a.".repeat(120));
    check(&[(&name, TREE)]);
}

/// B11: the sharp s is a letter of its own (UTS 46, not transitional), as it is to browsers since 2022.
#[test]
fn b_a_sharp_s_is_no_double_s() {
    one("r: {\n match-domain: stra\u{df}e.test\n}").decides(&[
        ("request http://stra\\xc3\\x9fe.test/", "deny r"),
        ("request http://xn--strae-oqa.test/", "deny r"),
        ("request http://strasse.test/", "default"),
    ]);
    one("r: {\n match-domain: strasse.test\n}").decides(&[
        ("request http://strasse.test/", "deny r"),
        ("request http://STRASSE.test/", "deny r"),
        ("request http://stra\\xc3\\x9fe.test/", "default"),
    ]);
}

/// A34: no rule permits the pages of the proxy itself.
#[test]
fn a_no_rule_permits_the_proxy_itself() {
    one("all: {\n match-domain: \"*\"\n allow-broad: true\n action: permit\n}").decides(&[
        ("request cache_object://localhost/shutdown", "invalid"),
        ("request CACHE_OBJECT://good.test/", "invalid"),
        ("request http://good.test/squid-internal-mgr/shutdown", "invalid"),
        ("request http://good.test/squid-internal-mgr?x", "invalid"),
        ("request https://good.test/%73quid-internal-mgr/", "invalid"),
        ("request http://good.test/%2573quid-internal-mgr/", "invalid"),
        ("request http://good.test/;x/squid-internal-mgr/", "invalid"),
        ("request http://good.test/squid-internal-static/icons/x.png", "permit all"),
        ("request http://good.test/?/squid-internal-mgr/", "permit all"),
    ]);
}

#[test]
fn e_methods_and_connections() {
    // E01: no method is let through where another is not
    for method in
        ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "FOO", "get", "\\x00", ""]
    {
        let denied = format!("request http://blocked.test/a | method={method}");
        let other = format!("request http://good.test/a | method={method}");
        check(&[(&denied, TREE), (&other, "default")]);
    }
    check(&[
        ("request /", "invalid"),                 // E03: HTTP/0.9 and no Host
        ("request *", "invalid"),                 // E03: the preface of HTTP/2
        ("request http://good.test/", "default"), // E04: the first
        ("request http://blocked.test/", TREE),   // E04, E09: the second
        ("connect good.test:443 | tunnel=peeked", "default"), // E05: the tunnel
        ("request https://blocked.test/ | connect=good.test:443", TREE), // E05: inside it
        ("request http://blocked.test/ | connect=good.test:443", "invalid"), // E05
    ]);
    // E07: a User-Agent of 9,000 bytes is looked at whole
    let long = format!("request http://good.test/ | ua={}curl", "a".repeat(9_000));
    one("r: {\n match-user-agent: curl\n}").decides(&[(&long, "deny r")]);
}

#[test]
fn f_what_a_client_writes_into_a_header_stays_there() {
    one("r: {\n match-user-agent: curl\n}\nn: {\n match-sni: blocked.test\n}").decides(&[
        ("request http://good.test/ | ua=x sni=blocked.test user=admin", "default"), // F01
        ("request http://good.test/ | ua=x%0acurl", "deny r"),                       // F02
        ("request http://good.test/ | ua=c%75rl", "default"),                        // F02: opaque
        ("request http://good.test/ | ua=-", "default"),                             // F03
        ("request http://good.test/", "default"),                                    // F03
    ]);
}

#[test]
fn g_connect() {
    check(&[
        ("connect blocked.test:443", TREE),                // G01
        ("connect BLOCKED.test.:443", TREE),               // G01
        ("connect www.blocked.test:22", TREE),             // G01
        ("connect good.test@blocked.test:443", "invalid"), // G03
        ("connect blocked.test@good.test:443", "invalid"), // G03
        ("connect blocked.test", TREE),                    // G04
        ("connect http://blocked.test:443/", "invalid"),   // G05
        ("connect http:443", "invalid"),                   // G05
        ("connect 2130706433:443", ADDRESS),               // G07
        ("connect 0x7f.1:443", ADDRESS),                   // G07
        ("connect [::ffff:7f00:1]:443", ADDRESS),          // G07
        ("connect 0:443", ADDRESS),                        // G08
        ("connect 0x0:443", ADDRESS),                      // G08
        ("connect bl%6fcked.test:443", "denied"),          // G09
        ("connect blocked.test:0", "invalid"),
        ("connect blocked.test:65536", "invalid"),
        ("connect blocked.test:", "invalid"),
        ("connect :443", "invalid"),
        ("connect good.test:443/blocked.test", "invalid"),
        ("connect good.test:443", "default"),
        ("connect blocked.test.evil.test:443", "default"),
    ]);
}

#[test]
fn g_sni() {
    check(&[
        ("hello good.test:443 | sni=blocked.test", TREE), // G11
        ("hello good.test:443 | sni=www.blocked.test", TREE), // G11
        ("hello good.test:443 | sni=BLOCKED.test", TREE), // G12
        ("hello good.test:443 | sni=blocked.test.", TREE), // G12
        ("hello good.test:443 | sni=xn--BCHER-kva.test", IDN), // G12
        ("hello 192.0.2.1:443 | sni=blocked.test", TREE), // G13
        ("hello 127.0.0.1:443 | sni=good.test", ADDRESS), // G13
        ("hello blocked.test:443 | sni=good.test", TREE), // G15
        ("hello blocked.test:443", TREE),                 // G15
        ("request https://blocked.test/a | sni=good.test", TREE), // G16
        ("request https://good.test/a | sni=blocked.test", TREE), // G16
        ("request https://good.test/a", "default"),       // G17, without a tag
        ("request https://blocked.test/a | connect=good.test:443 | told-sni=good.test", TREE), // G16
        ("request https://good.test/a | connect=blocked.test:443 | told-sni=good.test", TREE), // G15
        ("request https://good.test/a | connect=good.test:443 | told-sni=blocked.test", TREE), // G11
        ("request https://good.test/a | connect=127.0.0.1:443 | told-sni=", ADDRESS), // G17
        ("hello good.test:443 | sni=blocked.test\\x00.good.test", "denied"),          // G19
        ("hello good.test:443 | sni=127.0.0.1", "denied"),                            // G19
        ("hello good.test:443 | sni=good.test", "default"),
        ("hello good.test:443 | sni=blocked.test.evil.test", "default"),
        ("hello good.test:443", "default"),
    ]);
    let long = format!("hello good.test:443 | sni={}", "a.".repeat(128));
    check(&[(&long, "denied")]); // G19
}

/// G11, G12, G16: what is denied by its SNI is shown inside TLS, and what cannot be read is ended.
#[test]
fn g_the_second_question() {
    one(&POLICY.replace("b\\u00fccher", "b\u{fc}cher")).answers(&[
        ("hello good.test:443 | sni=blocked.test | tunnel=peeked", "bump deny block-tree"), // G11
        ("hello good.test:443 | sni=BLOCKED.test. | tunnel=peeked", "bump deny block-tree"), // G12
        ("hello 127.0.0.1:443 | sni=blocked.test | tunnel=peeked", "bump deny block-tree"), // G13
        ("hello blocked.test:443 | sni=good.test | tunnel=peeked", "bump deny block-tree"), // G15
        ("hello good.test:443 | sni=good.test | tunnel=peeked", "splice default"),
        ("hello good.test:443 | sni=bl\\x00cked.test | tunnel=peeked", "terminate invalid"), // G19
        ("hello good.test:443 | sni=192.0.2.1 | tunnel=peeked", "terminate invalid"),        // G19
        ("hello good.test:443 | sni=a,b | tunnel=peeked", "terminate invalid"),              // G19
        ("hello good.test:443 | tunnel=peeked", "splice default"), // G19, no SNI
        ("hello good.test@blocked.test:443 | tunnel=peeked", "terminate invalid"), // G03
    ]);
}

/// G16, G17: a Host inside that is neither the CONNECT's nor the SNI can be refused as such.
#[test]
fn g_fronting_is_an_anomaly() {
    one("front: {\n match-anomaly: host-mismatch, sni-mismatch\n}").decides(&[
        ("request https://other.test/ | connect=good.test:443 | told-sni=good.test", "deny front"), // G16
        ("request https://good.test/ | connect=127.0.0.1:443 | told-sni=", "deny front"), // G17
        ("hello good.test:443 | sni=other.test", "deny front"),
        ("request https://good.test/ | connect=good.test:443 | told-sni=good.test", "default"),
    ]);
}

#[test]
fn g_a_list_meets_the_sni_too() {
    let setup = one("r: {\n match-domain-list: x.list\n}").list("x.list", b"blocked.test\n");
    setup.decides(&[
        ("hello good.test:443 | sni=www.BLOCKED.test.", "deny r"),
        ("hello 127.0.0.1:443 | sni=blocked.test", "deny r"),
        ("hello blocked.test:443 | sni=good.test", "deny r"),
        ("request https://good.test/ | sni=blocked.test", "deny r"),
        ("hello good.test:443 | sni=good.test", "default"),
    ]);
}

/// Relatives of the rows above.
#[test]
fn a_to_d_relatives() {
    check(&[
        ("request ftp://u:p@blocked.test/", TREE),
        ("request http://blocked.test:80@good.test/", "default"),
        ("request http://good.test%40blocked.test/", "invalid"),
        ("request http://good.test%2f@blocked.test/", "denied"),
        ("request http://good.test;@blocked.test/", "denied"),
        ("request http://blocked.test.:80/", TREE),
        ("request  http://blocked.test/", "invalid"),
        ("request \thttp://blocked.test/", "invalid"),
        ("request http://\tblocked.test/", "invalid"),
        ("request ht\ntp://blocked.test/", "invalid"),
        ("request http\\x00://blocked.test/", "invalid"),
        ("request http://blocked.test,good.test/", "denied"),
        ("request http://blocked.test&good.test/", "denied"),
        ("request http://127.0.0.1../", ADDRESS),
        ("request http://127.0.0.1.:80/", ADDRESS),
        ("request http://127.0.0.1%00/", "invalid"),
        ("request http://0x7f.0x0.0x0.0x1/", ADDRESS),
        ("request http://127.0x1/", ADDRESS),
        ("request http://0177.1/", ADDRESS),
        ("request http://00000000177.0.0.1/", "denied"),
        ("request http://0x00000000000000007f000001/", "denied"),
        ("request http://\\xef\\xbc\\x91\\xef\\xbc\\x92\\xef\\xbc\\x97.0.0.1/", "denied"), // full-width digits
        ("request http://127\\xe3\\x80\\x820\\xe3\\x80\\x820\\xe3\\x80\\x821/", "denied"),
        ("request http://shared.test/x/.%2e/secret", PATH),
        ("request http://shared.test/x/%2E./secret", PATH),
        ("request http://shared.test/x/..;/secret", PATH),
        ("request http://shared.test/%2e%2e%2fsecret", PATH),
        ("request http://shared.test/x/..%252fsecret", PATH),
        ("request http://shared.test/x/%25%32%65%25%32%65/secret", PATH),
        ("request http://shared.test/%5csecret", PATH),
        ("request http://shared.test/s%%36%35cret", PATH),
        ("request http://shared.test/sec%0bret", PATH),
        ("request http://shared.test/sec%0d%0aret", PATH),
        ("request http://shared.test/sec\nret", PATH),
        ("request http://shared.test/s%6%0a5cret", PATH),
        ("request http://shared.test/x/.%0a./secret", PATH),
        ("request http://shared.test/x/. ./secret", PATH),
        ("request http://shared.test/x/.;a/..;b/secret", PATH),
        ("request http://shared.test/x/\\..\\secret", PATH),
        ("request http://shared.test/x%2f%2e%2e%2f%2fsecret", PATH),
        ("connect [::1]:443", ADDRESS),
        ("connect ::1:443", "invalid"),
        ("connect [2001:db8::1]:443", "default"),
        ("connect blocked.test :443", "invalid"),
        ("connect ", "invalid"),
        ("connect /", "invalid"),
        ("hello good.test:443 | sni=", "denied"),
        ("hello good.test:443 | sni=bl%6fcked.test", "denied"),
        ("hello good.test:443 | sni=good.test:443", "denied"),
        ("hello good.test:443 | sni=\\xff.test", "denied"),
    ]);
    one("r: {\n match-uri: shared.test/s?q=x\n}").decides(&[
        ("request http://shared.test/s?q=xy", "deny r"),
        ("request http://shared.test/s?q=%78", "deny r"),
        ("request http://shared.test/s?q=%2578", "deny r"),
        ("request http://shared.test/s?q=%20x", "deny r"),
        ("request http://shared.test/./s?q=x", "deny r"),
        ("request http://shared.test/s?Q=x", "default"),
        ("request http://shared.test/s/?q=x", "default"),
        ("request http://shared.test/s?p&q=x", "default"),
    ]);
}
