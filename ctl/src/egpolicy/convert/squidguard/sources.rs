//! Who: the blocks `src` as addresses and users, out of the file and out of lists beside it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use eg_policy::users::read_users;

use super::super::addresses::{Address, Stray, address_of};
use super::super::draft::{DraftList, INLINE_MAX, State, Who};
use super::super::input::Input;
use super::super::names::numbered;
use super::super::report::{Fault, Kind, Place, Report, fault};
use super::super::write::Names;
use super::conf::{Source, Word};

/// A source as rules can ask for it.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) who: Who,
    pub(super) state: State,
    /// Whether anybody can be meant; a source without content takes no part.
    pub(super) presence: Presence,
}

/// How the values of a source are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// In the rule, unless there are too many.
    Shown,
    /// In a list beside it.
    List,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    Somebody,
    Nobody,
}

/// Collects what reading finds.
pub(super) struct Collector<'a> {
    pub(super) file: &'a str,
    pub(super) home: PathBuf,
    pub(super) input: &'a dyn Input,
    pub(super) report: &'a mut Report,
    pub(super) faults: &'a mut Vec<Fault>,
    pub(super) lists: &'a mut Vec<DraftList>,
    /// What the folders of destinations and the lists of sources are called, so that no two names that
    /// make the same word share a file.
    pub(super) dest_words: Names,
    pub(super) source_words: Names,
}

impl Collector<'_> {
    pub(super) fn place(&self, line: u64) -> Place {
        Place::new(self.file, line)
    }

    /// The file that a word names, and its text; what is no UTF-8 is replaced.
    pub(super) fn text_of(&mut self, word: &Word) -> Option<(String, String)> {
        let path = self.home.join(Path::new(&word.text));
        let shown = path.display().to_string();
        match self.input.read(&path) {
            Ok(bytes) => Some((shown, String::from_utf8_lossy(&bytes).into_owned())),
            Err(why) => {
                fault(self.faults, &self.place(word.line), format!("cannot read `{shown}`: {why}"));
                None
            }
        }
    }

    pub(super) fn asked(&mut self, source: &Source) -> Asked {
        let addresses = self.addresses(source);
        let (users, unwritable) = self.users(source);
        let wants_addresses = !source.addresses.is_empty()
            || !source.address_files.is_empty()
            || !source.foreign_addresses.is_empty();
        let wants_users = !source.users.is_empty()
            || !source.user_files.is_empty()
            || !source.foreign_users.is_empty();
        let name = &source.name;
        let place = self.place(name.line);
        let mut state = State::On;
        let foreign = |word: &Word| (self.place(word.line), word.text.clone());
        let foreign_users = source.foreign_users.iter().map(foreign).chain(unwritable);
        let foreign_addresses = source.foreign_addresses.iter().map(foreign);
        let foreign: Vec<_> = foreign_users
            .map(|lost| (users.is_empty(), lost))
            .chain(foreign_addresses.map(|lost| (addresses.is_empty(), lost)))
            .collect();
        for (is_all, (place, what)) in foreign {
            let kind = if is_all { Kind::Source } else { Kind::SourcePart };
            if is_all {
                state = State::Off;
            }
            self.report.add(kind, &place, what);
        }
        if let Some(domain) = source.domains.first() {
            state = State::Off;
            let what = format!("`domain` of the client in source `{}`", name.text);
            self.report.add(Kind::Source, &self.place(domain.line), what);
        }
        if let Some(quota) = &source.quota {
            self.report.add(Kind::Quota, &self.place(quota.line), quota.text.clone());
        }
        for log in &source.logs {
            self.report.add(Kind::Log, &self.place(log.line), log.text.clone());
        }
        for option in &source.options {
            self.report.add(Kind::Unsupported, &self.place(option.line), option.text.clone());
        }
        let empty = (wants_addresses && addresses.is_empty()) || (wants_users && users.is_empty());
        let nothing = !wants_addresses && !wants_users && source.domains.is_empty();
        let mut presence = Presence::Somebody;
        if nothing || (empty && state == State::On) {
            presence = Presence::Nobody;
            let what = format!("source `{}` means nobody", name.text);
            self.report.add(Kind::Never, &place, what);
        }
        let word = self.source_words.free_word(&name.text);
        // In a rule a comma would end a name, an `@` makes it the path of a list, and a quote is refused; a
        // line of a list is a name whatever it holds.
        let plain = |c: char| c.is_alphanumeric() || "._-+\\%$@".contains(c);
        let shown = |user: &String| user.chars().all(plain) && !user.starts_with('@');
        let form = if users.iter().all(shown) { Form::Shown } else { Form::List };
        let who = Who {
            addresses: self.beside(addresses, "addresses", &word, Form::Shown),
            users: self.beside(users, "users", &word, form),
        };
        Asked { who, state, presence }
    }

    /// Values as they are, or the path of a list that has them.
    fn beside(&mut self, values: Vec<String>, what: &str, word: &str, form: Form) -> Vec<String> {
        if values.is_empty() || (values.len() <= INLINE_MAX && form == Form::Shown) {
            return values;
        }
        let path = format!("lists/{what}/{word}.txt");
        let mut bytes = values.join("\n").into_bytes();
        bytes.push(b'\n');
        self.lists.push(DraftList { path: path.clone(), bytes });
        vec![if what == "users" { format!("@{path}") } else { path }]
    }

    fn addresses(&mut self, source: &Source) -> Vec<String> {
        let mut found = Vec::new();
        let mut words = tied(&source.addresses).into_iter();
        for word in &mut words {
            self.address(&word.text, &self.place(word.line), &mut found);
        }
        for file in &source.address_files {
            let Some((path, text)) = self.text_of(file) else { continue };
            for (number, line) in numbered(&text) {
                let line = line.split('#').next().unwrap_or_default();
                for word in line.split([' ', '\t', ',']).filter(|word| !word.is_empty()) {
                    self.address(word, &Place::new(&path, number), &mut found);
                }
            }
        }
        found.dedup();
        found
    }

    fn address(&mut self, text: &str, place: &Place, found: &mut Vec<String>) {
        match address_of(text) {
            Ok(Address { value, stray: Stray::No }) => {
                // IPv6 clients are all 0.0.0.0 to squidGuard (measured).
                let has_zero = value.starts_with("0.0.0.0") || value.ends_with("/0");
                found.push(value);
                if has_zero {
                    found.push("::/0".to_owned());
                }
            }
            Ok(Address { stray: Stray::Bits, .. }) => {
                let what =
                    format!("`{text}`: the address has bits outside its mask, so it fits none");
                self.report.add(Kind::Never, place, what);
            }
            Err(why) => fault(self.faults, place, format!("`{text}` {why}")),
        }
    }

    /// The names that can be asked for, and those that no rule and no list can hold.
    fn users(&mut self, source: &Source) -> (Vec<String>, Vec<(Place, String)>) {
        let mut found = Spellings::default();
        let mut unwritable = Vec::new();
        let mut first = source.users.first().map(|word| self.place(word.line));
        for word in &source.users {
            found.add(&word.text, || self.place(word.line), &mut unwritable);
        }
        for file in &source.user_files {
            let Some((path, text)) = self.text_of(file) else { continue };
            first = first.or_else(|| Some(Place::new(&path, 1)));
            for (number, line) in numbered(&text) {
                let place = || Place::new(&path, number);
                if line.starts_with('#') {
                    continue;
                }
                // `name:...` is a line of a passwd file.
                let line = line.split('#').next().unwrap_or_default();
                match line.split_once(':') {
                    Some((name, _)) => found.add(name.trim(), place, &mut unwritable),
                    None => line
                        .split([' ', '\t', ','])
                        .for_each(|name| found.add(name, place, &mut unwritable)),
                }
            }
        }
        let found = found.order;
        let names = u64::try_from(found.len()).unwrap_or(u64::MAX);
        if let Some(place) = first.filter(|_| names > 0) {
            let what = format!("{names} spellings of users of source `{}`", source.name.text);
            self.report.add(Kind::UserCase, &place, what);
        }
        (found, unwritable)
    }
}

/// Names as they stand and in lower case, as the old filter compares them, each once.
#[derive(Default)]
struct Spellings {
    order: Vec<String>,
    seen: HashSet<String>,
}

impl Spellings {
    fn add(
        &mut self,
        name: &str,
        place: impl Fn() -> Place,
        unwritable: &mut Vec<(Place, String)>,
    ) {
        // Depending on its version, Squid escapes a user for its helper (`dom%5cname`) or does not.
        let plain = unescaped(name);
        let lower = [plain.to_ascii_lowercase(), name.to_ascii_lowercase()];
        for spelling in lower.into_iter().chain([plain, name.to_owned()]) {
            if spelling.is_empty() || !self.seen.insert(spelling.clone()) {
                continue;
            }
            match is_writable(&spelling) {
                true => self.order.push(spelling),
                false => unwritable.push((place(), format!("the user {spelling:?}"))),
            }
        }
    }
}

/// Whether a line of a list of users is this name, and nothing else.
fn is_writable(name: &str) -> bool {
    read_users(format!("{name}\n").as_bytes())
        .is_ok_and(|(users, _)| users.iter().eq(std::iter::once(name)))
}

/// A name without its `%xx`.
fn unescaped(name: &str) -> String {
    let (mut out, mut rest) = (Vec::new(), name.as_bytes());
    while let Some((first, tail)) = rest.split_first() {
        let digits = tail.split_first_chunk::<2>().filter(|_| *first == b'%');
        let byte = digits.and_then(|(digits, tail)| {
            let digits = std::str::from_utf8(digits).ok().filter(|text| !text.contains('+'))?;
            Some((u8::from_str_radix(digits, 16).ok()?, tail))
        });
        match byte {
            Some((byte, tail)) => {
                out.push(byte);
                rest = tail;
            }
            None => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// `a`, `-`, `b` as one word.
fn tied(words: &[Word]) -> Vec<Word> {
    let mut found: Vec<Word> = Vec::new();
    for word in words {
        match found.last_mut() {
            Some(last) if word.text.starts_with(['-', '/']) || last.text.ends_with('-') => {
                last.text.push_str(&word.text);
            }
            Some(_) | None => found.push(word.clone()),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_plain_in_two_spellings() {
        let mut found = Spellings::default();
        let mut unwritable = Vec::new();
        for name in ["DOM%5cBob", "bob", "bob", "50%", "a%00b", "#x", "a #b"] {
            found.add(name, || Place::new("users", 1), &mut unwritable);
        }
        let told: Vec<_> = unwritable.iter().map(|(_, what)| what.as_str()).collect();
        assert_eq!(told, ["the user \"a\\0b\"", "the user \"#x\"", "the user \"a #b\""]);
        assert_eq!(
            found.order,
            ["dom\\bob", "dom%5cbob", "DOM\\Bob", "DOM%5cBob", "bob", "50%", "a%00b"]
        );
    }
}
