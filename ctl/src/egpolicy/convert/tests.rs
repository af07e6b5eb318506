//! Whole conversions, from the text of the old filter to rules, lists and the report.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;

use super::draft::{DraftRule, State, Then, What};
use super::input::Input;
use super::report::Kind;
use super::run::{Converted, From, Setting, WriteFault, convert, is_lossless, write};
use crate::egpolicy::check;
use crate::render::Format;

/// Files that are there in a test.
#[derive(Default)]
struct Files(HashMap<PathBuf, Vec<u8>>);

impl Files {
    fn with(mut self, path: &str, text: &str) -> Self {
        self.0.insert(PathBuf::from(path), text.as_bytes().to_vec());
        self
    }
}

impl Input for Files {
    fn read(&self, path: &Path) -> Result<Vec<u8>, String> {
        self.0.get(path).cloned().ok_or_else(|| "no such file".to_owned())
    }

    fn folder(&self, path: &Path) -> Result<Vec<String>, String> {
        let own = self.0.keys().filter(|file| file.parent() == Some(path));
        let mut names: Vec<_> =
            own.filter_map(|file| Some(file.file_name()?.to_str()?.to_owned())).collect();
        names.sort();
        if names.is_empty() { Err("no such folder".to_owned()) } else { Ok(names) }
    }
}

fn setting() -> Setting {
    Setting { zone: TimeZone::UTC, year: 2026 }
}

fn squidguard(text: &str, files: Files) -> Converted {
    let files = files.with("/c/squidGuard.conf", text);
    let path = Path::new("/c/squidGuard.conf");
    match convert(From::SquidGuard, path, &files, &setting()) {
        Ok(converted) => converted,
        Err(faults) => panic!("{faults:?}"),
    }
}

fn faults(from: From, text: &str) -> Vec<String> {
    let files = Files::default().with("/c/conf", text);
    let faults = convert(from, Path::new("/c/conf"), &files, &setting()).err().unwrap_or_default();
    faults.iter().map(ToString::to_string).collect()
}

/// A rule in a line.
fn line(rule: &DraftRule) -> String {
    let what = |what: &What| match what {
        What::Everything => "*".to_owned(),
        What::Lists(lists) => {
            lists.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>().join("+")
        }
        What::AnyAddress => "addresses".to_owned(),
        What::Expressions(patterns) | What::Agents(patterns) => patterns.join(" "),
    };
    let mut parts = vec![rule.name.clone() + ":"];
    parts.extend(rule.who.addresses.iter().chain(&rule.who.users).cloned());
    parts.push(what(&rule.what));
    parts.extend(rule.except.iter().map(|except| format!("-{}", what(except))));
    for stretch in rule.when.stretches() {
        parts.extend(stretch.windows);
        parts.extend(stretch.from.map(|from| format!("from {from}")));
        parts.extend(stretch.until.map(|until| format!("until {until}")));
    }
    let then = match (rule.then, rule.state) {
        (Then::Permit, State::On) => "permit",
        (Then::Deny, State::On) => "deny",
        (Then::Permit | Then::Deny, State::Off) => "off",
    };
    parts.push(then.to_owned());
    parts.join(" ")
}

fn lines(converted: &Converted) -> Vec<String> {
    converted.draft.rules.iter().map(line).collect()
}

const HEAD: &str = "dbhome /db\ndest good {\n domainlist good/domains\n}\ndest bad {\n domainlist bad/domains\n}\n\
    time work {\n weekly mtwhf 08:00-16:30\n}\nsrc a {\n ip 10.0.0.1\n}\nsrc b {\n user Bob\n}\n";

fn lists() -> Files {
    Files::default().with("/db/good/domains", "good.test\n").with("/db/bad/domains", "bad.test\n")
}

/// The rules of some acls below [`HEAD`].
fn rules(acl: &str) -> Vec<String> {
    lines(&squidguard(&format!("{HEAD}acl {{\n{acl}\n}}\n"), lists()))
}

const END: &str = "default {\n pass any\n redirect http://x/\n}";

#[test]
fn words_are_asked_from_left_to_right_and_every_branch_has_an_end() {
    let acl = format!("a {{\n pass good !in-addr !bad none\n}}\n{END}");
    assert_eq!(
        rules(&acl),
        [
            "a-good: 10.0.0.1 lists/good/domains permit",
            "a-in-addr: 10.0.0.1 addresses deny",
            "a-bad: 10.0.0.1 lists/bad/domains deny",
            "a-rest: 10.0.0.1 * deny",
            "b-rest: bob Bob * permit",
            "everyone-rest: * permit",
        ]
    );
    // Without an end the rest passes; `!any` is `any`, `!none` is `none`.
    let acl = format!("a {{\n pass !bad\n}}\nb {{\n pass !any bad\n}}\n{END}");
    assert_eq!(
        rules(&acl),
        [
            "a-bad: 10.0.0.1 lists/bad/domains deny",
            "a-rest: 10.0.0.1 * permit",
            "b-rest: bob Bob * permit",
            "everyone-rest: * permit",
        ]
    );
    // No words: those of the default.
    let acl = "a {\n redirect http://a/\n}\ndefault {\n pass !bad none\n redirect http://x/\n}";
    assert_eq!(
        rules(acl),
        [
            "a-bad: 10.0.0.1 lists/bad/domains deny",
            "a-rest: 10.0.0.1 * deny",
            "b-bad: bob Bob lists/bad/domains deny",
            "b-rest: bob Bob * deny",
            "everyone-bad: lists/bad/domains deny",
            "everyone-rest: * deny",
        ]
    );
}

#[test]
fn times_of_branches_sources_and_destinations() {
    let acl = format!("a within work {{\n pass none\n}} else {{\n pass good none\n}}\n{END}");
    assert_eq!(
        rules(&acl)[..3],
        [
            "a-rest: 10.0.0.1 * mon-fri 08:00-16:30 deny",
            "a-good: 10.0.0.1 lists/good/domains permit",
            "a-rest: 10.0.0.1 * deny",
        ]
    );
    // Outside of its time, without an else: the default.
    let acl = format!("a outside work {{\n pass none\n}}\n{END}");
    let outside = "mon-fri 00:00-08:00, mon-fri 16:30-24:00, sat-sun 00:00-24:00";
    assert_eq!(
        rules(&acl)[..2],
        [format!("a-rest: 10.0.0.1 * {outside} deny"), "a-rest: 10.0.0.1 * permit".to_owned(),]
    );
    // The default of squidGuard has no time, whatever stands there.
    let acl = "default within work {\n pass any\n} else {\n pass none\n redirect http://x/\n}";
    assert_eq!(rules(acl).last().unwrap(), "everyone-rest: * deny");
    let text = "time work {\n weekly mtwhf 08:00-16:30\n}\nsrc a {\n ip 10.0.0.1\n within work\n}\n\
        dest bad {\n domainlist bad/domains\n outside work\n}\ndbhome /db\nacl {\n a {\n pass !bad none\n }\n\
        default {\n pass !bad any\n redirect http://x/\n }\n}\n";
    // A destination outside of its time in a source within it: never.
    assert_eq!(
        lines(&squidguard(text, lists())),
        [
            "a-rest: 10.0.0.1 * mon-fri 08:00-16:30 deny".to_owned(),
            format!("everyone-bad: lists/bad/domains {outside} deny"),
            "everyone-rest: * permit".to_owned(),
        ]
    );
}

#[test]
fn a_source_that_continues_stops_and_never_permits() {
    let text = HEAD.replace("ip 10.0.0.1\n", "ip 10.0.0.1\n continue\n");
    let text = format!("{text}acl {{\n a {{\n pass good !bad any\n }}\n{END}\n}}\n");
    assert_eq!(
        lines(&squidguard(&text, lists())),
        [
            "a-bad: 10.0.0.1 lists/bad/domains -lists/good/domains deny",
            "b-rest: bob Bob * permit",
            "everyone-rest: * permit",
        ]
    );
}

#[test]
fn who_cannot_be_asked_is_switched_off_and_said() {
    let text = "dbhome /db\nsrc a {\n domain x.test\n}\nsrc b {\n execuserlist /bin/who }\n}\nsrc c {\n \
        user x\n ldapusersearch ldap://y/?a,b\n}\nsrc d {\n}\nsrc e {\n ip 10.3.2.1/255.255.0.0\n}\nacl {\n \
        a { pass none }\n b { pass none }\n c { pass none }\n d { pass none }\n e { pass none }\n\
        default {\n pass any\n redirect http://x/\n }\n}\n";
    let converted = squidguard(text, Files::default());
    assert_eq!(
        lines(&converted),
        ["a-rest: * off", "b-rest: * off", "c-rest: x * deny", "everyone-rest: * permit",]
    );
    let report = &converted.draft.report;
    let counts = [Kind::Source, Kind::SourcePart, Kind::Never].map(|kind| report.of(kind));
    assert_eq!(counts, [2, 1, 3]);
    assert!(converted.text.contains("enabled: false"));
}

#[test]
fn every_line_that_is_lost_is_in_the_report() {
    let text = "dbhome /db\nlogdir /l\nrew safe {\n s@a@b@i\n}\ndest bad {\n domainlist bad/domains\n urllist \
        bad/urls\n expressionlist bad/expressions\n log x\n}\nacl {\n default {\n pass !bad !dnsbl:x.y any none\n \
        rewrite safe\n }\n}\n";
    let domains = "bad.test\nx.bad.test\n.dot.test\nco.uk\na b.test http://r/\nhttp://u.test/\n";
    let urls = "u.test/A\nu2.test\nhttp://u3.test/x\n:/\n";
    let files = lists()
        .with("/db/bad/domains", domains)
        .with("/db/bad/urls", urls)
        .with("/db/bad/expressions", "ad[sx]\n(a)\\1\n(x*)\n");
    let converted = squidguard(text, files);
    let report = &converted.draft.report;
    let counts: Vec<_> = Kind::ALL
        .iter()
        .filter(|kind| report.of(**kind) > 0)
        .map(|kind| (kind.id(), report.of(*kind)))
        .collect();
    assert_eq!(
        counts,
        [
            ("entry-unusable", 2),
            ("public-suffix", 1),
            ("entry-never-matched", 2),
            ("entry-redirect", 1),
            ("list-gaps", 1),
            ("url-case", 1),
            ("url-host-prefix", 1),
            ("url-text", 1),
            ("expression-unusable", 2),
            ("expression-text", 1),
            ("no-redirect", 1),
            ("rewrite", 1),
            ("dnsbl", 1),
            ("canonical-request", 1),
            ("ipv6-clients", 1),
            ("setting", 1),
            ("log", 1),
            ("unreachable", 1),
        ]
    );
    let lists: Vec<_> = converted.draft.lists.iter().map(|list| list.path.as_str()).collect();
    assert_eq!(lists, ["lists/bad/domains", "lists/bad/urls"]);
    let urls = String::from_utf8(converted.draft.lists[1].bytes.clone()).unwrap();
    assert_eq!(
        urls,
        "u.test/A\nu.test/a\nwww.u.test/A\nwww.u.test/a\nu2.test/\nwww.u2.test/\nu3.test/x\nwww.u3.test/x\n"
    );
}

#[test]
fn faults_have_their_line_and_nothing_is_written() {
    let cases = [
        ("dest a {\n", "/c/conf:2: the file ends inside a block: a `}` is missing"),
        ("}\n", "/c/conf:1: a `}` that nothing opens"),
        ("\ncolour red\n", "/c/conf:2: unknown directive `colour`"),
        ("dest a {\n colour red\n}\n", "/c/conf:2: `colour` has no place in a dest"),
        (
            "src a {\n ip 1.2.3.400\n}\nacl {\n default {\n }\n}\n",
            "/c/conf:2: `1.2.3.400` is no address",
        ),
        ("acl {\n a {\n pass any\n }\n default {\n }\n}\n", "/c/conf:2: source `a` is not defined"),
        ("acl {\n default {\n pass !x\n }\n}\n", "/c/conf:3: destination `x` is not defined"),
        ("acl {\n default within t {\n }\n}\n", "/c/conf:2: time `t` is not defined"),
        ("src a {\n}\nsrc a {\n}\n", "/c/conf:3: source `a` is defined already in line 1"),
        (
            "dbhome /db\ndest a {\n domainlist x\n}\nacl {\n default {\n }\n}\n",
            "/c/conf:3: cannot read `/db/x`: no such file",
        ),
        ("", "/c/conf: no acl for `default`; the old filter does not start without one"),
    ];
    for (text, expected) in cases {
        let found = faults(From::SquidGuard, text);
        assert!(found.iter().any(|fault| fault == expected), "{text:?}: {found:?}");
    }
    let big = format!("# {}\n", "x".repeat(10 << 20));
    assert!(faults(From::SquidGuard, &big)[0].contains("not a configuration file"));
    assert_eq!(faults(From::SquidGuard, &"}\n".repeat(1_000)).len(), 100);
    assert_eq!(faults(From::UfdbGuard, "acl {\n default {\n pass any\n }\n}\n"), [""; 0]);
    assert!(faults(From::Hosts, "nothing here\n")[0].contains("right format"));
    assert!(faults(From::Adblock, "! x\n")[0].contains("right format"));
}

#[test]
fn ufdbguard_has_categories_options_and_lists_in_one_folder() {
    let text = "dbhome \"/db\"\nlogall on\ncheck-proxy-tunnels queue-checks\nufdb-debug-filter 2\n\
        http-server { port= 8080, interface= all }\ncategory security {\n domainlist bad/domains\n cacerts \
        \"x\"\n option enforce-https-with-hostname\n redirect 302:http://x/?a=%i\n}\nsource all {\n ipv4 \
        10.0.0.0/8\n ipv6 fd00::/8\n unix group \"x\"\n}\ncategory c {\n execdomainlist \"/x\"\n}\nacl {\n all {\n \
        pass !security\n any\n }\n default {\n pass none\n redirect http://x/\n }\n}\n";
    let files = lists().with("/db/bad/urls", "u.test/x\n").with("/c/u.conf", text);
    let converted = convert(From::UfdbGuard, Path::new("/c/u.conf"), &files, &setting()).unwrap();
    assert_eq!(
        lines(&converted),
        [
            "all-security: 10.0.0.0/8 fd00::/8 lists/security/domains+lists/security/urls off",
            "all-rest: 10.0.0.0/8 fd00::/8 * off",
            "everyone-rest: * deny",
        ]
    );
    let report = &converted.draft.report;
    let counts = [Kind::Security, Kind::Source, Kind::Setting, Kind::Unsupported];
    assert_eq!(counts.map(|kind| report.of(kind)), [3, 1, 3, 1]);
}

#[test]
fn e2guardian_asks_exceptions_before_grey_before_banned() {
    let files = Files::default()
        .with(
            "/e/bannedsitelist",
            "#time: 9 0 17 0 01234\nbad.test\n.Include</etc/e2guardian/lists/more/x> # why\n",
        )
        .with("/e/more/x", "# other\nmore.test\n*ip\n")
        .with("/e/exceptionsitelist", "www.good.test\n")
        .with("/e/greyurllist", "bad.test/ok\nbad.test\n")
        .with("/e/bannedregexpurllist", "ads[0-9]+x\n(?=a)b\n")
        .with("/e/bannedregexpuseragentlist", "^curl/\n")
        .with("/e/exceptioniplist", "10.0.0.1-10.0.0.3\nhost\n")
        .with("/e/weightedphraselist", "<a><10>\n")
        .with("/e/nologurllist", "x\n#y\n");
    let converted = convert(From::E2guardian, Path::new("/e"), &files, &setting()).unwrap();
    assert_eq!(
        lines(&converted),
        [
            "exceptioniplist: 10.0.0.1-10.0.0.3 * permit",
            "exceptionsitelist: lists/exceptionsitelist permit",
            "greyurllist: lists/greyurllist permit",
            "bannedsitelist: lists/bannedsitelist mon-fri 09:00-17:01 deny",
            "bannedregexpurllist: ^[a-z][a-z0-9+.-]*://.*(?:ads[0-9]+x) deny",
            "bannedregexpuseragentlist: ^curl/ deny",
        ]
    );
    let report = &converted.draft.report;
    let kinds =
        [Kind::Content, Kind::ContentNotScanned, Kind::Unsupported, Kind::Entry, Kind::Expression];
    assert_eq!(kinds.map(|kind| report.of(kind)), [1, 1, 2, 1, 1]);
    // An exception is no wider than it was.
    let list = |path: &str| {
        let found = converted.draft.lists.iter().find(|list| list.path == path).unwrap();
        String::from_utf8(found.bytes.clone()).unwrap()
    };
    assert_eq!(list("lists/exceptionsitelist"), "www.good.test\n");
    assert_eq!(list("lists/bannedsitelist"), "bad.test\nmore.test\n");
    let turning = Files::default().with("/e/bannedsitelist", ".Include</e/bannedsitelist>\n");
    let found = convert(From::E2guardian, Path::new("/e"), &turning, &setting()).unwrap_err();
    assert_eq!(found[0].to_string(), "/e/bannedsitelist:1: `/e/bannedsitelist` includes itself");
}

#[test]
fn hosts_and_adblock_lists_become_a_list_and_a_rule() {
    let hosts = "127.0.0.1 localhost\n0.0.0.0 Ads.test # x\n::1 ip6-localhost v6.test\n192.168.1.2 nas.test\nx\n";
    let files = Files::default().with("/h", hosts);
    let converted = convert(From::Hosts, Path::new("/h"), &files, &setting()).unwrap();
    assert_eq!(lines(&converted), ["hosts: lists/hosts.txt deny"]);
    assert_eq!(converted.draft.lists[0].bytes, b"=ads.test\n=v6.test\n");
    let report = &converted.draft.report;
    assert_eq!([Kind::RealAddress, Kind::Entry].map(|kind| report.of(kind)), [1, 1]);
    let clean = Files::default().with("/h", "0.0.0.0 ads.test\n");
    assert!(is_lossless(
        &convert(From::Hosts, Path::new("/h"), &clean, &setting()).unwrap().draft.report
    ));

    let files = Files::default().with("/a", "||ads.test^\n@@||ok.ads.test^\n/x/\n");
    let converted = convert(From::Adblock, Path::new("/a"), &files, &setting()).unwrap();
    assert_eq!(
        lines(&converted),
        ["adblock: lists/adblock.txt -lists/adblock-exceptions.txt deny"]
    );
    assert_eq!(converted.draft.report.losses(), 1);
}

#[test]
fn a_folder_is_written_whole_or_not_at_all_and_passes_the_check() {
    let acl = "a within work {\n pass !bad none\n}\ndefault {\n pass good !in-addr !bad any\n redirect \
               http://x/\n}";
    let text = format!("{HEAD}acl {{\n{acl}\n}}\n");
    let converted = squidguard(&text, lists().with("/db/bad/domains", "bad.test\nworse.test\n"));
    let root = tempfile::tempdir().unwrap();
    let out = root.path().join("new/policy");
    write(&converted, &out, Format::Text).unwrap();
    let found = check(std::slice::from_ref(&out), &[]).unwrap();
    let drawn: Vec<_> =
        found.diagnostics.iter().map(eg_policy::diagnostic::Diagnostic::render).collect();
    assert!(drawn.is_empty(), "{}", drawn.join("\n"));
    assert_eq!((found.files, found.rules, found.lists.len()), (1, 14, 2));
    assert!(fs::read_to_string(out.join("LOSSES.md")).unwrap().contains("## canonical-request: 1"));
    assert!(matches!(write(&converted, &out, Format::Text), Err(WriteFault::NotEmpty(_))));
    let file = root.path().join("file");
    fs::write(&file, "x").unwrap();
    assert!(matches!(write(&converted, &file, Format::Text), Err(WriteFault::NotEmpty(_))));
    let empty = root.path().join("empty");
    fs::create_dir(&empty).unwrap();
    write(&converted, &empty, Format::Json).unwrap();
    let json: serde_json::Value =
        serde_json::from_slice(&fs::read(empty.join("LOSSES.json")).unwrap()).unwrap();
    assert_eq!(json["losses"], converted.draft.report.losses());
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 3);
}

#[test]
fn names_that_make_the_same_word_have_a_list_each() {
    let text = "dbhome /db\ndest a.b {\n domainlist good/domains\n}\ndest a_b {\n domainlist bad/domains\n}\n\
        acl {\n default {\n pass a.b !a_b none\n redirect http://x/\n }\n}\n";
    let converted = squidguard(text, lists());
    let paths: Vec<_> = converted.draft.lists.iter().map(|list| list.path.as_str()).collect();
    assert_eq!(paths, ["lists/a_b/domains", "lists/a_b-2/domains"]);
}

#[test]
fn a_user_with_a_comma_stays_one() {
    let text = "dbhome /db\nsrc a {\n userlist who\n}\nacl {\n a { pass none }\n default {\n pass any\n \
        redirect http://x/\n }\n}\n";
    let files = Files::default().with("/db/who", "x,y:z:1\n");
    let converted = squidguard(text, files);
    assert_eq!(lines(&converted)[0], "a-rest: @lists/users/a.txt * deny");
    assert_eq!(converted.draft.lists[0].bytes, b"x,y\n");
}

#[test]
fn what_is_important_is_spared_by_important_exceptions_alone() {
    let files = Files::default().with("/a", "||a.test^$important\n||b.test^\n@@||a.test^\n");
    let converted = convert(From::Adblock, Path::new("/a"), &files, &setting()).unwrap();
    assert_eq!(
        lines(&converted),
        [
            "adblock-important: lists/adblock-important.txt deny",
            "adblock: lists/adblock.txt -lists/adblock-exceptions.txt deny",
        ]
    );
}

#[test]
fn a_quote_that_is_not_closed_is_a_fault() {
    let text = "acl {\n default {\n pass any\n }\n}\ndbhome \"/db\ndest a {\n domainlist x\n}\n";
    assert!(
        faults(From::SquidGuard, text).iter().any(|fault| fault.starts_with("/c/conf:6: a `\"`"))
    );
}

#[test]
fn nothing_that_lies_beside_is_written_into() {
    let hosts = Files::default().with("/h", "0.0.0.0 ads.test\n");
    let converted = convert(From::Hosts, Path::new("/h"), &hosts, &setting()).unwrap();
    let root = tempfile::tempdir().unwrap();
    let out = root.path().join("out");
    let (theirs, ours) = (root.path().join("theirs"), std::process::id());
    fs::create_dir(&theirs).unwrap();
    let planted = root.path().join(format!("out.{ours}.new"));
    std::os::unix::fs::symlink(&theirs, &planted).unwrap();
    assert!(matches!(write(&converted, &out, Format::Text), Err(WriteFault::Write { .. })));
    assert_eq!(fs::read_dir(&theirs).unwrap().count(), 0);
    assert!(matches!(
        write(&converted, Path::new(".."), Format::Text),
        Err(WriteFault::NotEmpty(_) | WriteFault::NoName(_))
    ));
}
