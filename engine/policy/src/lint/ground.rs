//! What is looked at, and where things stand in the files.

use std::collections::HashMap;

use crate::check::{AddressRange, CheckedPolicy, CheckedRule, ListIndex, Trust};
use crate::diagnostic::{Code, Diagnostic, Faults};
use crate::digest::Digest;
use crate::lists::{AddressList, NameList, UrlList};
use crate::moment::Moment;
use crate::sources::SourceFile;
use crate::syntax::ast::{Ast, Block};
use crate::syntax::parse;
use crate::syntax::span::{Lines, Span};
use crate::users::UserList;

/// The entries of a list.
#[derive(Debug, Clone, Copy)]
pub enum ListSet<'p> {
    /// Names of hosts.
    Names(&'p NameList),
    /// Addresses.
    Addresses(&'p AddressList),
    /// Names of users.
    Users(&'p UserList),
    /// URLs.
    Urls(&'p UrlList),
    /// It was not read; nothing is said of it.
    Unread,
}

/// How Squid looks into TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inspect {
    /// Nobody said; what depends on it is not looked at.
    Unsaid,
    /// Not at all.
    Off,
    /// It reads the first message; what a rule says is decrypted.
    Peek,
    /// It decrypts.
    Bump,
}

/// What is looked at.
#[derive(Debug)]
pub struct LintInput<'p> {
    /// The policy files.
    pub files: &'p [(SourceFile, Trust)],
    /// Their rules, which have no error.
    pub policy: &'p CheckedPolicy,
    /// The lists, by [`ListIndex`].
    pub lists: &'p [ListSet<'p>],
    /// How Squid looks into TLS.
    pub inspect: Inspect,
    /// When rules are looked at.
    pub now: Moment,
}

impl<'p> LintInput<'p> {
    /// The names of a list; none where it has none or was not read.
    pub(super) fn names(&self, list: ListIndex) -> Option<&'p NameList> {
        match self.lists.get(list.0 as usize) {
            Some(ListSet::Names(names)) => Some(names),
            Some(
                ListSet::Addresses(_) | ListSet::Users(_) | ListSet::Urls(_) | ListSet::Unread,
            )
            | None => None,
        }
    }

    /// The addresses of a list.
    pub(super) fn addresses(&self, list: ListIndex) -> Option<&'p AddressList> {
        match self.lists.get(list.0 as usize) {
            Some(ListSet::Addresses(addresses)) => Some(addresses),
            Some(ListSet::Names(_) | ListSet::Users(_) | ListSet::Urls(_) | ListSet::Unread)
            | None => None,
        }
    }

    /// The users of a list.
    pub(super) fn users(&self, list: ListIndex) -> Option<&'p UserList> {
        match self.lists.get(list.0 as usize) {
            Some(ListSet::Users(users)) => Some(users),
            Some(
                ListSet::Names(_) | ListSet::Addresses(_) | ListSet::Urls(_) | ListSet::Unread,
            )
            | None => None,
        }
    }

    /// The digest of the entries of a list, whatever they are.
    pub(super) fn digest(&self, list: ListIndex) -> Option<Digest> {
        match self.lists.get(list.0 as usize)? {
            ListSet::Names(names) => Some(names.digest()),
            ListSet::Addresses(addresses) => Some(Digest::of(&addresses.to_file())),
            ListSet::Users(users) => Some(users.digest()),
            ListSet::Urls(urls) => Some(urls.digest()),
            ListSet::Unread => None,
        }
    }

    /// Whether a list was read and holds nothing.
    pub(super) fn is_empty(&self, list: ListIndex) -> bool {
        match self.lists.get(list.0 as usize) {
            Some(ListSet::Names(names)) => names.is_empty(),
            Some(ListSet::Addresses(addresses)) => addresses.is_empty(),
            Some(ListSet::Users(users)) => users.is_empty(),
            Some(ListSet::Urls(urls)) => urls.is_empty(),
            Some(ListSet::Unread) | None => false,
        }
    }
}

/// The files once more, to say where something stands, and what is found.
pub(super) struct Ground<'p> {
    files: Vec<Lines<'p>>,
    /// The file of each rule's block.
    blocks: HashMap<&'p str, (usize, &'p Block)>,
    faults: Vec<Faults>,
}

/// The files as they are written.
pub(super) fn asts(input: &LintInput<'_>) -> Vec<Ast> {
    input.files.iter().map(|(file, _)| parse(&file.path, &file.text).0).collect()
}

impl<'p> Ground<'p> {
    pub(super) fn new(input: &LintInput<'p>, asts: &'p [Ast]) -> Self {
        let (mut files, mut blocks) = (Vec::new(), HashMap::new());
        for (number, ((file, _), ast)) in input.files.iter().zip(asts).enumerate() {
            for block in ast.blocks() {
                blocks.entry(block.name.text.as_str()).or_insert((number, block));
            }
            files.push(Lines::new(&file.path, &file.text));
        }
        let faults = files.iter().map(|_| Faults::default()).collect();
        Self { files, blocks, faults }
    }

    /// Reports something of a rule, at its attribute, or at a value of it where one is named.
    pub(super) fn report(
        &mut self,
        rule: &CheckedRule,
        at: (Option<&str>, Option<&str>),
        code: Code,
        message: String,
        help: Option<String>,
    ) {
        let Some((file, span)) = self.place(&rule.name, at) else { return };
        self.report_at(file, span, code, message, help);
    }

    fn place(
        &self,
        rule: &str,
        (key, value): (Option<&str>, Option<&str>),
    ) -> Option<(usize, Span)> {
        let (file, block) = *self.blocks.get(rule)?;
        let of_key = || block.attributes().filter(|own| key == Some(own.key.text.as_str()));
        let first = of_key().next().map_or(block.name.span, |own| own.key.span);
        let at_value = value.and_then(|value| {
            of_key().find_map(|own| own.value.words().find(|word| word.text == value))
        });
        Some((file, at_value.map_or(first, |word| word.span)))
    }

    /// Reports something at a place of a file.
    pub(super) fn report_at(
        &mut self,
        file: usize,
        span: Span,
        code: Code,
        message: String,
        help: Option<String>,
    ) {
        let (Some(lines), Some(faults)) = (self.files.get(file), self.faults.get_mut(file)) else {
            return;
        };
        faults.report(lines, code, span, message, help);
    }

    /// The number of the file with this path.
    pub(super) fn file(&self, path: &str) -> Option<usize> {
        self.files.iter().position(|lines| lines.file() == path)
    }

    /// Everything, in the order of files and lines.
    pub(super) fn into_diagnostics(self) -> Vec<Diagnostic> {
        let mut all = Faults::default();
        for mut faults in self.faults {
            faults.sort();
            all.absorb(faults);
        }
        all.into_diagnostics()
    }
}

impl AddressList {
    /// Whether all of a range is in this list.
    #[must_use]
    pub fn covers(&self, range: &AddressRange) -> bool {
        let ranges = self.ranges();
        let at = ranges.partition_point(|own| own.first <= range.first);
        let before = at.checked_sub(1).and_then(|at| ranges.get(at));
        before.is_some_and(|own| own.holds(range.first) && own.holds(range.last))
    }
}
