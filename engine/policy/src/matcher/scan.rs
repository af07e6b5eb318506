//! Regular expressions: the patterns of a policy by field, and what a request holds of them.
//!
//! Patterns that are something simpler in disguise are looked up instead of scanned for. A field is scanned when a rule asks for it, in each view at most once, and all its patterns in one
//! pass of each shard. What cannot be scanned counts for rules that block and against rules that permit.

use std::fmt::Write as _;
use std::sync::Arc;

use super::runs::{Candidates, Run, Runs};
use crate::client::{Known, Request, Unknown};
use crate::regex::{
    Field, Hits, LoweredPattern, LoweredTable, Memory, Reading, RegexPattern, Scanned, Shard,
};
use crate::uri::{PathKnown, write_authority};

/// Views of a URI at most; the other fields have one.
const VIEWS: usize = 3;

/// The patterns of every field.
#[derive(Debug, Default)]
pub(crate) struct RegexTable {
    fields: [FieldTable; 4],
}

/// The patterns of one field.
#[derive(Debug, Default)]
pub(crate) struct FieldTable {
    /// Those that are scanned for, and behind them those that are looked up; both sorted. A pattern's
    /// number is its place.
    patterns: Vec<RegexPattern>,
    scanned: usize,
    shards: Vec<Part>,
    lowered: LoweredTable,
}

/// A shard in a ruleset.
#[derive(Debug)]
pub(crate) struct Part {
    /// The shard.
    pub(crate) shard: Arc<Shard>,
    /// Its place among all shards of the ruleset.
    slot: usize,
    /// Its place among those of its field.
    pub(crate) local: usize,
    /// The number of its first pattern.
    pub(crate) base: u32,
}

impl RegexTable {
    /// The table of these shards, which are in the order of their fields and patterns, and of the
    /// patterns that are looked up, in the same order.
    pub(crate) fn new(shards: Vec<Arc<Shard>>, lowered: &[LoweredPattern]) -> Self {
        let mut table = Self::default();
        for (slot, shard) in shards.into_iter().enumerate() {
            let Some(field) = table.fields.get_mut(shard.field().place()) else { continue };
            let (local, base) = (field.shards.len(), number(field.patterns.len()));
            field.patterns.extend_from_slice(shard.plan().patterns());
            field.shards.push(Part { shard, slot, local, base });
            field.scanned = field.patterns.len();
        }
        for (kind, field) in Field::ALL.into_iter().zip(&mut table.fields) {
            let own = lowered.iter().filter(|lowered| lowered.field == kind);
            let forms = own.clone().map(|lowered| &lowered.form);
            let numbered: Vec<_> = forms.zip(number(field.scanned)..).collect();
            field.lowered = LoweredTable::new(kind, &numbered);
            field.patterns.extend(own.map(|lowered| lowered.pattern.clone()));
        }
        table
    }

    /// The patterns of a field.
    pub(crate) fn of(&self, field: Field) -> &FieldTable {
        let [uri, sni, user_agent, referer] = &self.fields;
        match field {
            Field::Uri => uri,
            Field::Sni => sni,
            Field::UserAgent => user_agent,
            Field::Referer => referer,
        }
    }

    /// Every shard, by its slot.
    pub(crate) fn shards(&self) -> impl Iterator<Item = &Shard> {
        self.fields.iter().flat_map(|field| &field.shards).map(|part| &*part.shard)
    }
}

impl FieldTable {
    /// The patterns, by their numbers.
    pub(crate) fn patterns(&self) -> &[RegexPattern] {
        &self.patterns
    }

    /// The shards.
    pub(crate) fn shards(&self) -> &[Part] {
        &self.shards
    }

    /// How many patterns are looked up.
    pub(crate) fn lowered(&self) -> usize {
        self.patterns.len() - self.scanned
    }

    /// The number of a pattern.
    pub(crate) fn find(&self, pattern: &RegexPattern) -> Option<u32> {
        let (scanned, lowered) = self.patterns.split_at_checked(self.scanned)?;
        let place = scanned.binary_search(pattern).ok();
        let lowered = || lowered.binary_search(pattern).ok().map(|place| place + scanned.len());
        place.or_else(lowered).map(number)
    }

    /// Finds every pattern that `text` holds. `slot` says what of the memory is a shard's.
    pub(crate) fn scan(
        &self,
        text: &[u8],
        reading: Reading,
        memory: &mut Memory,
        hits: &mut Hits,
        slot: impl Fn(&Part) -> usize,
    ) -> Scanned {
        if !self.lowered.is_empty() {
            self.lowered.find(text, reading, memory.turned(), hits);
        }
        let mut worst = Scanned::Fully;
        if !self.shards.is_empty() {
            memory.hold(text);
        }
        for part in &self.shards {
            match memory.scan(&part.shard, slot(part), part.base, reading, hits) {
                Scanned::Fully => {}
                Scanned::Broken => worst = Scanned::Broken,
            }
        }
        worst
    }
}

/// The rules that patterns find.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// By the number of a pattern; empty where none finds any.
    pub(super) by_pattern: Vec<Run>,
    /// All of them.
    pub(super) any: Run,
}

/// What was found in the fields of one request.
#[derive(Debug, Default)]
pub(crate) struct RegexFindings {
    memory: Memory,
    fields: [Texts; 4],
    /// Memory for another host that the request may end up at, and for its URI there.
    host: String,
    text: Vec<u8>,
}

/// What was found in the texts of one field.
#[derive(Debug, Default)]
struct Texts {
    looked: Option<Scanned>,
    views: [Hits; VIEWS],
    /// How many texts there were.
    count: usize,
    /// In the URI at the other origins that the request may end up at, all together.
    elsewhere: Hits,
}

/// What one field of a request says to patterns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// There is no text.
    Nothing,
    /// There is one, and this phase does not know it.
    NotKnown,
    /// What follows is known.
    Texts(Reading),
}

/// What this phase knows of a field.
pub(crate) fn heard(request: &Request<'_>, field: Field) -> Heard {
    let of = |text: Known<()>| match text {
        Known::Unknown => Heard::NotKnown,
        Known::Absent => Heard::Nothing,
        Known::Is(()) => Heard::Texts(Reading::Whole),
    };
    let known = |text: Known<&[u8]>| match text {
        Known::Unknown => Known::Unknown,
        Known::Absent => Known::Absent,
        Known::Is(_) => Known::Is(()),
    };
    match field {
        Field::Uri => match request.uri.path_known() {
            PathKnown::Known => Heard::Texts(Reading::Whole),
            PathKnown::Unknown => Heard::Texts(Reading::Open),
        },
        Field::Sni => of(match request.sni() {
            Known::Unknown => Known::Unknown,
            Known::Absent => Known::Absent,
            Known::Is(_) => Known::Is(()),
        }),
        Field::UserAgent => of(known(request.user_agent())),
        Field::Referer => of(known(request.referer())),
    }
}

/// Whether one of the asked patterns fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fits {
    /// In this many of the views, out of so many.
    Views {
        /// Where one of them fits.
        fitting: usize,
        /// How many there are.
        all: usize,
        /// Whether one of them fits at another origin that the request may end up at.
        elsewhere: bool,
    },
    /// No scanner could tell.
    Broken,
}

impl RegexFindings {
    /// Makes room for what these patterns can find.
    pub(crate) fn fit(&mut self, table: &RegexTable) {
        self.memory.fit(table.shards());
        for (field, texts) in Field::ALL.into_iter().zip(&mut self.fields) {
            let views = match field {
                Field::Uri => VIEWS,
                Field::Sni | Field::UserAgent | Field::Referer => 1,
            };
            let patterns = table.of(field).patterns.len();
            texts.looked = None;
            texts.views.iter_mut().take(views).for_each(|hits| hits.fit(patterns));
            match field {
                Field::Uri => texts.elsewhere.fit(patterns),
                Field::Sni | Field::UserAgent | Field::Referer => (),
            }
        }
    }

    /// Takes away what scanners need of a thread.
    #[cfg(test)]
    pub(crate) fn lose_memory(&mut self) {
        self.memory = Memory::default();
    }

    /// Forgets the request before.
    pub(crate) fn clear(&mut self) {
        for texts in &mut self.fields {
            if texts.looked.take().is_some() {
                texts.views.iter_mut().for_each(Hits::clear);
                texts.elsewhere.clear();
            }
        }
    }

    /// Scans a field, unless that was done.
    fn look(
        &mut self,
        table: &RegexTable,
        request: &Request<'_>,
        field: Field,
        reading: Reading,
    ) -> Option<&Texts> {
        let Self { memory, fields, host, text: there } = self;
        let texts = fields.get_mut(field.place())?;
        if texts.looked.is_none() {
            let table = table.of(field);
            let mut worst = Scanned::Fully;
            let mut scan = |text: &[u8], hits: &mut Hits| match table.scan(
                text,
                reading,
                memory,
                hits,
                |part| part.slot,
            ) {
                Scanned::Fully => {}
                Scanned::Broken => worst = Scanned::Broken,
            };
            texts.count = match (field, known(request, field)) {
                (Field::Uri, _) => {
                    for (other, port) in request.elsewhere() {
                        host.clear();
                        // Writing to a text cannot fail.
                        let _ = write!(host, "{other}");
                        for view in request.uri.views() {
                            write_authority(there, request.uri.scheme(), host, port);
                            there.extend_from_slice(view.rest());
                            scan(there, &mut texts.elsewhere);
                        }
                    }
                    let views = request.uri.views().zip(&mut texts.views);
                    views.map(|(view, hits)| scan(view.text(), hits)).count()
                }
                (Field::Sni | Field::UserAgent | Field::Referer, text) => {
                    let [hits, ..] = &mut texts.views;
                    text.map(|text| scan(text, hits)).iter().count()
                }
            };
            texts.looked = Some(worst);
        }
        Some(texts)
    }

    /// In how many views one of `asked` fits.
    pub(crate) fn fits(
        &mut self,
        table: &RegexTable,
        request: &Request<'_>,
        field: Field,
        reading: Reading,
        asked: &[u32],
    ) -> Fits {
        let Some(texts) = self.look(table, request, field, reading) else { return Fits::Broken };
        match texts.looked {
            None | Some(Scanned::Broken) => Fits::Broken,
            Some(Scanned::Fully) => {
                let views = texts.views.iter().take(texts.count);
                let fitting = views.filter(|hits| hits.any(asked)).count();
                Fits::Views { fitting, all: texts.count, elsewhere: texts.elsewhere.any(asked) }
            }
        }
    }

    /// Adds the rules that a field finds.
    pub(super) fn gather(
        &mut self,
        table: &RegexTable,
        found: &Found,
        request: &Request<'_>,
        field: Field,
        (runs, candidates): (&Runs, &mut Candidates),
    ) {
        if found.any.is_empty() {
            return;
        }
        let reading = match heard(request, field) {
            Heard::Nothing => return,
            Heard::NotKnown => return if_deferring(request, found, runs, candidates),
            Heard::Texts(reading) => reading,
        };
        if let Some(texts) = self.look(table, request, field, reading) {
            match texts.looked {
                None | Some(Scanned::Broken) => candidates.push(runs, found.any),
                Some(Scanned::Fully) => {
                    let own = texts.views.iter().take(texts.count);
                    for number in own.chain([&texts.elsewhere]).flat_map(Hits::numbers) {
                        if let Some(run) = found.by_pattern.get(*number as usize) {
                            candidates.push(runs, *run);
                        }
                    }
                }
            }
        }
        match reading {
            Reading::Whole => {}
            Reading::Open => if_deferring(request, found, runs, candidates),
        }
    }
}

/// Adds all rules that a field could find, where what is not known defers.
fn if_deferring(request: &Request<'_>, found: &Found, runs: &Runs, candidates: &mut Candidates) {
    match request.unknown() {
        Unknown::Defers => candidates.push(runs, found.any),
        Unknown::Fails => (),
    }
}

/// The text of a field that has one view.
fn known<'a>(request: &Request<'a>, field: Field) -> Option<&'a [u8]> {
    let text = match field {
        Field::Uri => return None,
        Field::Sni => match request.sni() {
            Known::Is(name) => return Some(name.as_str().as_bytes()),
            Known::Unknown | Known::Absent => return None,
        },
        Field::UserAgent => request.user_agent(),
        Field::Referer => request.referer(),
    };
    match text {
        Known::Is(text) => Some(text),
        Known::Unknown | Known::Absent => None,
    }
}

/// A place as a number; shards and policies are bounded far below this.
fn number(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}
