//! Files of cases: what passes, what fails and how it is told, and what is refused.

use std::fs;

use super::*;
use crate::forms;

const POLICY: &str = "permit-staff: {\n match-domain: games.example\n match-source: 192.0.2.0/24\n action: permit\n}\n\
    deny-games: {\n match-domain-list: games.txt\n action: deny\n description: no games\n}\n\
    deny-hidden: {\n match-sni: hidden.example\n tls: terminate\n}\n";

/// The result of a file of cases over a small policy, or the fault as text.
fn run(cases: &str) -> Result<Tested, String> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("10-a.policy"), POLICY).unwrap();
    fs::write(folder.path().join("games.txt"), "# lessons\ngames.example\n").unwrap();
    let path = folder.path().join("cases.toml");
    fs::write(&path, format!("policy = [\"10-a.policy\"]\n{cases}")).unwrap();
    let now = Moment::from_unix_micros(0);
    test(&path, &PolicyPlace::default(), now).map_err(|fault| {
        let root = folder.path().display().to_string();
        fault.to_string().replace(&format!("{root}/"), "")
    })
}

#[test]
fn cases_that_pass() {
    let tested = run(r#"
[[case]]
name = "games"
request = { url = "http://www.games.example/x", source = "10.0.0.5" }
time = 2026-11-27T08:00:00+01:00
expect = { action = "block", rule = "deny-games", list = "games.txt" }

[[case]]
name = "the staff room"
request = { url = "http://games.example/", source = "192.0.2.7", user = "eve", method = "POST" }
time = "2026-11-27T08:00:00Z"
expect = { rule = "permit-staff" }

[[case]]
name = "hidden"
expect = { tls = "terminate", rule = "deny-hidden" }
[case.request]
url = "a.example:443"
sni = "hidden.example"
inspect = "peek"

[[case]]
name = "the rest"
request = { url = "http://other.example/" }
expect = { action = "permit", rule = "default-permit" }
"#)
    .unwrap();
    let names: Vec<_> = tested.cases.iter().map(|case| (case.name.as_str(), case.line)).collect();
    assert_eq!(names, [("games", 3), ("the staff room", 9), ("hidden", 15), ("the rest", 23)]);
    assert_eq!(tested.failures(), 0, "{tested:#?}");
    let mut text = Vec::new();
    forms::cases(&mut text, &tested).unwrap();
    assert_eq!(String::from_utf8(text).unwrap(), "4 cases, 4 passed, 0 failed\n");
}

#[test]
fn a_case_that_fails_says_what_differs_and_why() {
    let tested = run(r#"
[[case]]
name = "staff <&> \"games\""
request = { url = "http://games.example/", source = "198.51.100.1" }
expect = { action = "permit", rule = "permit-staff" }
[[case]]
name = "fine"
request = { url = "http://other.example/" }
expect = { action = "permit" }
"#)
    .unwrap();
    assert_eq!(tested.failures(), 1);
    let mut text = Vec::new();
    forms::cases(&mut text, &tested).unwrap();
    let text = String::from_utf8(text).unwrap();
    for part in [
        "cases.toml:3 staff <&> \"games\"\n",
        "  - action: permit\n  + action: deny\n  - rule: permit-staff\n  + rule: deny-games\n",
        "games.txt:2 has `games.example` (host)",
        "match-source asks for 192.0.2.0/24; this is 198.51.100.1",
        "2 cases, 1 passed, 1 failed\n",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(!text.contains("fine"), "{text}");
    let mut xml = Vec::new();
    forms::junit(&mut xml, &tested).unwrap();
    let xml = String::from_utf8(xml).unwrap();
    for part in [
        "<testsuites name=\"egpolicy\" tests=\"2\" failures=\"1\" errors=\"0\">",
        "name=\"staff &lt;&amp;&gt; &quot;games&quot;\"",
        "<failure message=\"action: expected permit, found deny; rule: expected permit-staff, found deny-games\">",
        "name=\"fine\" ",
    ] {
        assert!(xml.contains(part), "{part}\n{xml}");
    }
    assert_eq!(xml.matches("<testcase ").count(), 2);
    assert_eq!(xml.matches("</testcase>").count(), 1);
}

#[test]
fn what_would_test_nothing_is_refused() {
    let case = |request: &str, expect: &str| {
        format!("[[case]]\nname = \"a\"\nrequest = {{ {request} }}\nexpect = {{ {expect} }}\n")
    };
    let url = "url = \"http://a.test/\"";
    let check = |cases: &str, parts: &[&str]| {
        let fault = run(cases).unwrap_err();
        for part in parts {
            assert!(fault.contains(part), "{part}\n{fault}");
        }
    };
    check("", &["`cases.toml` has no case"]);
    check(&case(url, ""), &["cases.toml:2: the case `a` expects nothing"]);
    check(&case(url, "action = \"dney\""), &["line 5", "dney"]);
    check(&case(url, "acton = \"deny\""), &["line 5", "acton"]);
    check(&case(&format!("{url}, scr = \"10.0.0.1\""), "action = \"deny\""), &["line 4", "scr"]);
    check(&case("source = \"10.0.0.1\"", "action = \"deny\""), &["line 4", "url"]);
    check(&case(&format!("{url}, source = \"10.0.0\""), "action = \"deny\""), &["line 4"]);
    check(&case("url = \"a.test/x\"", "action = \"deny\""), &["cases.toml:2", "no scheme"]);
    check(&format!("{}colour = 1\n", case(url, "action = \"deny\"")), &["line 6", "colour"]);
    let twice = case(url, "action = \"permit\"").repeat(2);
    check(&twice, &["cases.toml:6: the case `a` has the name of the one in line 2"]);
    let timed = case(url, "action = \"deny\"") + "time = \"tomorrow\"\n";
    check(&timed, &["cases.toml:2: the case `a` has a time that is not RFC 3339"]);
    let timed = case(url, "action = \"deny\"") + "time = 2026-11-27\n";
    check(&timed, &["RFC 3339"]);
    check("[[case]\n", &["line 2"]);
}

#[test]
fn a_shared_file_that_does_not_count_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("own/10-a.policy", "a: {\n match-domain: a.test\n}\n");
    write("shared/50-b.policy", "b: {\n match-domain: b.test\n enabled: perhaps\n}\n");
    write(
        "cases.toml",
        "policy = [\"own\"]\nshared = [\"shared\"]\n[[case]]\nname = \"b\"\n\
         request = { url = \"http://b.test/\" }\nexpect = { rule = \"default-permit\" }\n",
    );
    let now = Moment::from_unix_micros(0);
    let tested = test(&folder.path().join("cases.toml"), &PolicyPlace::default(), now).unwrap();
    let mut text = Vec::new();
    forms::cases(&mut text, &tested).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(text.starts_with("beware: the file `") && text.contains("50-b.policy"), "{text}");
}

#[test]
fn a_disabled_rule_that_would_match_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("10-a.policy");
    let text = "a: {\n match-domain: x.test\n enabled: false\n}\nb: {\n match-domain: y.test\n enabled: false\n}\n";
    fs::write(&path, text).unwrap();
    let policy = Policy::read(&[path], &[]).unwrap();
    let spec = RequestSpec { url: "http://www.x.test/".into(), ..RequestSpec::default() };
    let now = Moment::from_unix_micros(0);
    let told = super::super::explain(&policy, Action::Permit, &spec, (now, &Zone::utc())).unwrap();
    let names: Vec<_> = told.disabled.iter().map(|rule| (&*rule.name, rule.line)).collect();
    assert_eq!((names, told.verdict.rule.as_str()), (vec![("a", 1)], "default-permit"));
    let mut text = Vec::new();
    let told = super::super::wire::explained(&told);
    forms::explanation(&mut text, &spec, &told, forms::Detail::Near).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("Disabled rules that would match:\n      -  deny   a"), "{text}");
}

#[test]
fn cases_have_a_time_a_user_and_a_method() {
    let folder = tempfile::tempdir().unwrap();
    let policy = "hours: {\n match-domain: a.test\n time-window: mon-fri 08:00-17:00\n}\n\
                  ada: {\n match-user: ada\n match-method: POST\n}\n";
    fs::write(folder.path().join("10-a.policy"), policy).unwrap();
    let path = folder.path().join("cases.toml");
    let case = |name: &str, request: &str, time: &str, rule: &str| {
        format!(
            "[[case]]\nname = \"{name}\"\nrequest = {{ {request} }}\ntime = {time}\n\
             expect = {{ rule = \"{rule}\" }}\n"
        )
    };
    let (url, other) = ("url = \"http://a.test/\"", "url = \"http://b.test/\"");
    let (friday, early) = ("2026-11-27T07:30:00Z", "2026-11-27T06:30:00Z");
    let ada = format!("{other}, user = \"ada\", method = \"POST\"");
    let got = format!("{other}, user = \"ada\"");
    let cases = [
        "policy = [\"10-a.policy\"]\ntime_window_tz = \"Europe/Zurich\"\n".to_owned(),
        case("open", url, early, "default-permit"),
        case("closed", url, friday, "hours"),
        case("ada posts", &ada, friday, "ada"),
        case("ada looks", &got, friday, "default-permit"),
    ];
    fs::write(&path, cases.concat()).unwrap();
    let now = Moment::from_unix_micros(0);
    let tested = test(&path, &PolicyPlace::default(), now).unwrap();
    assert_eq!((tested.cases.len(), tested.failures()), (4, 0), "{tested:#?}");
    // What the command line says counts before the file.
    let place = PolicyPlace { zone: Some(Zone::utc()), ..PolicyPlace::default() };
    let tested = test(&path, &place, now).unwrap();
    let failed = tested.cases.iter().filter(|case| !case.differences.is_empty());
    assert_eq!(failed.map(|case| &*case.name).collect::<Vec<_>>(), ["closed"]);
    fs::write(&path, cases.concat().replace("Europe/Zurich", "Mars")).unwrap();
    let fault = test(&path, &PolicyPlace::default(), now).unwrap_err().to_string();
    assert!(fault.contains("`Mars` is no zone"), "{fault}");
}
