//! `egpolicy fmt` changes how a policy looks and never what it decides.

use eg_policy::check::{Trust, check};
use eg_policy::compile::{CompiledList, compile};
use eg_policy::diagnostic::Severity;
use eg_policy::digest::Digest;
use eg_policy::sources::SourceFile;
use eg_policy::syntax::{parse, print};
use eg_policy::verdict::Action;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree as _;

/// The digest of all that a verdict depends on, and how many rules there are; nothing where there is an
/// error.
fn digest(text: &str) -> Option<(Digest, usize)> {
    let (policy, faults) = check(&[(SourceFile::new("/r/t.policy", text), Trust::Operator)]);
    if faults.iter().any(|fault| fault.severity == Severity::Error) {
        return None;
    }
    let rules = policy.rules.len();
    let lists = policy.lists.iter().map(|list| CompiledList {
        path: list.path.clone(),
        kind: list.kind,
        source: Digest::of(list.path.as_bytes()),
        set: Digest::of(list.path.as_bytes()),
        entries: 0,
    });
    let lists = lists.collect();
    Some((compile(policy, Action::Permit, lists).digest(), rules))
}

fn formatted(text: &str) -> String {
    print(&parse("/r/t.policy", text).0)
}

/// Formats twice and compares.
fn keeps(text: &str) -> Result<usize, TestCaseError> {
    let once = formatted(text);
    prop_assert_eq!(&formatted(&once), &once, "fmt is not stable for\n{}", text);
    // A file with a fault is left alone.
    let Some((before, rules)) = digest(text) else { return Ok(0) };
    let after = digest(&once);
    prop_assert_eq!(after, Some((before, rules)), "printed as\n{}\nfrom\n{}", once, text);
    Ok(rules)
}

/// An attribute and a value, as it may be written: bare, quoted, in a list, over several lines, with
/// comments.
fn attribute() -> impl Strategy<Value = String> {
    let pairs = [
        ("match-domain", "a.example, =b.example"),
        ("match-domain", "*.C.Example"),
        ("match-domain", "b\u{fc}cher.example"),
        ("match-domain-list", "lists/a # b.txt"),
        ("match-uri", "https://a.example/p,q/[x]?a={b}"),
        ("match-uri", "a.example//x/../y#"),
        ("match-uri-regex", r"^https?://[^/]*\.example/a{2,3}(,|\})$"),
        ("match-uri-regex", r#"say "hi" \\ /* no comment */"#),
        ("match-sni", "x.example"),
        ("match-source", "10.0.0.0/8, 2001:db8::1"),
        ("match-destination", "private, loopback"),
        ("match-anomaly", "no-sni, ip-literal"),
        ("match-user-agent", "Mozilla/5.0 (X11; Linux), like"),
        ("match-user-agent", " two  spaces "),
        ("description", "why: # not a comment? // nor this"),
        ("description", "}"),
        ("description", "[a, b]"),
        ("description", "tab\tand \u{e9} \u{1f600}"),
        ("category", "games"),
        ("application", "https"),
        ("action", "accept"),
        ("action", "block"),
        ("action", "no-such-word"),
        ("tls", "bump"),
        ("enabled", "false"),
        ("allow-broad", "true"),
    ];
    let comment = || select(vec!["", " # c", " // c } ]", " /* c */"]);
    let shape = (0..4_u8, comment(), comment(), select(vec!["", ",", " ,"]));
    (select(pairs.to_vec()), shape).prop_map(|((key, value), (form, one, two, comma))| {
        let quoted = serde_json::to_string(value).unwrap_or_default();
        match form {
            0 => format!("  {key} : {value}{one}\n"),
            1 => format!("\"{key}\":{quoted}{comma}{one}\n"),
            2 => format!("{one}\n{key}: [{two}\n  {quoted}{comma}{one}\n]{two}\n"),
            _ => format!("\n\n{key}:\t{quoted}{two}\n"),
        }
    })
}

fn policy() -> impl Strategy<Value = String> {
    let block = (vec(attribute(), 0..5), select(vec!["", "# above\n", "\n/* one\n two */\n\n"]));
    vec(block, 0..6).prop_map(|blocks| {
        let blocks = blocks.into_iter().enumerate().map(|(number, (attributes, above))| {
            let attributes = attributes.concat();
            format!("{above}rule-{number}: {{\nmatch-domain: always.example\n{attributes}}}\n")
        });
        blocks.collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 3_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_random_policy_keeps_its_digest(text in policy()) {
        keeps(&text)?;
    }
}

#[test]
fn random_policies_are_mostly_sound() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let sound = (0..300).filter(|_| {
        let text = policy().new_tree(&mut runner).unwrap().current();
        digest(&text).is_some_and(|(_, rules)| rules > 0)
    });
    assert!(sound.count() > 60);
}

/// Every policy of the tree.
#[test]
fn the_policies_of_the_tree_keep_their_digests() {
    let own = std::env::var_os("CARGO_MANIFEST_DIR").unwrap();
    let root = std::path::Path::new(&own).join("../..");
    let mut folders =
        vec![root.join("rules.d"), root.join("tests/data"), root.join("fuzz/seeds/policy")];
    let (mut files, mut rules) = (0, 0);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let is_seed = path.parent().is_some_and(|folder| folder.ends_with("policy"));
            if path.is_dir() {
                folders.push(path);
            } else if is_seed || path.extension().is_some_and(|end| end == "policy") {
                files += 1;
                rules += keeps(&std::fs::read_to_string(path).unwrap()).unwrap();
            }
        }
    }
    assert!(files >= 6 && rules > 30, "{files} files, {rules} rules");
}
