//! `egpolicy check` and `compile --dry-run`: what a reload would say of these files, touching nothing.

use std::collections::HashMap;
use std::error::Error;
use std::path::{Path, PathBuf};

use eg_policy::check::{
    HasUrls, ListContents, ListKind, ListUse, Trust, check_with_lists, list_remarks,
};
use eg_policy::diagnostic::{Diagnostic, Severity};
use eg_policy::lists::{ListPart, ListReport, NameList, read_addresses, read_list, read_raw};
use eg_policy::regex::ShardFault;
use eg_policy::sources::{SourceFault, SourceFile, policy_files, source_file};
use eg_policy::users::read_users;

use super::disk::Disk;
use super::regexes::{RegexSummary, regexes};

/// What was found.
#[derive(Debug)]
pub struct Checked {
    /// Every fault, in the order of files.
    pub diagnostics: Vec<Diagnostic>,
    /// How many files were read.
    pub files: usize,
    /// How many rules the policy has.
    pub rules: usize,
    /// How many lists rules name.
    pub list_count: usize,
    /// The files of these lists.
    pub lists: Vec<ListSummary>,
    /// The regexes; none are looked at where there are errors.
    pub regexes: RegexSummary,
}

/// Why nothing can be said of a policy.
#[derive(Debug, thiserror::Error)]
pub enum CheckFault {
    /// A folder cannot be read.
    #[error(transparent)]
    Source(#[from] SourceFault),
    /// A regex that no scanner takes.
    #[error("the regexes of the policy cannot be compiled")]
    Regex(#[source] ShardFault),
}

/// One file of a list and what became of its lines.
#[derive(Debug)]
pub struct ListSummary {
    /// Its path.
    pub path: String,
    /// What became of its lines.
    pub report: ListReport,
    /// Names that are covered by another name of the list.
    pub covered: u64,
}

impl Checked {
    /// How many faults of this severity there are.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        self.diagnostics.iter().filter(|fault| fault.severity == severity).count()
    }
}

/// Checks the operator's files or folders, then the shared ones, as an engine would load them.
///
/// # Errors
///
/// [`CheckFault`] where a folder cannot be read, or no scanner takes a regex.
pub fn check(own: &[PathBuf], shared: &[PathBuf]) -> Result<Checked, CheckFault> {
    let mut files = sources(own, Trust::Operator)?;
    files.append(&mut sources(shared, Trust::Shared)?);
    let mut reports = HashMap::new();
    let (policy, mut diagnostics) = check_with_lists(&files, |list| {
        let (contents, found) = read(list)?;
        reports.insert((list.path.clone(), list.kind), found);
        Ok(contents)
    });
    let mut lists = Vec::new();
    for list in &policy.lists {
        let Some(found) = reports.remove(&(list.path.clone(), list.kind)) else { continue };
        let file = files.iter().find(|(file, _)| file.path == list.mention.file);
        let text = file.map_or("", |(file, _)| file.text.as_str());
        for (report, covered) in found {
            diagnostics.append(&mut list_remarks(list, text, &report));
            lists.push(ListSummary { path: report.part.path(&list.path), report, covered });
        }
    }
    let rules = policy.rules.len();
    let list_count = policy.lists.iter().filter(|list| list.kind.is_whole()).count();
    let has_error = diagnostics.iter().any(|fault| fault.severity == Severity::Error);
    let regexes = match has_error {
        true => RegexSummary::default(),
        false => regexes(policy).map_err(CheckFault::Regex)?,
    };
    Ok(Checked { diagnostics, files: files.len(), rules, list_count, lists, regexes })
}

/// The policy files that paths name: a folder's, or a file itself.
fn sources(paths: &[PathBuf], trust: Trust) -> Result<Vec<(SourceFile, Trust)>, SourceFault> {
    let mut found = Vec::new();
    for path in paths {
        if path.is_file() {
            found.push(source_file(&Disk, path));
        } else {
            found.append(&mut policy_files(&Disk, path)?);
        }
    }
    Ok(found.into_iter().map(|file| (file, trust)).collect())
}

/// The files of a list, each with how many of its names another one covers.
type Reports = Vec<(ListReport, u64)>;

/// Reads a list; a fault is a sentence with its causes.
fn read(list: &ListUse) -> Result<(ListContents, Reports), String> {
    let raw = read_raw(&Disk, Path::new(&list.path)).map_err(|fault| chain(&fault))?;
    let mut contents = ListContents::default();
    let whole = |what: &str| match raw.parts() {
        [(ListPart::Whole, bytes)] => Ok(bytes.as_slice()),
        _ => Err(format!("a list of {what} is a file, and this is a folder")),
    };
    let reports = match list.kind {
        ListKind::Addresses => {
            let read = read_addresses(whole("addresses")?).map_err(|fault| chain(&fault))?;
            vec![(read.1, 0)]
        }
        ListKind::Users => {
            let read = read_users(whole("users")?).map_err(|fault| chain(&fault))?;
            vec![(read.1, 0)]
        }
        ListKind::Domains | ListKind::Urls | ListKind::Expressions => {
            let read = read_list(&raw, list.format).map_err(|fault| chain(&fault))?;
            let (sets, reports) = read;
            if !sets.urls.is_empty() {
                contents.urls = HasUrls::Present;
            }
            contents.expressions = sets.expressions.patterns().to_vec();
            reports.into_iter().map(|report| with_covered(report, &sets.names)).collect()
        }
    };
    Ok((contents, reports))
}

/// A report, and how many names are covered, where it is of the file that has the names.
fn with_covered(report: ListReport, names: &NameList) -> (ListReport, u64) {
    let covered = match report.part {
        ListPart::Whole | ListPart::Domains => names.covered(),
        ListPart::Urls | ListPart::Expressions => 0,
    };
    (report, covered)
}

/// A fault with its causes.
fn chain(fault: &dyn Error) -> String {
    let mut text = fault.to_string();
    let mut cause = fault.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::fs;

    use eg_policy::regex::LoweredCounts;

    use super::*;

    #[test]
    fn the_shipped_recipes_have_no_fault() {
        let folder = eg_settings::in_tree("rules.d").unwrap();
        let checked = check(&[folder], &[]).unwrap();
        let drawn: Vec<String> = checked.diagnostics.iter().map(Diagnostic::render).collect();
        assert!(drawn.is_empty(), "{}", drawn.join("\n\n"));
        assert_eq!((checked.files, checked.lists.len()), (3, 1));
        assert!(checked.rules >= 5);
    }

    #[test]
    fn lists_are_read_and_their_lines_reported() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("lists")).unwrap();
        fs::write(root.path().join("lists/a.txt"), "a.test\nhttp://b.test/\ncom\n").unwrap();
        let policy =
            "a: {\n match-domain-list: lists/a.txt\n}\nb: {\n match-domain-list: gone.txt\n}\n";
        fs::write(root.path().join("10-a.policy"), policy).unwrap();
        let found = check(&[root.path().to_path_buf()], &[]).unwrap();
        let codes: Vec<_> = found.diagnostics.iter().map(|fault| fault.code.id()).collect();
        assert_eq!(codes, ["EGP036", "EGP040", "EGP041"]);
        assert_eq!((found.count(Severity::Error), found.lists[0].report.accepted), (1, 1));
        let shared = check(&[], &[root.path().to_path_buf()]).unwrap();
        assert_eq!((shared.count(Severity::Error), shared.rules), (0, 0));
        assert!(check(&[root.path().join("nowhere")], &[]).is_err());
    }

    #[test]
    fn regexes_with_the_slower_scanner_are_named() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("10-a.policy");
        // It can never match, since no boundary of a word is there; Hyperscan refuses such.
        let hard = r"ads\b[0-9]+x";
        let policy = format!(
            "easy: {{\n match-uri-regex: /ads[0-9]+\n}}\nhard: {{\n match-uri-regex: {hard}\n}}\n"
        );
        fs::write(&file, &policy).unwrap();
        let found = check(std::slice::from_ref(&file), &[]).unwrap();
        assert_eq!((found.regexes.patterns, found.regexes.scanned), (2, 1));
        let [slower] = &found.regexes.fallback[..] else { panic!("{:?}", found.regexes) };
        assert_eq!((slower.line, slower.rule.as_str()), (4, "hard"));
        assert_eq!((slower.attribute, slower.pattern.as_str()), ("match-uri-regex", hard));
        // What is looked up is counted by what it is; every pattern is in one place.
        let name = r"(^|\.)a\.example$";
        let lowered = format!(
            "name: {{\n match-sni-regex: {name}\n match-sni-regex: ^a\\.b$\n \
             match-uri-regex: /plain/\n match-uri-regex: \\.exe$\n}}\n\
             host: {{\n match-uri-regex: ^https?://([^/]+\\.)?ads\\.example/\n}}\n"
        );
        fs::write(&file, format!("{policy}{lowered}")).unwrap();
        let RegexSummary { patterns, lowered, literals, scanned, fallback } =
            check(std::slice::from_ref(&file), &[]).unwrap().regexes;
        let LoweredCounts { domains, exact_hosts, uri_hosts, literals: anchored } = lowered;
        assert_eq!((domains, exact_hosts, uri_hosts, anchored), (1, 1, 1, 1));
        assert_eq!((scanned, literals, fallback.len(), patterns), (2, 1, 1, 7));
        // Where there are errors nothing is compiled.
        fs::write(&file, policy + "c: {\n match-uri-regex: (\n}\n").unwrap();
        assert_eq!(check(&[file], &[]).unwrap().regexes.patterns, 0);
    }
}
