//! The grammar, names, actions, faults, and files in their order (SPEC 3).

use std::io;
use std::path::{Path, PathBuf};

use eg_policy::check::Trust;
use eg_policy::diagnostic::Severity;
use eg_policy::sources::{EntryKind, Files, FolderEntry, policy_files};
use eg_policy::verdict::Action;

use super::bench::{FOLDER, ask, drawn, one, refuses};

const EXAMPLE: &str = "# comment            // comment            /* block comment */
allow-package-mirror: {
    match-uri: https://mirror.example.net/debian/
    application: https
    action: permit
    description: our package mirror
}
";

#[test]
fn the_example_of_the_manual() {
    one(EXAMPLE).default(Action::Deny).decides(&[
        ("request https://mirror.example.net/debian/pool/x.deb", "permit allow-package-mirror"),
        ("request http://mirror.example.net/debian/pool/x.deb", "default"),
        ("request https://mirror.example.net/ubuntu/", "default"),
    ]);
    let rules = one(EXAMPLE).ruleset();
    ask(&rules, "request https://mirror.example.net/debian/", |verdict| {
        assert_eq!(verdict.reason(), "our package mirror");
        assert_eq!(verdict.rule_id().unwrap().0, 1);
        assert_eq!(verdict.action.code(), 200);
    });
}

/// Texts that all mean: deny what a client whose User-Agent holds `VALUE` asks for. The value, the
/// text, a User-Agent that matches, and one that does not.
const BARE_VALUES: &[(&str, &str, &str)] = &[
    // a bare value runs to the end of the line and is trimmed
    ("a: {\n match-user-agent:   Foo Bar  \t\n}", "x Foo Bar y", "Foo"),
    // it keeps `:` `/` `|` `\` `(` `[` `^` `$` `*` as they are
    ("a: {\n match-user-agent: a:b/c|d\\e(f[g^h$i*j\n}", "a:b/c|d\\e(f[g^h$i*j", "abcdefghij"),
    ("a: {\n match-user-agent: \\d+\n}", "\\d+", "d+"),
    ("a: {\n match-user-agent: ^x$\n}", "^x$", "x"),
    ("a: {\n match-user-agent: (x\n}", "(x", "x"),
    ("a: {\n match-user-agent: *x\n}", "*x", "x"),
    ("a: {\n match-user-agent: |x\n}", "|x", "x"),
    // `#` and `//` start a comment only at the start of a line or after white space
    ("a: {\n match-user-agent: foo#bar\n}", "foo#bar", "foo"),
    ("a: {\n match-user-agent: foo//bar\n}", "foo//bar", "foo"),
    ("a: {\n match-user-agent: foo # bar\n}", "foo", "bar"),
    ("a: {\n match-user-agent: foo // bar\n}", "foo", "bar"),
    ("a: {\n match-user-agent: foo\t# bar\n}", "foo", "bar"),
    ("a: {\n match-user-agent: foo /* bar */\n}", "foo", "bar"),
    ("# c\na: { // c\n# c\n match-user-agent: foo\n /* c\n c } */\n}\n// c", "foo", "bar"),
    ("/* a\nb */ a: {\n match-user-agent: foo\n}", "foo", "bar"),
    ("a: {\n match-user-agent: [a-z]+\n}", "[a-z]+", "a-z"),
    ("a: {\n match-user-agent: x}\n}", "x}", "x"),
    ("\u{feff}a: {\n match-user-agent: foo\n}", "foo", "bar"),
    // no comment inside quotes
    ("a: {\n match-user-agent: \"foo # bar\"\n}", "foo # bar", "foo"),
    ("a: {\n match-user-agent: \"foo // bar\"\n}", "foo // bar", "foo"),
    // quoted, with JSON escapes
    ("a: {\n \"match-user-agent\": \"q\\\"\\\\\\/\\u0041\"\n}", "q\"\\/A", "qA"),
    ("\"a\": {\n match-user-agent: \"}\"\n}", "}", "x"),
    // user agents may hold commas
    ("a: {\n match-user-agent: foo, bar\n}", "foo, bar", "bar"),
    // commas between entries are optional
    ("a: {\n match-user-agent: foo,\n action: deny,\n},\n", "foo", "bar"),
    ("a: {\n \"match-user-agent\": \"foo\"\n \"action\": \"deny\"\n}", "foo", "bar"),
    // a block on one line has quoted values
    ("a: { match-user-agent: \"foo\", action: \"deny\" }", "foo", "bar"),
    ("a: { match-user-agent: \"foo\" action: \"deny\" }", "foo", "bar"),
    ("a: { \"match-user-agent\": \"foo\" }", "foo", "bar"),
    // strict JSON objects parse too
    ("{ \"a\": { \"match-user-agent\": \"foo\", \"action\": \"deny\" } }", "foo", "bar"),
    (
        "{\n  \"a\": {\n    \"match-user-agent\": [\"foo\", \"f o\"],\n    \"action\": \"deny\"\n  }\n}\n",
        "foo",
        "bar",
    ),
    ("\"a\": { \"match-user-agent\": [ \"foo\" ] }", "foo", "bar"),
    ("{ \"a\": { \"match-user-agent\": \"foo\", \"enabled\": true } }", "foo", "bar"),
    ("\"a\"\n:\n{\n\"match-user-agent\"\n:\n\"foo\"\n}", "foo", "bar"),
    ("{\n\"a\":\n{\n\"match-user-agent\":\n[\n\"foo\"\n]\n}\n}", "foo", "bar"),
    ("a: { match-user-agent: \"\\u00e9\\ud83d\\ude00\" }", "\u{e9}\u{1f600}", "\u{e9}"),
    ("a: { match-user-agent: \"foo\" } b: { match-user-agent: \"b\" }", "foo", "x"),
    ("{\"a\":{\"match-user-agent\":\"foo\"},\"b\":{\"match-user-agent\":\"b\"}}", "foo", "x"),
    ("a: {\n match-user-agent: /* c */ foo\n}", "foo", "c"),
    ("a: {\n match-user-agent: foo \"bar\"\n}", "foo \"bar\"", "foo bar"),
    ("a: {\n match-user-agent: use {x} freely\n}", "use {x} freely", "x"),
    // a list over several lines, and on one
    ("a: {\n match-user-agent: [\n foo, bar\n baz\n ]\n}", "baz", "qux"),
    ("a: {\n match-user-agent: [ \"foo\", \"bar\" ]\n}", "bar", "qux"),
    ("a: {\n match-user-agent: [\n # c\n foo // c\n \"bar\",\n ]\n}", "foo", "c"),
    // a repeated key
    ("a: {\n match-user-agent: foo\n match-user-agent: bar\n}", "bar", "qux"),
    // line ends of other systems, no line end at the end
    ("a: {\r\n match-user-agent: foo\r\n action: deny\r\n}\r\n", "foo", "bar"),
    ("a:{\nmatch-user-agent:foo\n}", "foo", "bar"),
    ("\n\n  a : {\n\tmatch-user-agent : foo\n\t}\n", "foo", "bar"),
];

#[test]
fn values_and_comments() {
    for (text, fits, fits_not) in BARE_VALUES {
        let fits = format!("request http://h.example/ | ua={fits}");
        let fits_not = format!("request http://h.example/ | ua={fits_not}");
        one(text).decides(&[(&fits, "deny a"), (&fits_not, "default")]);
    }
}

#[test]
fn domains_and_addresses_take_commas_lists_and_repeated_keys() {
    for text in [
        "a: {\n match-domain: a.example, b.example\n}",
        "a: {\n match-domain: a.example,b.example\n}",
        "a: {\n match-domain: [\n a.example\n b.example\n ]\n}",
        "a: {\n match-domain: [ a.example, b.example ]\n}",
        "a: {\n match-domain: a.example\n match-domain: b.example\n}",
        "a: { match-domain: \"a.example, b.example\" }",
        "{\"a\":{\"match-domain\":[\"a.example\",\"b.example\"]}}",
    ] {
        one(text).decides(&[
            ("request http://a.example/", "deny a"),
            ("request http://b.example/", "deny a"),
            ("request http://c.example/", "default"),
        ]);
    }
    for text in [
        "a: {\n match-source: 192.0.2.1, 2001:db8::1\n}",
        "a: {\n match-source: [\n 192.0.2.1,\n 2001:db8::1\n ]\n}",
        "a: {\n match-source: 192.0.2.1\n match-source: 2001:db8::1\n}",
    ] {
        one(text).decides(&[
            ("request http://a.example/ | client=192.0.2.1", "deny a"),
            ("request http://a.example/ | client=2001:db8::1", "deny a"),
            ("request http://a.example/ | client=192.0.2.2", "default"),
        ]);
    }
}

#[test]
fn uris_hold_commas() {
    one("a: {\n match-uri: h.example/a,b.example/\n match-uri: [\n h.example/c,d\n ]\n}").decides(
        &[
            ("request http://h.example/a,b.example/x", "deny a"),
            ("request http://h.example/a", "default"),
            ("request http://b.example/", "default"),
        ],
    );
    one("a: {\n match-uri: [\n h.example/c\n h.example/d\n ]\n match-uri: h.example/e\n}").decides(
        &[
            ("request http://h.example/c", "deny a"),
            ("request http://h.example/d", "deny a"),
            ("request http://h.example/e", "deny a"),
            ("request http://h.example/f", "default"),
        ],
    );
}

#[test]
fn files_without_rules_parse() {
    for text in ["", "\n\n", "# only\n// comments\n/* here\n*/\n", "{}", "\u{feff}# c\n"] {
        let setup = one(text);
        assert_eq!(setup.faults(), "", "{text:?}");
        setup.decides(&[("request http://a.example/", "default")]);
    }
}

const FAULTS: &[(&str, &str)] = &[
    // an empty value is a fault
    ("a: {\n match-domain:\n}", "EGP009@2"),
    ("a: {\n match-domain: \"\"\n}", "EGP009@2"),
    ("a: {\n match-domain: a.example\n description:\n}", "EGP009@3"),
    ("a: {\n match-domain: a.example\n action: # c\n}", "EGP009@3"),
    ("a: {\n match-domain: []\n}", "EGP009@2"),
    // a block on one line needs quoted values
    ("a: { match-domain: a.example }", "EGP010@1"),
    // a name has 1 to 128 characters of some, is unique, and not one of ours
    ("\"a b\": {\n match-domain: a.example\n}", "EGP023@1"),
    ("\"\": {\n match-domain: a.example\n}", "EGP023@1"),
    ("a/b: {\n match-domain: a.example\n}", "EGP023@1"),
    ("\u{fc}: {\n match-domain: a.example\n}", "EGP023@1"),
    ("a: {\n match-domain: a.example\n}\na: {\n match-domain: b.example\n}", "EGP025@4"),
    ("default-permit: {\n match-domain: a.example\n}", "EGP024@1"),
    ("default-anything: {\n match-domain: a.example\n}", "EGP024@1"),
    ("invalid-request: {\n match-domain: a.example\n}", "EGP024@1"),
    ("audit-unavailable: {\n match-domain: a.example\n}", "EGP024@1"),
    ("engine-unavailable: {\n match-domain: a.example\n}", "EGP024@1"),
    // at least one match attribute
    ("a: {\n action: deny\n}", "EGP022@1"),
    ("a: {\n}", "EGP022@1"),
    // unknown keys; attributes of later versions
    ("a: {\n match-domain: a.example\n colour: red\n}", "EGP020@3"),
    ("a: {\n match-domian: a.example\n match-domain: a.example\n}", "EGP020@2"),
    // bad values
    ("a: {\n match-domain: a b\n}", "EGP029@2"),
    ("a: {\n match-domain: a..example\n}", "EGP029@2"),
    ("a: {\n match-domain: http://a.example/\n}", "EGP029@2"),
    ("a: {\n match-domain: a.example:80\n}", "EGP029@2"),
    ("a: {\n match-sni: a_b!.example\n}", "EGP029@2"),
    ("a: {\n match-uri: gopher://a.example/\n}", "EGP028@2"),
    ("a: {\n match-uri: http://a%2eexample/\n}", "EGP028@2"),
    ("a: {\n match-uri: http://a.example:0/\n}", "EGP028@2"),
    ("a: {\n match-uri: /path\n}", "EGP028@2"),
    ("a: {\n match-source: 10.0.0.0/33\n}", "EGP030@2"),
    ("a: {\n match-source: 10.0.0.9-10.0.0.1\n}", "EGP030@2"),
    ("a: {\n match-source: 10.0.0.1-2001:db8::1\n}", "EGP030@2"),
    ("a: {\n match-source: loopback\n}", "EGP030@2"),
    ("a: {\n match-source: 10.0.0.300\n}", "EGP030@2"),
    ("a: {\n match-destination: everywhere\n}", "EGP030@2"),
    ("a: {\n match-domain: a.example\n application: gopher\n}", "EGP031@3"),
    ("a: {\n match-domain: a.example\n enabled: maybe\n}", "EGP032@3"),
    ("a: {\n match-domain-list: gone.list\n}", "EGP036@2"),
    ("a: {\n match-source: lists/gone.list\n}", "EGP036@2"),
    // one value where one is taken, and values that are texts
    ("a: {\n match-domain: a.example\n action: deny\n action: permit\n}", "EGP026@4"),
    ("a: {\n match-domain: a.example\n application: http\n application: ftp\n}", "EGP026@4"),
    ("a: {\n match-domain: a.example\n category: two words\n}", "EGP033@3"),
    ("a: {\n match-user-agent: x\u{1}y\n}", "EGP011@2"),
    // what is open stays open
    ("a: {\n match-domain: a.example\n", "EGP004@1"),
    ("a: {\n match-domain: [\n a.example\n}\n", "EGP007@2"),
    ("a: {\n match-user-agent: \"foo\n}", "EGP005@2"),
    ("/* c\na: {\n match-domain: a.example\n}", "EGP008@1"),
    ("a: {\n match-user-agent: \"\\d\"\n}", "EGP006@2"),
    ("a: {\n match-user-agent: \"\\ud83d\"\n}", "EGP006@2"),
    ("a: {\n match-domain: a.*.example\n}", "EGP029@2"),
    ("a: {\n match-domain: *a.example\n}", "EGP029@2"),
    ("a: {\n match-domain: =*.a.example\n}", "EGP029@2"),
    ("a: {\n match-domain: .\n}", "EGP029@2"),
    ("a: {\n match-domain: =\n}", "EGP029@2"),
    ("a: {\n match-domain: 127.0.0.0/8\n}", "EGP029@2"),
    ("a: {\n match-domain: a.example, b c, d.example\n}", "EGP029@2"),
    ("a: {\n match-domain: [\n a.example\n b c\n ]\n}", "EGP029@4"),
    ("a: {\n match-source: [\n 10.0.0.1\n 10.0.0.256\n ]\n}", "EGP030@4"),
    ("a: {\n match-sni: 10.0.0.1\n}", "EGP029@2"),
];

#[test]
fn faults_and_their_lines() {
    refuses(FAULTS);
}

/// A fault is one report, and lines that are right are not blamed for it.
#[test]
fn a_fault_blames_no_other_line() {
    refuses(&[
        ("my rule: {\n match-domain: a.example\n}", "EGP023@1"),
        ("{\"a\": 5}", "EGP002@1"),
        ("a {\n match-domain: a.example\n}", "EGP003@1"),
        ("a: {\n match-domain a.example\n}", "EGP003@2"),
        ("a: {\n match-domain: a.example\n}\n}\nb: {\n match-domain: b.example\n}", "EGP012@4"),
        ("a: {\n match-domain: a.example\n\nb: {\n match-domain: b.example\n}\n", "EGP004@1"),
        ("my rule: {\n match-domain: a.example\n action: permit\n}", "EGP023@1"),
        ("my rule: { match-domain: \"a.example\" }", "EGP023@1"),
        (
            "a: {\n match-domain: a.example\n my rule: {\n match-domain: b.example\n}",
            "EGP004@1 EGP023@3",
        ),
        ("{\"a\": \"x\"}", "EGP002@1"),
        ("{\"a\": null, \"b\": {\"match-domain\": \"b.example\"}}", "EGP002@1"),
        ("{\"a\": [1, 2]}", "EGP002@1"),
        // a brace behind a bare value in a block of several lines
        ("a: {\n match-user-agent: x }\n}", "EGP010@2"),
        ("a: {\n match-user-agent: x }\n action: deny\n}", "EGP010@2"),
        ("a: {\n match-user-agent: x }\n", "EGP010@2"),
        ("a: {\n match-user-agent: x }\nb: {\n match-user-agent: y\n}", "EGP010@2"),
        // a block without its brace
        ("a:\n match-domain: a.example\n}", "EGP002@1"),
        ("a: # c\n\n match-domain: a.example\n}\nb: {\n match-domain: b.example\n}", "EGP002@1"),
        // a block inside a block
        ("a: {\n match-domain: a.example\n b: {\n match-domain: b.example\n }\n}", "EGP002@3"),
        ("a: {\n b: {\n match-domain: b.example\n }\n match-domain: a.example\n}", "EGP002@2"),
        (
            "{\"a\": {\"match-domain\": \"a.example\",\n\"b\": {\"match-domain\": \"b.example\"}}}",
            "EGP002@2",
        ),
        // values behind a list
        ("a: {\n match-source: [::1], 10.0.0.1\n}", "EGP002@2"),
        ("a: {\n match-source: [::1], [::2]\n action: deny\n}", "EGP002@2"),
        ("a: {\n match-source: [::1], 2001:db8::1/64\n}", "EGP002@2"),
        ("a: {\n match-source: [::1]/64\n}", "EGP002@2"),
        ("a: {\n match-domain: a.example\n};\nb: {\n match-domain: b.example\n}", "EGP002@3"),
    ]);
}

/// One line of each attribute that looks at more than names.
const FURTHER: &[&str] = &[
    "match-user: alice",
    "match-method: POST",
    "match-port: 8080",
    "time-window: mon-fri 08:00-17:30",
    "except-uri: a.example/x",
    "except-domain: www.a.example",
    "except-source: 10.0.0.1",
    "except-destination: private",
    "except-sni: a.example",
    "except-user-agent: curl",
    "except-uri-regex: x",
    "except-method: GET",
    "valid-from: 2026-01-01T00:00:00Z",
    "valid-until: 2026-01-01T00:00:00Z",
    "monitor: true",
];

#[test]
fn every_attribute_of_the_language_is_taken() {
    let text = |line: &str| format!("a: {{\n match-domain: a.example\n {line}\n}}");
    let texts: Vec<_> = FURTHER.iter().map(|line| text(line)).collect();
    let cases: Vec<_> = texts.iter().map(|text| (text.as_str(), "")).collect();
    refuses(&cases);
    let others = ["match-users: a", "except-action: deny", "except-colour: red", "time-windows: x"];
    let texts: Vec<_> = others.iter().map(|line| text(line)).collect();
    let cases: Vec<_> = texts.iter().map(|text| (text.as_str(), "EGP020@3")).collect();
    refuses(&cases);
}

#[test]
fn every_fault_at_once_each_drawn_with_caret_and_suggestion() {
    let text = "a: {\n match-domian: a.example\n action: permit\n}
b: {\n match-uri: gopher://x/\n description:\n}
default-x: {\n match-source: 10.0.0.0/40\n}
c: {\n action: deny\n}\n";
    let (rules, faults) = one(text).load();
    assert!(rules.is_none());
    let mut codes: Vec<_> = faults.iter().map(|fault| fault.code.id()).collect();
    codes.sort_unstable();
    assert_eq!(codes, ["EGP009", "EGP020", "EGP022", "EGP024", "EGP028", "EGP030"]);
    for fault in &faults {
        let (place, drawn) = (&fault.place, fault.render());
        let line = text.lines().nth(place.line as usize - 1).unwrap();
        assert_eq!(fault.source_line, line, "{drawn}");
        assert!(place.column >= 1 && place.column as usize <= line.chars().count() + 1);
        assert!(drawn.contains(fault.code.id()) && drawn.contains('^'), "{drawn}");
        let at = format!("10-test.policy:{}:{}", place.line, place.column);
        assert!(drawn.contains(&at), "no {at} in\n{drawn}");
        assert!(drawn.contains("help"), "no suggestion in\n{drawn}");
    }
    assert!(drawn(&faults).contains("match-domain"), "the nearest key is named");
}

const NAMES: &[&str] = &["a", "A-b_c.9", "-", "defaults", "default", "x-default-permit", "9"];

#[test]
fn names_that_are_fine() {
    for name in NAMES.iter().map(ToString::to_string).chain(["n".repeat(128)]) {
        let text = format!("{name}: {{\n match-domain: a.example\n}}");
        one(&text).decides(&[("request http://a.example/", &format!("deny {name}"))]);
    }
    let text = format!("{}: {{\n match-domain: a.example\n}}", "n".repeat(129));
    assert_eq!(one(&text).faults(), "EGP023@1");
}

#[test]
fn actions_and_their_aliases() {
    for (word, expected, code) in [
        ("permit", "permit a", 200),
        ("accept", "permit a", 200),
        ("deny", "deny a", 300),
        ("block", "deny a", 300),
        ("warn", "warn a", 310),
        ("aup", "aup a", 320),
    ] {
        let text = format!("a: {{\n match-domain: a.example\n action: {word}\n}}");
        assert_eq!(one(&text).faults(), "", "{word}");
        one(&text).decides(&[("request http://a.example/", expected)]);
        ask(&one(&text).ruleset(), "request http://a.example/", |verdict| {
            assert_eq!(verdict.action.code(), code);
        });
    }
    // default deny
    one("a: {\n match-domain: a.example\n}").decides(&[("request http://a.example/", "deny a")]);
}

#[test]
fn an_unknown_action_denies_and_warns() {
    for word in ["allow", "permitt", "pass", "\"per mit\""] {
        let text = format!("a: {{\n match-domain: a.example\n action: {word}\n}}");
        let (_, faults) = one(&text).load();
        assert_eq!(faults.len(), 1, "{}", drawn(&faults));
        assert_eq!((faults[0].code.id(), faults[0].severity), ("EGP027", Severity::Warning));
        one(&text).decides(&[("request http://a.example/", "deny a")]);
    }
}

#[test]
fn the_default_action_has_a_name_and_no_id() {
    for (action, name) in [
        (Action::Permit, "default-permit"),
        (Action::Deny, "default-deny"),
        (Action::Warn, "default-warn"),
        (Action::Aup, "default-aup"),
    ] {
        let rules = one("").default(action).ruleset();
        ask(&rules, "request http://a.example/", |verdict| {
            assert_eq!((verdict.action, verdict.rule_name()), (action, name));
            assert_eq!(verdict.rule_id(), None);
        });
    }
}

#[test]
fn a_request_that_cannot_be_read_meets_no_rule() {
    one("all: {\n match-source: 0.0.0.0/0, ::/0\n action: permit\n}").decides(&[
        ("request http://a.example/", "permit all"),
        ("request http://a%2eexample/", "invalid"),
        ("request gopher://a.example/", "invalid"),
        ("connect a@b.example:443", "invalid"),
    ]);
}

const SHARED: &str = "shared: {\n match-domain: shared.example\n}\n";

#[test]
fn files_give_ids_in_load_order_and_names_are_unique_over_all() {
    let setup = one("a: {\n match-domain: a.example\n}\nb: {\n match-domain: b.example\n}\n")
        .file("20-more.policy", "c: {\n match-domain: c.example\n}\n", Trust::Operator)
        .file("shared/10.policy", SHARED, Trust::Shared);
    let rules = setup.ruleset();
    let ids: Vec<_> = rules.rules().iter().map(|rule| (rule.id.0, rule.name.as_str())).collect();
    assert_eq!(ids, [(1, "a"), (2, "b"), (3, "c"), (4, "shared")]);
    let twice = one("a: {\n match-domain: a.example\n}").file(
        "20.policy",
        "\na: {\n match-domain: b.example\n}",
        Trust::Operator,
    );
    assert_eq!(twice.faults(), "EGP025@2");
}

#[test]
fn a_faulty_shared_file_is_left_out_with_warnings() {
    let own = "own: {\n match-domain: own.example\n}\n";
    for (faulty, list) in [
        ("x: {\n match-domain: x.example\n}\ny: {\n colour: red\n}\n", None),
        // a repeated name counts against the shared file
        ("x: {\n match-domain: x.example\n}\nown: {\n match-domain: y.example\n}\n", None),
        // and so does a missing list
        ("x: {\n match-domain: x.example\n}\ny: {\n match-domain-list: gone.list\n}\n", None),
        ("x: {\n match-domain: x.example\n", None),
        ("x: {\n match-domain: x.example\n match-method: G/T\n}\n", Some("unused.list")),
    ] {
        let mut setup = one(own).file("s/10.policy", faulty, Trust::Shared).file(
            "s/20.policy",
            SHARED,
            Trust::Shared,
        );
        if let Some(list) = list {
            setup = setup.list(list, b"a.example\n");
        }
        let (rules, faults) = setup.load();
        assert!(rules.is_some(), "a shared file refuses nothing\n{}", drawn(&faults));
        assert!(!faults.is_empty(), "it is reported");
        assert!(faults.iter().all(|fault| fault.severity == Severity::Warning));
        setup.decides(&[
            ("request http://own.example/", "deny own"),
            ("request http://shared.example/", "deny shared"),
            ("request http://x.example/", "default"),
            ("request http://y.example/", "default"),
        ]);
    }
}

#[test]
fn a_shared_file_that_is_left_out_counts_for_nothing() {
    let faulty = "twice: {\n match-domain: a.example\n}\nbad: {\n match-domain: com\n}\n";
    let whole = "twice: {\n match-domain: b.example\n action: pemrit\n}\n";
    let again = "twice: {\n match-domain: c.example\n}\nother: {\n match-domain: d.example\n}\n";
    let setup = one("own: {\n match-domain: own.example\n action: warn\n}\n")
        .file("s/10.policy", faulty, Trust::Shared)
        .file("s/20.policy", whole, Trust::Shared)
        .file("s/30.policy", again, Trust::Shared);
    setup.decides(&[
        ("request http://own.example/", "warn own"),
        ("request http://a.example/", "default"),
        // an unknown action is no fault that leaves a file out
        ("request http://b.example/", "deny twice"),
        ("request http://c.example/", "default"),
        ("request http://d.example/", "default"),
    ]);
    let ids: Vec<_> = setup.ruleset().rules().iter().map(|rule| rule.id.0).collect();
    assert_eq!(ids, [1, 2], "ids have no gaps");
}

#[test]
fn a_fault_of_the_operator_refuses_the_whole_set() {
    let setup = one("a: {\n match-domain: a.example\n}").file(
        "20.policy",
        "b: {\n colour: red\n match-domain: b.example\n}",
        Trust::Operator,
    );
    assert!(setup.load().0.is_none());
}

/// A folder tree made of paths.
struct Tree(&'static [&'static str]);

impl Files for Tree {
    fn folder(&self, path: &Path) -> io::Result<Vec<FolderEntry>> {
        let mut found: Vec<FolderEntry> = Vec::new();
        for file in self.0.iter().map(|file| PathBuf::from(FOLDER).join(file)) {
            let Ok(below) = file.strip_prefix(path) else { continue };
            let mut parts = below.components();
            let name = parts.next().unwrap().as_os_str().to_str().unwrap().to_owned();
            let kind = parts.next().map_or(EntryKind::File, |_| EntryKind::Folder);
            if found.iter().all(|entry| entry.name != name) {
                found.push(FolderEntry { name, kind });
            }
        }
        Ok(found)
    }

    fn read(&self, _: &Path) -> io::Result<Vec<u8>> {
        Ok(b"# nothing\n".to_vec())
    }
}

#[test]
fn files_are_read_in_lexicographical_order_of_their_path() {
    let tree = Tree(&[
        "20-b.policy",
        "10-a/99.policy",
        "100.policy",
        "10-a.policy",
        "05/zz.policy",
        "05/deep/er/a.policy",
        "B.policy",
        "a.policy",
        "lists/x.list",
        "README.policy.txt",
    ]);
    let files = policy_files(&tree, Path::new(FOLDER)).unwrap();
    let paths: Vec<_> = files
        .iter()
        .map(|file| file.path.strip_prefix(FOLDER).unwrap().trim_start_matches('/'))
        .collect();
    assert_eq!(
        paths,
        [
            "05/deep/er/a.policy",
            "05/zz.policy",
            "10-a.policy",
            "10-a/99.policy",
            "100.policy",
            "20-b.policy",
            "B.policy",
            "a.policy",
        ]
    );
}
