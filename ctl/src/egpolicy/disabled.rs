//! The rules with `enabled: false`, as if they took part, so that a person sees what they would do.

use std::collections::HashSet;

use eg_policy::check::Trust;
use eg_policy::sources::SourceFile;
use eg_policy::syntax::parse;

/// A policy with its disabled rules switched on.
#[derive(Debug)]
pub(super) struct SwitchedOn {
    /// The files.
    pub(super) files: Vec<(SourceFile, Trust)>,
    /// The names of the rules that are disabled in truth.
    pub(super) names: HashSet<String>,
}

/// The files with every disabled rule switched on, nothing where there is none. Places stay as they are.
pub(super) fn switched_on(files: &[(SourceFile, Trust)]) -> Option<SwitchedOn> {
    let mut names = HashSet::new();
    let files: Vec<_> = files
        .iter()
        .map(|(file, trust)| {
            let mut text = file.text.clone();
            // A file without the word has no such rule, and most have none.
            if text.contains("enabled") {
                let (ast, _) = parse(&file.path, &file.text);
                for block in ast.blocks() {
                    let off = block.attributes().find(|own| own.key.text == "enabled");
                    let off = off.and_then(|own| own.value.words().next());
                    let Some(word) = off.filter(|word| word.text == "false") else { continue };
                    let written = text.get(word.span.range()).unwrap_or_default();
                    // As long as before, so that every line and column stays.
                    let on = match written {
                        "false" => "true ",
                        "\"false\"" => "\"true\" ",
                        _ => continue,
                    };
                    text.replace_range(word.span.range(), on);
                    names.insert(block.name.text.clone());
                }
            }
            (SourceFile { text, ..file.clone() }, *trust)
        })
        .collect();
    (!names.is_empty()).then_some(SwitchedOn { files, names })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disabled_rule_is_switched_on_in_its_place() {
        let text = "a: {\n match-domain: a.test\n enabled: false # why\n}\n\
                    b: {\n match-domain: b.test\n enabled: true\n}\n\
                    {\"c\": {\"enabled\": \"false\", \"match-domain\": \"c.test\"}}\n";
        let files = [(SourceFile::new("t.policy", text), Trust::Operator)];
        let SwitchedOn { files: on, names } = switched_on(&files).unwrap();
        assert_eq!(names, HashSet::from(["a".to_owned(), "c".to_owned()]));
        assert_eq!(on[0].0.text.len(), text.len());
        let (policy, faults) = eg_policy::check::check(&on);
        assert!(faults.is_empty(), "{faults:?}");
        let lines: Vec<_> = policy.rules.iter().map(|rule| (&*rule.name, rule.line)).collect();
        assert_eq!(lines, [("a", 1), ("b", 5), ("c", 9)]);
        let plain = [(SourceFile::new("t.policy", "b: {\n match-domain: b\n}\n"), Trust::Operator)];
        assert!(switched_on(&plain).is_none());
    }
}
