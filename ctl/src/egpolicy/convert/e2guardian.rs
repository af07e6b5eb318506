//! A folder of e2guardian's lists, by its documentation and its source: exceptions before grey lists before
//! banned ones, the local lists of each before the others.
//!
//! What looks into pages, changes requests or depends on more than client, URL and User-Agent is reported
//! file by file with the number of its entries.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use eg_policy::syntax::span::is_unprintable;
use eg_policy::uri::UriPrefix;

use super::addresses::address_of;
use super::draft::{Draft, DraftList, DraftRule, INLINE_MAX, ListForm, State, Then, What, Who};
use super::input::Input;
use super::names::{Names, numbered};
use super::pcre::{agent_pattern, url_patterns};
use super::report::{Fault, Kind, Place, fault};
use super::times::Times;

/// Includes in includes.
const INCLUDE_DEPTH_MAX: usize = 16;

/// Files that a conversion reads, includes among them.
const FILES_MAX: usize = 10_000;

/// Bytes of all files together: an include may be named again and again.
const BYTES_MAX: usize = 512 << 20;

/// Bytes of a line; e2guardian passes over shorter and longer ones.
const LINE_BYTES: std::ops::RangeInclusive<usize> = 2..=2_048;

/// What the entries of a list are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entries {
    Clients,
    Sites,
    Urls,
    UrlExpressions,
    Agents,
}

/// The lists that become rules, in the order in which they are asked.
const LISTS: &[(&str, Entries, Then)] = &[
    ("exceptioniplist", Entries::Clients, Then::Permit),
    ("bannediplist", Entries::Clients, Then::Deny),
    ("localexceptionsitelist", Entries::Sites, Then::Permit),
    ("localexceptionsiteiplist", Entries::Sites, Then::Permit),
    ("localexceptionurllist", Entries::Urls, Then::Permit),
    ("localgreysitelist", Entries::Sites, Then::Permit),
    ("localgreysiteiplist", Entries::Sites, Then::Permit),
    ("localgreyurllist", Entries::Urls, Then::Permit),
    ("localbannedsitelist", Entries::Sites, Then::Deny),
    ("localbannedsiteiplist", Entries::Sites, Then::Deny),
    ("localbannedurllist", Entries::Urls, Then::Deny),
    ("exceptionsitelist", Entries::Sites, Then::Permit),
    ("exceptionsiteiplist", Entries::Sites, Then::Permit),
    ("exceptionurllist", Entries::Urls, Then::Permit),
    ("exceptionregexpurllist", Entries::UrlExpressions, Then::Permit),
    ("exceptionregexpuseragentlist", Entries::Agents, Then::Permit),
    ("greysitelist", Entries::Sites, Then::Permit),
    ("greysiteiplist", Entries::Sites, Then::Permit),
    ("greyurllist", Entries::Urls, Then::Permit),
    ("bannedsitelist", Entries::Sites, Then::Deny),
    ("bannedsiteiplist", Entries::Sites, Then::Deny),
    ("bannedurllist", Entries::Urls, Then::Deny),
    ("bannedregexpurllist", Entries::UrlExpressions, Then::Deny),
    ("bannedregexpuseragentlist", Entries::Agents, Then::Deny),
];

/// A folder as a draft. A single file is taken for the list that it is named after.
pub(crate) fn draft(path: &Path, input: &dyn Input) -> (Draft, Vec<Fault>) {
    let mut reader = Reader {
        root: path.to_path_buf(),
        input,
        draft: Draft::default(),
        faults: Vec::new(),
        names: Vec::new(),
        read: 0,
        bytes: 0,
    };
    let files = match input.folder(path) {
        Ok(names) => names.into_iter().map(|name| (name.clone(), path.join(name))).collect(),
        Err(why) if input.read(path).is_err() => {
            let place = Place::new(&path.display().to_string(), 0);
            return (
                Draft::default(),
                vec![Fault { place, what: format!("cannot be read: {why}") }],
            );
        }
        Err(_) => {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            reader.root = path.parent().unwrap_or_else(|| Path::new("")).to_path_buf();
            vec![(name.unwrap_or_default(), path.to_path_buf())]
        }
    };
    for (name, entries, then) in LISTS {
        for (_, file) in files.iter().filter(|(other, _)| other == name) {
            reader.list(name, file, *entries, *then);
        }
    }
    for (name, file) in &files {
        if let Some(folder) = name.strip_suffix('/') {
            let place = Place::new(&file.display().to_string(), 0);
            let what = format!("folder `{folder}`: its lists count where they are included alone");
            reader.draft.report.add(Kind::Unsupported, &place, what);
        } else if !LISTS.iter().any(|(known, ..)| known == name) {
            reader.foreign(name, file);
        }
    }
    if reader.draft.rules.is_empty() && reader.faults.is_empty() {
        let place = Place::new(&path.display().to_string(), 0);
        let what = "no list that becomes a rule; name the folder in which `bannedsitelist` is";
        fault(&mut reader.faults, &place, what);
    }
    (reader.draft, reader.faults)
}

struct Reader<'a> {
    root: PathBuf,
    input: &'a dyn Input,
    draft: Draft,
    faults: Vec<Fault>,
    /// The files that were read, as they are shown.
    names: Vec<String>,
    read: usize,
    bytes: usize,
}

/// An entry and where it stands. Lists have millions.
struct Entry {
    text: String,
    /// Which of the files that were read.
    file: usize,
    line: u64,
}

/// The entries of a file and of what it includes, by the time in which they count.
type Timed = Vec<(Times, Vec<Entry>)>;

/// A file that another one includes.
struct Include {
    path: PathBuf,
    place: Place,
}

impl Reader<'_> {
    fn place(&self, entry: &Entry) -> Place {
        Place::new(self.names.get(entry.file).map_or("", String::as_str), entry.line)
    }

    /// The file that the first of some entries stands in.
    fn whole(&self, lines: &[Entry]) -> Place {
        let place = lines.first().map(|entry| self.place(entry)).unwrap_or_default();
        Place { line: 0, ..place }
    }

    fn remark(&mut self, kind: Kind, entry: &Entry, what: impl Into<String>) {
        let place = self.place(entry);
        self.draft.report.add(kind, &place, what);
    }

    fn list(&mut self, name: &str, file: &Path, entries: Entries, then: Then) {
        let mut found = Timed::new();
        let mut open = HashSet::new();
        let place = Place::new(&file.display().to_string(), 0);
        let include = Include { path: file.to_path_buf(), place: place.clone() };
        self.file(include, &Times::always(), &mut open, &mut found);
        found.retain(|(_, lines)| !lines.is_empty());
        for (number, (when, lines)) in (1_usize..).zip(found) {
            if when.is_never() {
                let what = format!("{} entries at a time that never is", lines.len());
                self.draft.report.add(Kind::Never, &self.whole(&lines), what);
                continue;
            }
            if name.contains("grey") {
                let what = format!("{} entries", lines.len());
                self.draft.report.add(Kind::ContentNotScanned, &place, what);
            }
            let own = if number == 1 { name.to_owned() } else { format!("{name}-{number}") };
            let Some((who, what)) = self.asked(&own, &lines, entries) else { continue };
            self.draft.rules.push(DraftRule {
                name: own,
                place: place.clone(),
                who,
                what,
                except: Vec::new(),
                when,
                then,
                description: None,
                state: State::On,
            });
        }
    }

    /// Whom and what entries are about; none where none of them can be used.
    fn asked(&mut self, own: &str, lines: &[Entry], entries: Entries) -> Option<(Who, What)> {
        let what = match entries {
            Entries::Clients => {
                let addresses = self.clients(own, lines);
                let who = Who { addresses, users: Vec::new() };
                return (!who.addresses.is_empty()).then_some((who, What::Everything));
            }
            Entries::Sites => self.sites(own, lines),
            Entries::Urls => self.urls(own, lines),
            Entries::UrlExpressions | Entries::Agents => self.expressions(lines, entries),
        };
        Some((Who::default(), what?))
    }

    /// Reads a file and what it includes, which counts `within` the time of what includes it. A file that
    /// includes itself is a fault.
    fn file(
        &mut self,
        Include { path, place }: Include,
        within: &Times,
        open: &mut HashSet<PathBuf>,
        found: &mut Timed,
    ) {
        self.read += 1;
        if self.read > FILES_MAX || open.len() > INCLUDE_DEPTH_MAX || self.bytes > BYTES_MAX {
            fault(&mut self.faults, &place, "too many includes, or includes in includes");
            return;
        }
        let shown = path.display().to_string();
        if !open.insert(path.clone()) {
            fault(&mut self.faults, &place, format!("`{shown}` includes itself"));
            return;
        }
        match self.input.read(&path) {
            Err(why) => fault(&mut self.faults, &place, format!("cannot read `{shown}`: {why}")),
            Ok(bytes) => {
                self.bytes += bytes.len();
                self.names.push(shown);
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let (when, included) = self.lines(&text, within, found);
                for include in included {
                    self.file(include, &when, open, found);
                }
            }
        }
        open.remove(&path);
    }

    /// The lines of the file that was read last: its time, which is that of its last `#time:`, and what it
    /// includes.
    fn lines(&mut self, text: &str, within: &Times, found: &mut Timed) -> (Times, Vec<Include>) {
        let file = self.names.len() - 1;
        let shown = self.names.get(file).cloned().unwrap_or_default();
        let (mut when, mut own, mut included) = (within.clone(), Vec::new(), Vec::new());
        for (number, line) in numbered(text) {
            let place = || Place::new(&shown, number);
            if let Some(time) = line.strip_prefix("#time: ") {
                match time_of(time) {
                    Some(times) => when = within.and(&times),
                    None => fault(&mut self.faults, &place(), format!("`{line}` is no time")),
                }
                continue;
            }
            // A `#` begins a comment at the begin of a line, or behind a space; else it is part of a URL.
            let comment = if line.starts_with('#') { Some(0) } else { line.find(" #") };
            let entry = comment.and_then(|at| line.get(..at)).unwrap_or(line).trim();
            if let Some(path) = entry.strip_prefix(".Include<") {
                match path.split_once('>') {
                    Some((path, _)) => {
                        included.push(Include { path: self.included(path), place: place() });
                    }
                    None => fault(&mut self.faults, &place(), "a `>` is missing"),
                }
            } else if entry.is_empty() {
            } else if LINE_BYTES.contains(&line.len()) {
                own.push(Entry { text: entry.to_owned(), file, line: number });
            } else {
                let shown: String = entry.chars().take(100).collect();
                self.draft.report.add(Kind::Never, &place(), shown);
            }
        }
        match found.iter_mut().find(|(other, _)| *other == when) {
            Some((_, entries)) => entries.append(&mut own),
            None => found.push((when.clone(), own)),
        }
        (when, included)
    }

    /// An included path as it is, or below the folder that is converted where it was moved.
    fn included(&self, path: &str) -> PathBuf {
        let plain = PathBuf::from(path);
        if self.input.read(&plain).is_ok() {
            return plain;
        }
        match path.rsplit_once("/lists/") {
            Some((_, below)) => self.root.join(below),
            None => self.root.join(&plain),
        }
    }

    /// Values of `match-source`, or the list that has them.
    fn clients(&mut self, own: &str, lines: &[Entry]) -> Vec<String> {
        let mut found = Vec::new();
        for entry in lines {
            match address_of(&entry.text) {
                Ok(address) => found.push(address.value),
                Err(why) => self.remark(Kind::Entry, entry, format!("{} {why}", entry.text)),
            }
        }
        if found.len() <= INLINE_MAX {
            return found;
        }
        let path = format!("lists/{own}");
        self.draft.lists.push(DraftList { path: path.clone(), bytes: lined(&found) });
        vec![path]
    }

    /// What of an entry of sites or URLs counts; none where it is no name.
    fn site<'e>(&mut self, entry: &'e Entry) -> Option<&'e str> {
        let text = entry.text.strip_suffix('/').unwrap_or(&entry.text);
        let text = text.strip_prefix("ftp://").unwrap_or(text);
        if text.starts_with('*') {
            self.remark(Kind::Unsupported, entry, text);
            return None;
        }
        if text.contains("://") {
            self.remark(Kind::Never, entry, text);
            return None;
        }
        Some(text)
    }

    fn sites(&mut self, own: &str, lines: &[Entry]) -> Option<What> {
        let mut names = Names::default();
        for entry in lines {
            if let Some(site) = self.site(entry) {
                names.add(site, &self.place(entry));
            }
        }
        self.listed(own, names, ListForm::Plain)
    }

    fn urls(&mut self, own: &str, lines: &[Entry]) -> Option<What> {
        let mut names = Names::default();
        let (mut all, mut cased) = (0_usize, 0_usize);
        for entry in lines {
            let Some(url) = self.site(entry) else { continue };
            let (host, rest) = url.split_once('/').unwrap_or((url, ""));
            let host = host.to_ascii_lowercase();
            if UriPrefix::parse(&format!("{host}/{rest}")).is_err() {
                self.remark(Kind::Entry, entry, url);
                continue;
            }
            all += 1;
            cased += usize::from(rest.contains(|c: char| c.is_ascii_alphabetic()));
            let place = self.place(entry);
            let lower = rest.to_ascii_lowercase();
            let rests = [Some(rest), (lower != rest).then_some(lower.as_str())];
            let digits = host.chars().all(|c| c.is_ascii_digit() || c == '.');
            let www = (!digits && !host.starts_with("www.")).then(|| format!("www.{host}"));
            for host in [Some(&host), www.as_ref()].into_iter().flatten() {
                for rest in rests.into_iter().flatten() {
                    names.add(&format!("{host}/{rest}"), &place);
                }
            }
        }
        let whole = self.whole(lines);
        let kinds = [(Kind::Subdomains, all), (Kind::UrlEnd, all), (Kind::UrlCase, cased)];
        for (kind, count) in kinds.into_iter().filter(|(_, count)| *count > 0) {
            self.draft.report.add(kind, &whole, format!("{count} entries"));
        }
        self.listed(own, names, ListForm::Urls)
    }

    fn listed(&mut self, own: &str, names: Names, form: ListForm) -> Option<What> {
        let bytes = names.finish(form, &mut self.draft.report)?;
        let path = format!("lists/{own}");
        self.draft.lists.push(DraftList { path: path.clone(), bytes });
        Some(What::Lists(vec![(path, form)]))
    }

    fn expressions(&mut self, lines: &[Entry], entries: Entries) -> Option<What> {
        let is_agents = entries == Entries::Agents;
        let (mut found, mut taken) = (Vec::new(), 0_usize);
        for entry in lines {
            let text = &entry.text;
            if text.chars().any(is_unprintable) {
                let what = format!("{text:?}: a control character has no place in a policy");
                self.remark(Kind::Expression, entry, what);
                continue;
            }
            let patterns = match is_agents {
                true => agent_pattern(text).map(|pattern| vec![pattern]),
                false => url_patterns(text),
            };
            match patterns {
                Ok(mut patterns) => {
                    taken += 1;
                    found.append(&mut patterns);
                }
                Err(why) => self.remark(Kind::Expression, entry, format!("{text}: {why}")),
            }
        }
        if found.is_empty() {
            return None;
        }
        if !is_agents {
            let what = format!("{taken} expressions");
            self.draft.report.add(Kind::ExpressionText, &self.whole(lines), what);
        }
        Some(if is_agents { What::Agents(found.into()) } else { What::Expressions(found.into()) })
    }

    /// A list with no counterpart: how much is in it.
    fn foreign(&mut self, name: &str, file: &Path) {
        let place = Place::new(&file.display().to_string(), 0);
        let bytes = match self.input.read(file) {
            Ok(bytes) => bytes,
            Err(why) => {
                let what = format!("`{name}` cannot be read: {why}");
                self.draft.report.add(Kind::Unsupported, &place, what);
                return;
            }
        };
        let text = String::from_utf8_lossy(&bytes);
        let entries = text.lines().map(str::trim);
        let count = entries.filter(|line| !line.is_empty() && !line.starts_with('#')).count();
        if count == 0 {
            return;
        }
        let content =
            ["phrase", "content", "mime", "extension", "header", "search", "virus", "redirect"];
        let content =
            content.iter().any(|part| name.contains(part)) || name.ends_with("regexplist");
        let kind = if content { Kind::Content } else { Kind::Unsupported };
        self.draft.report.add(kind, &place, format!("{count} lines of `{name}`"));
    }
}

/// A text a line.
fn lined(texts: &[String]) -> Vec<u8> {
    let mut bytes = texts.join("\n").into_bytes();
    bytes.push(b'\n');
    bytes
}

/// `9 0 17 0 01234`: from, to, and the days, Monday first. The last minute counts.
fn time_of(text: &str) -> Option<Times> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [from_hour, from_minute, to_hour, to_minute, days] = words.as_slice() else { return None };
    let minutes = |hour: &str, minute: &str| {
        let (hour, minute) = (hour.parse::<usize>().ok()?, minute.parse::<usize>().ok()?);
        (hour < 24 && minute < 60).then_some(hour * 60 + minute)
    };
    let (from, to) = (minutes(from_hour, from_minute)?, minutes(to_hour, to_minute)?);
    let mut wanted = [false; 7];
    for day in days.chars() {
        *wanted.get_mut(usize::try_from(day.to_digit(10)?).ok()?)? = true;
    }
    Some(Times::weekly(wanted, &[(from, to + 1)]))
}
