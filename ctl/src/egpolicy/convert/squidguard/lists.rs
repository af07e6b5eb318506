//! The lists of a `dest`: read as squidGuard reads them, written as lists and patterns of ours.
//!
//! squidGuard takes the first word of a line, drops a `+` or `-` before it, and compares in lower case.
//! What it can never match, what it matches by accident and what a list of ours leaves out is reported
//! with the line of the old file.

use std::collections::HashSet;

use eg_policy::regex::{Field, RegexPattern};
use eg_policy::uri::UriPrefix;

use super::super::draft::{DraftList, ListForm, What};
use super::super::ere::patterns;
use super::super::names::{Names, numbered};
use super::super::report::{Kind, Place};
use super::conf::{Dest, Dialect, Word};
use super::sources::Collector;

/// A destination as rules can ask for it.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) whats: Vec<What>,
}

impl Collector<'_> {
    pub(super) fn dest(&mut self, dest: &Dest, dialect: Dialect) -> Asked {
        let folder = format!("lists/{}", self.dest_words.free_word(&dest.name.text));
        let mut lists = Vec::new();
        if let Some(domains) = self.domains(&dest.domains) {
            let path = format!("{folder}/domains");
            self.lists.push(DraftList { path: path.clone(), bytes: domains });
            lists.push((path, ListForm::Plain));
        }
        let mut files = dest.urls.clone();
        if dialect == Dialect::UfdbGuard {
            // `ufdbGenTable` puts the `urls` beside the `domains` into the same table.
            files.extend(dest.domains.iter().filter_map(|word| self.urls_beside(word)));
        }
        if let Some(urls) = self.urls(&files) {
            let path = format!("{folder}/urls");
            self.lists.push(DraftList { path: path.clone(), bytes: urls });
            lists.push((path, ListForm::Urls));
        }
        let expressions = self.expressions(&dest.expressions);
        let mut asked = Asked::default();
        if !lists.is_empty() {
            asked.whats.push(What::Lists(lists));
        }
        if !expressions.is_empty() {
            asked.whats.push(What::Expressions(expressions.into()));
        }
        for foreign in &dest.foreign {
            self.report.add(Kind::Unsupported, &self.place(foreign.line), foreign.text.clone());
        }
        for option in &dest.options {
            self.report.add(Kind::Security, &self.place(option.line), option.text.clone());
        }
        for log in &dest.logs {
            self.report.add(Kind::Log, &self.place(log.line), log.text.clone());
        }
        asked
    }

    /// The `urls` beside a list of names, where there is one; one that cannot be read is a fault later.
    fn urls_beside(&self, word: &Word) -> Option<Word> {
        let path = self.home.join(&word.text).with_file_name("urls");
        let is_there = match path.parent().map(|folder| self.input.folder(folder)) {
            Some(Ok(names)) => names.iter().any(|name| name == "urls"),
            Some(Err(_)) | None => self.input.read(&path).is_ok(),
        };
        is_there.then(|| Word { text: path.display().to_string(), line: word.line })
    }

    fn domains(&mut self, files: &[Word]) -> Option<Vec<u8>> {
        let mut list = Names::default();
        let mut names: HashSet<String> = HashSet::new();
        let mut first = None;
        for file in files {
            let Some((path, text)) = self.text_of(file) else { continue };
            first = first.or_else(|| Some(Place::new(&path, 0)));
            for (number, line) in numbered(&text) {
                let Some((entry, redirect)) = entry_of(line) else { continue };
                let entry = entry.to_ascii_lowercase();
                let place = Place::new(&path, number);
                if redirect {
                    self.report.add(Kind::EntryRedirect, &place, line.trim());
                }
                if entry.starts_with(['.', '*', '=']) {
                    self.report.add(Kind::EntryNever, &place, entry.as_str());
                }
                list.add(&entry, &place);
                names.insert(entry);
            }
        }
        if let Some(first) = first {
            self.gaps(&names, &first);
        }
        list.finish(ListForm::Plain, self.report)
    }

    /// Entries below others: squidGuard looks at one neighbour alone and so loses some names.
    fn gaps(&mut self, names: &HashSet<String>, first: &Place) {
        let below = |name: &String| {
            let mut rest = name.as_str();
            while let Some((_, parent)) = rest.split_once('.') {
                if names.contains(parent) {
                    return true;
                }
                rest = parent;
            }
            false
        };
        let count = names.iter().filter(|name| below(name)).count();
        if count > 0 {
            self.report.add(Kind::ListGaps, first, format!("{count} entries lie below others"));
        }
    }

    fn urls(&mut self, files: &[Word]) -> Option<Vec<u8>> {
        let mut list = Names::default();
        for file in files {
            let Some((path, text)) = self.text_of(file) else { continue };
            let (mut entries, mut cased, mut bare) = (0_u64, 0_u64, 0_u64);
            for (number, line) in numbered(&text) {
                let Some((entry, redirect)) = entry_of(line) else { continue };
                let place = Place::new(&path, number);
                if redirect {
                    self.report.add(Kind::EntryRedirect, &place, line.trim());
                }
                if entry.contains("://") {
                    self.report.add(Kind::EntryNever, &place, entry.as_str());
                }
                let url = match stripped(&entry) {
                    Some(url) if UriPrefix::parse(&url).is_ok() => url,
                    Some(_) | None => {
                        self.report.add(Kind::Entry, &place, entry);
                        continue;
                    }
                };
                let (host, rest) = url.split_once('/').unwrap_or((&url, ""));
                let host = host.to_ascii_lowercase();
                entries += 1;
                cased += u64::from(rest.contains(|c: char| c.is_ascii_alphabetic()));
                bare += u64::from(!url.contains('/'));
                let lower = rest.to_ascii_lowercase();
                let rests = [Some(rest), (lower != rest).then_some(lower.as_str())];
                let www = with_www(&host);
                for host in [Some(&host), www.as_ref()].into_iter().flatten() {
                    for rest in rests.into_iter().flatten() {
                        list.add(&format!("{host}/{rest}"), &place);
                    }
                }
            }
            if entries > 0 {
                let place = Place::new(&path, 0);
                self.report.add(Kind::UrlHost, &place, format!("{entries} entries"));
                self.report.add(
                    Kind::UrlText,
                    &place,
                    format!("{bare} of {entries} entries have no path"),
                );
                if cased > 0 {
                    let what = format!("{cased} of {entries} entries have letters in their paths");
                    self.report.add(Kind::UrlCase, &place, what);
                }
            }
        }
        list.finish(ListForm::Urls, self.report)
    }

    fn expressions(&mut self, files: &[Word]) -> Vec<String> {
        let mut found = Vec::new();
        for file in files {
            let Some((path, text)) = self.text_of(file) else { continue };
            let before = found.len();
            for (number, line) in numbered(&text) {
                // To squidGuard a `#` is part of an expression, which then never fits a URL.
                if line.is_empty() || line.starts_with('#') {
                    continue;
                }
                let place = Place::new(&path, number);
                match checked_patterns(line) {
                    Ok(mut patterns) => found.append(&mut patterns),
                    Err(why) => self.report.add(Kind::Expression, &place, format!("{line}: {why}")),
                }
            }
            let count = found.len() - before;
            if count > 0 {
                let what = format!("{count} patterns");
                self.report.add(Kind::ExpressionText, &Place::new(&path, 0), what);
            }
        }
        found
    }
}

/// The patterns of an expression, which the dialect of rules takes.
fn checked_patterns(expression: &str) -> Result<Vec<String>, String> {
    // What stands for bytes that are no UTF-8 was never in a URL.
    if expression.contains(char::REPLACEMENT_CHARACTER) {
        return Err("not UTF-8".to_owned());
    }
    let found = patterns(expression).map_err(|why| why.to_string())?;
    for pattern in &found {
        let parsed = RegexPattern::parse(pattern).map_err(|why| why.to_string())?;
        parsed.fits_every(Field::Uri).map_err(|why| why.to_string())?;
    }
    Ok(found)
}

/// The entry of a line as it stands, and whether it has a page of its own.
fn entry_of(line: &str) -> Option<(String, bool)> {
    if line.starts_with('#') {
        return None;
    }
    let line = line.strip_prefix(['+', '-']).unwrap_or(line);
    let mut words = line.split([' ', '\t']).filter(|word| !word.is_empty());
    let entry = words.next()?.to_owned();
    Some((entry, words.next().is_some()))
}

/// A URL entry without scheme, user and port; none where no host is left.
fn stripped(entry: &str) -> Option<String> {
    let rest = entry.split_once("://").map_or(entry, |(_, rest)| rest);
    let (authority, path) = match rest.find('/').and_then(|at| rest.split_at_checked(at)) {
        Some((authority, path)) => (authority, path),
        None => (rest, ""),
    };
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = host.split(':').next().unwrap_or_default();
    (!host.is_empty()).then(|| format!("{host}{path}"))
}

/// The host with `www.` before it; none where it has that, or is an address.
fn with_www(host: &str) -> Option<String> {
    let first = host.split('.').next().unwrap_or_default();
    let letters = first.trim_end_matches(|c: char| c.is_ascii_digit());
    let is_address = host.chars().all(|c| c.is_ascii_digit() || c == '.');
    (!matches!(letters, "www" | "web" | "ftp") && !is_address).then(|| format!("www.{host}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_as_the_old_filter_reads_them() {
        let entry = |line| entry_of(line).map(|(entry, redirect)| format!("{entry} {redirect}"));
        assert_eq!(entry("A.Example\thttp://x/ y").as_deref(), Some("A.Example true"));
        assert_eq!(entry("+a.example").as_deref(), Some("a.example false"));
        assert_eq!(entry("  a.example ").as_deref(), Some("a.example false"));
        assert_eq!(entry("#a"), None);
        assert_eq!(entry(""), None);
        assert_eq!(stripped("http://u@a.example:80/x:y").as_deref(), Some("a.example/x:y"));
        assert_eq!(stripped(":80/x"), None);
        assert_eq!(with_www("a.example").as_deref(), Some("www.a.example"));
        assert_eq!(with_www("www2.a.example"), None);
        assert_eq!(with_www("10.0.0.1"), None);
    }
}
