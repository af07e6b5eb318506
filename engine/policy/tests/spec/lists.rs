//! List files: forms of a line, forms of a file, and what a bad line does (SPEC 3).

use std::io::Write as _;

use eg_policy::lists::read_names;

use super::bench::{ask, one};

const RULE: &str = "r: {\n match-domain-list: lists/x.list\n}";

/// Asks a rule over a list of these bytes.
fn list(bytes: &[u8], yes: &[&str], no: &[&str]) {
    let yes = yes.iter().map(|host| (format!("request http://{host}/"), "deny r"));
    let no = no.iter().map(|host| (format!("request http://{host}/"), "default"));
    let lines: Vec<_> = yes.chain(no).collect();
    let cases: Vec<_> = lines.iter().map(|(line, expected)| (line.as_str(), *expected)).collect();
    one(RULE).list("lists/x.list", bytes).decides(&cases);
}

#[test]
fn the_host_or_any_parent_is_in_the_list() {
    list(
        b"b.example\nc.d.example\n",
        &["b.example", "www.b.example", "x.y.b.example", "c.d.example", "w.c.d.example"],
        &["example", "d.example", "notb.example", "b.example.evil.com", "x.d.example"],
    );
}

#[test]
fn every_form_of_a_line_means_one_thing() {
    for line in [
        "b.test",
        ".b.test",
        "*.b.test",
        "B.Test",
        "b.test.",
        "  b.test  ",
        "\tb.test",
        "b.test\r",
        "b.test # comment",
        "b.test\t# comment",
    ] {
        let text = format!("# head\n\n{line}\n#tail");
        list(text.as_bytes(), &["b.test", "www.b.test"], &["notb.test", "test", "head", "comment"]);
    }
    for line in
        ["b\u{fc}cher.test", "xn--bcher-kva.test", "XN--BCHER-KVA.TEST", "bu\u{308}cher.test"]
    {
        list(line.as_bytes(), &["xn--bcher-kva.test", "w.b\\xc3\\xbccher.test"], &["bucher.test"]);
    }
    list(b"=b.test\n", &["b.test"], &["www.b.test"]);
    list(b"=B.Test.\n", &["b.test"], &["www.b.test"]);
    list(b"=b.test\nb.test\n", &["b.test", "www.b.test"], &[]);
    list(b"b.test\n=b.test\n", &["b.test", "www.b.test"], &[]);
    list(
        b"192.0.2.1\n2001:db8::1\n",
        &["192.0.2.1", "0xc0000201", "[2001:db8::1]"],
        &["192.0.2.2"],
    );
}

#[test]
fn forms_of_a_file() {
    list(b"\xef\xbb\xbfa.test\r\nb.test\r\n", &["a.test", "b.test"], &["c.test"]);
    list(b"\xef\xbb\xbf# c\r\na.test", &["a.test"], &["c"]);
    list(b"", &[], &["a.test"]);
    list(b"# nothing\n", &[], &["a.test", "nothing"]);
    list(b"a.test\na.test\nA.TEST\nwww.a.test\n", &["a.test", "x.a.test"], &["b.test"]);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(b"a.test\nb.test\n").unwrap();
    let packed = packed.finish().unwrap();
    list(&packed, &["a.test", "x.b.test"], &["c.test"]);
    // gzip allows several members in a row
    let mut second = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    second.write_all(b"c.test\n").unwrap();
    list(&[packed, second.finish().unwrap()].concat(), &["a.test", "c.test"], &["d.test"]);
}

#[test]
fn a_bad_line_is_counted_and_spoils_nothing() {
    let bytes = b"good.test\nbad name.test\n*\n.\n=\nx..test\n\0nul.test\n\xff\xfe\nlast.test\n";
    list(
        bytes,
        &["good.test", "www.last.test"],
        &["name.test", "bad", "test", "nul.test", "anything.example", "x.test"],
    );
    let (set, report) = read_names(bytes).unwrap();
    assert_eq!(set.len(), 2);
    assert!(report.refused_count >= 7, "{report:?}");
    assert!(report.refused.iter().any(|(line, _)| *line == 2), "with its number: {report:?}");
    list(
        b"*b.test\n=*.c.test\n*.*.d.test\nb..e.test\n=.f.test.x/\n.\n..\n*.\n=com x\n_g.test\n",
        &["_g.test", "x._g.test"],
        &[
            "b.test", "x.b.test", "c.test", "x.c.test", "d.test", "x.d.test", "e.test", "com",
            "a.com",
        ],
    );
    let long = [b"a.test\n".as_slice(), &vec![b'x'; 1 << 20], b"\nb.test\n"].concat();
    list(&long, &["a.test", "b.test"], &["x"]);
}

#[test]
fn a_whole_icann_suffix_is_left_out_counted_and_reported() {
    let bytes = b"com\nco.uk\n*.org\nxn--p1ai\nblogspot.com\na.test\n";
    list(
        bytes,
        &["x.blogspot.com", "a.test"],
        &["example.com", "com", "a.co.uk", "example.org", "x.xn--p1ai"],
    );
    let (set, report) = read_names(bytes).unwrap();
    assert_eq!((set.len(), report.public_suffix_count), (2, 4));
    assert_eq!(
        report.public_suffixes.iter().map(|(line, _)| *line).collect::<Vec<_>>(),
        [1, 2, 3, 4]
    );
}

/// Lines of other formats, and exceptions in them, never permit anything and widen nothing.
#[test]
fn exceptions_in_a_list_permit_nothing() {
    one("r: {\n match-domain-list: lists/x.list\n}\nlast: {\n match-domain: bank.test, b.test\n action: warn\n}")
        .list("lists/x.list", b"b.test\n@@||bank.test^\n@@||b.test^\nbank.test CNAME rpz-passthru.\n")
        .decides(&[("request http://b.test/", "deny r"), ("request http://bank.test/", "warn last")]);
}

#[test]
fn paths_start_at_the_policy_file_and_may_name_the_format() {
    let text = "r: {\n match-domain-list: x.list\n}";
    let mut setup = one(text).list("sub/x.list", b"sub.test\n").list("x.list", b"top.test\n");
    setup.files[0].0 = "sub/10.policy";
    setup.decides(&[
        ("request http://sub.test/", "deny r"),
        ("request http://top.test/", "default"),
    ]);
    one("r: {\n match-domain-list: x.list as plain\n}")
        .list("x.list", b"a.test\n")
        .decides(&[("request http://a.test/", "deny r")]);
    one("r: {\n match-domain-list: x.list\n match-domain-list: [\n y.list\n ]\n}")
        .list("x.list", b"a.test\n")
        .list("y.list", b"b.test\n")
        .decides(&[
            ("request http://a.test/", "deny r"),
            ("request http://b.test/", "deny r"),
            ("request http://c.test/", "default"),
        ]);
}

#[test]
fn lists_of_two_rules_do_not_mix() {
    let text = "one: {\n match-domain-list: x.list\n match-source: 10.0.0.1\n}
two: {\n match-domain-list: x.list\n action: permit\n}
three: {\n match-domain-list: y.list\n action: warn\n}";
    one(text)
        .list("x.list", b"a.test\n=c.test\n")
        .list("y.list", b"b.test\na.test\nc.test\n")
        .decides(&[
            ("request http://a.test/ | client=10.0.0.1", "deny one"),
            ("request http://a.test/ | client=10.0.0.2", "permit two"),
            ("request http://b.test/", "warn three"),
            ("request http://c.test/", "permit two"),
            ("request http://www.c.test/", "warn three"),
        ]);
}

#[test]
fn the_category_defaults_to_the_stem_of_the_list() {
    let text = "r: {\n match-domain-list: lists/gambling.list\n}
s: {\n match-domain-list: lists/news.list\n category: press\n}
t: {\n match-domain: c.test\n}
u: {\n match-domain-list: lists/porn/domains\n}";
    let rules = one(text)
        .list("lists/gambling.list", b"a.test\n")
        .list("lists/news.list", b"b.test\n")
        .list("lists/porn/domains", b"d.test\n")
        .ruleset();
    for (line, category) in [
        ("request http://a.test/", Some("gambling")),
        ("request http://b.test/", Some("press")),
        ("request http://c.test/", None),
        ("request http://d.test/", Some("porn")),
    ] {
        ask(&rules, line, |verdict| assert_eq!(verdict.category(), category, "{line}"));
    }
}

#[test]
fn domains_of_a_rule_and_of_its_lists_are_one_kind() {
    one("r: {\n match-domain: a.test\n match-domain-list: x.list\n}")
        .list("x.list", b"b.test\n")
        .decides(&[
            ("request http://a.test/", "deny r"),
            ("request http://w.b.test/", "deny r"),
            ("request http://c.test/", "default"),
        ]);
}

#[test]
fn one_file_may_serve_several_rules_and_kinds() {
    let text = "one: {\n match-source: x.list\n match-destination: x.list\n}
two: {\n match-domain-list: x.list\n action: warn\n}
three: {\n match-destination: y.list\n action: aup\n}";
    one(text).list("x.list", b"10.0.0.1\na.test\n").list("y.list", b"10.0.0.0/24\n").decides(&[
        ("request http://10.0.0.1/ | client=10.0.0.1", "deny one"),
        ("request http://10.0.0.1/", "warn two"),
        ("request http://www.a.test/ | client=10.0.0.1", "warn two"),
        ("request http://10.0.0.2/", "aup three"),
        ("request http://10.0.1.1/", "default"),
    ]);
}

#[test]
fn equal_lists_keep_their_own_names() {
    let text = "one: {\n match-domain-list: a/ads.list\n match-source: 10.0.0.1\n}
two: {\n match-domain-list: b/spy.list\n}";
    let rules = one(text).list("a/ads.list", b"x.test\n").list("b/spy.list", b"x.test\n").ruleset();
    for (line, category, path) in [
        ("request http://x.test/ | client=10.0.0.1", "ads", "/rules.d/a/ads.list"),
        ("request http://x.test/", "spy", "/rules.d/b/spy.list"),
    ] {
        ask(&rules, line, |verdict| {
            assert_eq!(
                (verdict.category(), verdict.list()),
                (Some(category), Some(path)),
                "{line}"
            );
        });
    }
}

/// The files of a folder are one list: names, beginnings of URLs, and expressions for the whole URL.
#[test]
fn a_folder_blocks_by_names_urls_and_expressions() {
    let text =
        "r: {\n match-domain-list: lists/ads\n}\nlast: {\n match-domain: c.test\n action: warn\n}";
    one(text)
        .list("lists/ads/domains", b"a.test\n")
        .list("lists/ads/urls", b"b.test/x\nhttp://c.test:8080/y/\nd.test\n")
        .list("lists/ads/expressions", b"/banner[0-9]+\n(a)\\1\n")
        .decides(&[
            ("request http://w.a.test/", "deny r"),
            ("request http://b.test/", "default"),
            ("request http://b.test/x", "deny r"),
            ("request https://b.test:8443/xy?z", "deny r"),
            ("request http://b.test/a/../x", "deny r"),
            ("request http://b.test/%78", "deny r"),
            ("request http://b.test/X", "default"),
            ("request http://www.b.test/x", "default"),
            ("request ftp://c.test/y/z", "deny r"),
            ("request http://c.test/y", "warn last"),
            ("request http://d.test/", "deny r"),
            ("request http://w.d.test/", "default"),
            ("request http://e.test/banner12", "deny r"),
            ("request http://e.test/banner", "default"),
            // The path of a tunnel is not known; where it will be, the question waits for it.
            ("connect d.test:443", "deny r"),
            ("connect b.test:443", "default"),
            ("connect b.test:443 | tunnel=decrypted", "deferred"),
            ("connect e.test:443 | tunnel=decrypted", "deferred"),
        ]);
}

/// A rule that permits needs every reading of the request.
#[test]
fn a_list_of_urls_permits_only_what_fits_in_every_view() {
    one("r: {\n match-domain-list: x.list as urls\n action: permit\n}\nlast: {\n match-domain: b.test\n}")
        .list("x.list", b"b.test/ok/\n")
        .decides(&[
            ("request http://b.test/ok/x", "permit r"),
            ("request http://b.test/ok/%252e%252e/secret", "deny last"),
            ("request http://b.test/no", "deny last"),
        ]);
}

#[test]
fn the_list_that_holds_is_named() {
    let text = "r: {\n match-domain-list: [\n one\n two\n ]\n}";
    let rules = one(text)
        .list("one/domains", b"a.test\n")
        .list("one/expressions", b"/ads[0-9]\n")
        .list("two/urls", b"b.test/x\n")
        .ruleset();
    for (line, category) in [
        ("request http://a.test/", Some("one")),
        ("request http://b.test/x/", Some("two")),
        ("request http://c.test/ads1", Some("one")),
    ] {
        ask(&rules, line, |verdict| assert_eq!(verdict.category(), category, "{line}"));
    }
}

#[test]
fn one_list_has_one_format() {
    let text = "r: {\n match-domain-list: x.list as hosts\n}\ns: {\n match-domain-list: x.list\n}";
    let (rules, faults) = one(text).list("x.list", b"0.0.0.0 a.test\n").load();
    assert!(rules.is_none());
    assert_eq!(faults.iter().map(|fault| fault.code.id()).collect::<Vec<_>>(), ["EGP081"]);
    for (word, code) in [("hots", "EGP035"), ("squidguard", "EGP036")] {
        let text = format!("r: {{\n match-domain-list: x.list as {word}\n}}");
        let (_, faults) = one(&text).list("x.list", b"a.test\n").load();
        assert_eq!(faults.iter().map(|fault| fault.code.id()).collect::<Vec<_>>(), [code]);
    }
    let (_, faults) = one("r: {\n match-domain-list: x.list\n}").list("x.list", b"$0/\n").load();
    assert_eq!(faults.iter().map(|fault| fault.code.id()).collect::<Vec<_>>(), ["EGP036"]);
}
