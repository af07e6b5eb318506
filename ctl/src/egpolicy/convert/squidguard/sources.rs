//! Who: the blocks `src` as addresses and users, out of the file and out of lists beside it.

use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use super::super::draft::{DraftList, State, Who};
use super::super::input::Input;
use super::super::names::numbered;
use super::super::report::{Fault, Kind, Place, Report, fault};
use super::conf::{Source, Word};

/// Values that a rule shows; more of them stand in a list beside it, since every rule of the source
/// repeats them.
const INLINE_MAX: usize = 16;

/// A source as rules can ask for it.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) who: Who,
    pub(super) state: State,
    /// Whether anybody can be meant; a source without content takes no part.
    pub(super) presence: Presence,
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
        let users = self.users(source);
        let wants_addresses = !source.addresses.is_empty()
            || !source.address_files.is_empty()
            || !source.foreign_addresses.is_empty();
        let wants_users = !source.users.is_empty()
            || !source.user_files.is_empty()
            || !source.foreign_users.is_empty();
        let name = &source.name;
        let place = self.place(name.line);
        let mut state = State::On;
        for foreign in source.foreign_users.iter().chain(&source.foreign_addresses) {
            let left = if source.foreign_users.contains(foreign) { &users } else { &addresses };
            let kind = if left.is_empty() { Kind::Source } else { Kind::SourcePart };
            if kind == Kind::Source {
                state = State::Off;
            }
            self.report.add(kind, &self.place(foreign.line), foreign.text.clone());
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
        let who = Who {
            addresses: self.beside(addresses, "addresses", &name.text),
            users: self.beside(users, "users", &name.text),
        };
        Asked { who, state, presence }
    }

    /// Values as they are, or the path of a list that has them.
    fn beside(&mut self, values: Vec<String>, what: &str, name: &str) -> Vec<String> {
        if values.len() <= INLINE_MAX {
            return values;
        }
        let path = format!("lists/{what}/{}.txt", super::super::write::word(name));
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
            Ok(Some(value)) => {
                // IPv6 clients are all 0.0.0.0 to squidGuard (measured).
                let has_zero = value.starts_with("0.0.0.0") || value.ends_with("/0");
                found.push(value);
                if has_zero {
                    found.push("::/0".to_owned());
                }
            }
            Ok(None) => {
                let what =
                    format!("`{text}`: the address has bits outside its mask, so it fits none");
                self.report.add(Kind::Never, place, what);
            }
            Err(why) => fault(self.faults, place, format!("`{text}` {why}")),
        }
    }

    fn users(&mut self, source: &Source) -> Vec<String> {
        let mut found = Spellings::default();
        let mut first = source.users.first().map(|word| self.place(word.line));
        for word in &source.users {
            found.add(&word.text);
        }
        for file in &source.user_files {
            let Some((path, text)) = self.text_of(file) else { continue };
            first = first.or_else(|| Some(Place::new(&path, 1)));
            for (_, line) in numbered(&text) {
                if line.starts_with('#') {
                    continue;
                }
                // `name:...` is a line of a passwd file.
                let line = line.split('#').next().unwrap_or_default();
                match line.split_once(':') {
                    Some((name, _)) => found.add(name.trim()),
                    None => line.split([' ', '\t', ',']).for_each(|name| found.add(name)),
                }
            }
        }
        let found = found.order;
        let names = u64::try_from(found.len()).unwrap_or(u64::MAX);
        if let Some(place) = first.filter(|_| names > 0) {
            let what = format!("{names} spellings of users of source `{}`", source.name.text);
            self.report.add(Kind::UserCase, &place, what);
        }
        found
    }
}

/// Names as they stand and in lower case, as the old filter compares them, each once.
#[derive(Default)]
struct Spellings {
    order: Vec<String>,
    seen: HashSet<String>,
}

impl Spellings {
    fn add(&mut self, name: &str) {
        // Depending on its version, Squid escapes a user for its helper (`dom%5cname`) or does not.
        let plain = unescaped(name);
        let lower = [plain.to_ascii_lowercase(), name.to_ascii_lowercase()];
        for spelling in lower.into_iter().chain([plain, name.to_owned()]) {
            if !spelling.is_empty() && self.seen.insert(spelling.clone()) {
                self.order.push(spelling);
            }
        }
    }
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

/// A value of `match-source`; none where the old filter can never match it.
fn address_of(text: &str) -> Result<Option<String>, &'static str> {
    let one = |text: &str| text.parse::<Ipv4Addr>().map_err(|_| "is no IPv4 address");
    if let Some((address, mask)) = text.split_once('/') {
        let address = match address.parse::<std::net::IpAddr>() {
            Ok(std::net::IpAddr::V4(address)) => address,
            // Only ufdbGuard has these.
            Ok(std::net::IpAddr::V6(_)) => return Ok(Some(text.to_owned())),
            Err(_) => return Err("is no address"),
        };
        if mask.contains('.') {
            let mask = u32::from(one(mask)?);
            let bits = mask.leading_ones();
            if mask.count_ones() != bits {
                return Err("has a mask with holes, which no rule has");
            }
            return Ok((u32::from(address) & !mask == 0).then(|| format!("{address}/{bits}")));
        }
        let bits: u8 =
            mask.parse().ok().filter(|bits| *bits <= 32).ok_or("has no mask from 0 to 32")?;
        return Ok(Some(format!("{address}/{bits}")));
    }
    if let Some((first, last)) = text.split_once('-') {
        let (first, last) = (one(first)?, one(last)?);
        return if first > last {
            Err("ends before it begins")
        } else {
            Ok(Some(format!("{first}-{last}")))
        };
    }
    match text.parse::<std::net::IpAddr>() {
        Ok(address) => Ok(Some(address.to_string())),
        Err(_) => Err("is no address"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_plain_in_two_spellings() {
        let mut found = Spellings::default();
        ["DOM%5cBob", "bob", "bob", "50%"].into_iter().for_each(|name| found.add(name));
        assert_eq!(found.order, ["dom\\bob", "dom%5cbob", "DOM\\Bob", "DOM%5cBob", "bob", "50%"]);
    }

    #[test]
    fn addresses() {
        let cases = [
            ("10.0.0.1", Ok(Some("10.0.0.1"))),
            ("10.0.0.9/24", Ok(Some("10.0.0.9/24"))),
            ("10.4.0.0/255.255.0.0", Ok(Some("10.4.0.0/16"))),
            ("10.3.2.1/255.255.0.0", Ok(None)),
            ("10.0.0.5-10.0.0.9", Ok(Some("10.0.0.5-10.0.0.9"))),
            ("2001:db8::/32", Ok(Some("2001:db8::/32"))),
            ("10.0.0.9-10.0.0.5", Err("ends before it begins")),
            ("10.0.0.400", Err("is no address")),
            ("10.0.0.0/33", Err("has no mask from 0 to 32")),
            ("10.0.0.0/255.0.255.0", Err("has a mask with holes, which no rule has")),
        ];
        for (text, expected) in cases {
            assert_eq!(
                address_of(text).as_ref().map(Option::as_deref),
                expected.as_ref().copied(),
                "{text}"
            );
        }
    }
}
