//! A folder of e2guardian's lists, by its documentation: exceptions before grey lists before banned ones,
//! the local lists of each before the others.
//!
//! What looks into pages, changes requests or depends on more than client, URL and User-Agent is reported
//! file by file with the number of its entries.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use eg_policy::regex::{Field, RegexPattern};
use eg_policy::uri::UriPrefix;

use super::draft::{Draft, DraftList, DraftRule, ListForm, State, Then, What, Who};
use super::input::Input;
use super::names::{Names, numbered};
use super::report::{Fault, Kind, Place, fault};
use super::times::{DAY_MINUTES, Times};

/// Includes in includes.
const INCLUDE_DEPTH_MAX: usize = 16;

/// Files that a conversion reads, includes among them.
const FILES_MAX: usize = 10_000;

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
        read: 0,
    };
    let files = match input.folder(path) {
        Ok(names) => names.into_iter().map(|name| (name.clone(), path.join(name))).collect(),
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
    read: usize,
}

/// An entry and where it stands.
type Entry = (String, Place);

/// The entries of a file and of what it includes, by the time in which they count.
type Timed = Vec<(Times, Vec<Entry>)>;

impl Reader<'_> {
    fn list(&mut self, name: &str, file: &Path, entries: Entries, then: Then) {
        let mut found = Timed::new();
        let mut open = HashSet::new();
        self.file(file, &Place::new(&file.display().to_string(), 0), &mut open, 0, &mut found);
        for (number, (when, lines)) in (1_usize..).zip(found) {
            if lines.is_empty() {
                continue;
            }
            if name.contains("grey") {
                let place = Place::new(&file.display().to_string(), 0);
                let what = format!("{} entries", lines.len());
                self.draft.report.add(Kind::ContentNotScanned, &place, what);
            }
            let own = if number == 1 { name.to_owned() } else { format!("{name}-{number}") };
            let (mut who, mut what) = (Who::default(), What::Everything);
            match entries {
                Entries::Clients => {
                    who.addresses = self.clients(&lines);
                    if who.addresses.is_empty() {
                        continue;
                    }
                }
                Entries::Sites | Entries::Urls => match self.names(&own, &lines, entries) {
                    Some(list) => what = list,
                    None => continue,
                },
                Entries::UrlExpressions | Entries::Agents => {
                    match self.expressions(&lines, entries) {
                        Some(patterns) => what = patterns,
                        None => continue,
                    }
                }
            }
            self.draft.rules.push(DraftRule {
                name: own,
                place: Place::new(&file.display().to_string(), 0),
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

    /// Reads a file and what it includes. A file that includes itself is a fault.
    fn file(
        &mut self,
        file: &Path,
        from: &Place,
        open: &mut HashSet<PathBuf>,
        depth: usize,
        found: &mut Timed,
    ) {
        self.read += 1;
        if self.read > FILES_MAX || depth > INCLUDE_DEPTH_MAX {
            fault(&mut self.faults, from, "too many includes, or includes in includes");
            return;
        }
        if !open.insert(file.to_path_buf()) {
            let what = format!("`{}` includes itself", file.display());
            fault(&mut self.faults, from, what);
            return;
        }
        let shown = file.display().to_string();
        match self.input.read(file) {
            Err(why) => fault(&mut self.faults, from, format!("cannot read `{shown}`: {why}")),
            Ok(bytes) => {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                self.lines(&shown, &text, open, depth, found);
            }
        }
        open.remove(file);
    }

    fn lines(
        &mut self,
        shown: &str,
        text: &str,
        open: &mut HashSet<PathBuf>,
        depth: usize,
        found: &mut Timed,
    ) {
        let mut when = Times::always();
        let mut own = Vec::new();
        let mut included = Vec::new();
        for (number, line) in numbered(text) {
            let place = Place::new(shown, number);
            let line = line.trim();
            if let Some(time) = line.strip_prefix("#time:") {
                match time_of(time) {
                    Some(times) => when = times,
                    None => fault(&mut self.faults, &place, format!("`{line}` is no time")),
                }
            } else if let Some(path) = line.strip_prefix(".Include<") {
                match path.strip_suffix('>') {
                    Some(path) => included.push((self.included(path), place)),
                    None => fault(&mut self.faults, &place, "a `>` is missing"),
                }
            } else if !line.is_empty() && !line.starts_with('#') {
                own.push((line.to_owned(), place));
            }
        }
        match found.iter_mut().find(|(other, _)| *other == when) {
            Some((_, entries)) => entries.append(&mut own),
            None => found.push((when, own)),
        }
        for (path, place) in included {
            self.file(&path, &place, open, depth + 1, found);
        }
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

    fn clients(&mut self, lines: &[Entry]) -> Vec<String> {
        let mut found = Vec::new();
        for (entry, place) in lines {
            let entry = entry.split('#').next().unwrap_or_default().trim();
            let legal = entry.chars().all(|c| c.is_ascii_hexdigit() || ".:/-".contains(c));
            match legal && entry.contains(['.', ':']) {
                true => found.push(entry.to_owned()),
                false => self.draft.report.add(Kind::Entry, place, entry),
            }
        }
        found
    }

    fn names(&mut self, own: &str, lines: &[Entry], entries: Entries) -> Option<What> {
        let mut names = Names::default();
        let mut below = 0_usize;
        for (entry, place) in lines {
            let entry = entry.split('#').next().unwrap_or_default().trim();
            let entry = entry.split_once("://").map_or(entry, |(_, rest)| rest);
            let entry = entry.strip_prefix("www.").unwrap_or(entry);
            if entry.starts_with('*') {
                self.draft.report.add(Kind::Unsupported, place, entry);
            } else if entries == Entries::Urls
                && (!entry.contains('/') || UriPrefix::parse(entry).is_err())
            {
                // By its documentation such an entry is no good there either.
                self.draft.report.add(Kind::Entry, place, entry);
            } else {
                names.add(entry, place);
                if entries == Entries::Urls {
                    names.add(&format!("www.{entry}"), place);
                    below += 1;
                }
            }
        }
        if names.is_empty() {
            return None;
        }
        let form = match entries {
            Entries::Urls => ListForm::Urls,
            Entries::Clients | Entries::Sites | Entries::UrlExpressions | Entries::Agents => {
                ListForm::Plain
            }
        };
        if form == ListForm::Plain {
            names.remark(&mut self.draft.report);
        }
        if let Some((_, place)) = lines.first().filter(|_| below > 0) {
            let whole = Place::new(&place.file, 0);
            self.draft.report.add(Kind::Subdomains, &whole, format!("{below} entries"));
        }
        let path = format!("lists/{own}");
        self.draft.lists.push(DraftList { path: path.clone(), bytes: names.bytes });
        Some(What::Lists(vec![(path, form)]))
    }

    fn expressions(&mut self, lines: &[Entry], entries: Entries) -> Option<What> {
        let field = if entries == Entries::Agents { Field::UserAgent } else { Field::Uri };
        let mut found = Vec::new();
        for (entry, place) in lines {
            if entry.chars().any(|letter| letter.is_control() && letter != '\t') {
                let what = format!("{entry:?}: a control character has no place in a policy");
                self.draft.report.add(Kind::Expression, place, what);
                continue;
            }
            let parsed = RegexPattern::parse(entry)
                .and_then(|pattern| pattern.fits_every(field).map(|()| pattern));
            match parsed {
                Ok(pattern) => found.push(pattern.as_str().to_owned()),
                Err(why) => {
                    self.draft.report.add(Kind::Expression, place, format!("{entry}: {why}"));
                }
            }
        }
        if let Some((_, place)) = lines.first().filter(|_| !found.is_empty()) {
            let whole = Place::new(&place.file, 0);
            let what = format!("{} patterns", found.len());
            self.draft.report.add(Kind::ExpressionText, &whole, what);
        }
        let field = if entries == Entries::Agents { What::Agents } else { What::Expressions };
        (!found.is_empty()).then(|| field(found))
    }

    /// A list with no counterpart: how much is in it.
    fn foreign(&mut self, name: &str, file: &Path) {
        let Ok(bytes) = self.input.read(file) else { return };
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
        let place = Place::new(&file.display().to_string(), 0);
        self.draft.report.add(kind, &place, format!("{count} lines of `{name}`"));
    }
}

/// `9 0 17 0 01234`: from, to, and the days, Monday first.
fn time_of(text: &str) -> Option<Times> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [from_hour, from_minute, to_hour, to_minute, days] = words.as_slice() else { return None };
    let minutes = |hour: &str, minute: &str| {
        let (hour, minute) = (hour.parse::<usize>().ok()?, minute.parse::<usize>().ok()?);
        (hour <= 24 && minute < 60).then_some((hour * 60 + minute).min(DAY_MINUTES))
    };
    let (from, to) = (minutes(from_hour, from_minute)?, minutes(to_hour, to_minute)?);
    let mut wanted = [false; 7];
    for day in days.chars() {
        *wanted.get_mut(usize::try_from(day.to_digit(10)?).ok()?)? = true;
    }
    Some(Times::weekly(wanted, from, to))
}
