//! Records of a zone of response policies (RPZ): `name CNAME .`
//!
//! Only triggers of the name that is asked for are taken, and only actions that block: no such name, no
//! data, and drop. `name` is that host alone, as in DNS; `*.name` is the name and all below it, as in every
//! list of ours. A passthru is an exception, which permits nothing here. What belongs to the zone itself
//! (SOA, NS) is passed over.

use super::collect::Collector;
use super::line::Content;
use super::report::RefusedLine;

/// A record longer than this has no name to block.
const LINE_BYTES_MAX: usize = 16_384;

/// Ends of owners that trigger on something else than the name.
const OTHER_TRIGGERS: [&[u8]; 4] = [b"rpz-ip", b"rpz-client-ip", b"rpz-nsdname", b"rpz-nsip"];

/// What is known of the zone so far.
#[derive(Debug, Default)]
pub(super) struct Zone {
    /// The name of the zone, without a dot behind it.
    apex: Option<Vec<u8>>,
    /// What `$ORIGIN` says now, without a dot behind it.
    origin: Option<Vec<u8>>,
    /// The owner of the record before.
    owner: Option<Vec<u8>>,
    /// Brackets that are open: the record goes on.
    open: usize,
    /// The line in which the first of them was opened, for the report if nobody closes it.
    opened: u64,
    /// The line that was refused last.
    refused: u64,
}

impl Zone {
    pub(super) fn line(&mut self, list: &mut Collector, raw: &[u8]) -> Result<(), RefusedLine> {
        let outcome = self.record(list, raw);
        if outcome.is_err() {
            self.refused = list.report.lines;
        }
        outcome
    }

    fn record(&mut self, list: &mut Collector, raw: &[u8]) -> Result<(), RefusedLine> {
        let line = match without_comment(raw) {
            Content::Nothing => return Ok(()),
            Content::TooLong => return Err(RefusedLine::TooLong),
            Content::Entry(line) => line,
        };
        if line.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
            return Err(RefusedLine::Control);
        }
        let here = list.report.lines;
        if self.open > 0 && !has_shape(raw) {
            self.count_brackets(line, here);
            return Ok(());
        }
        // A record of its own inside of brackets: nobody closed them, and what follows must not be lost.
        self.end(list);
        self.count_brackets(line, here);
        if let Some(directive) = line.strip_prefix(b"$") {
            return self.directive(directive);
        }
        let mut words = words(line).peekable();
        let owner = match line.first() {
            Some(b' ' | b'\t') => self.owner.clone(),
            Some(_) | None => words.next().map(<[u8]>::to_ascii_lowercase),
        };
        let owner = owner.ok_or(RefusedLine::RpzRecord)?;
        self.owner = Some(owner.clone());
        while words.next_if(|word| is_class_or_ttl(word)).is_some() {}
        let kind = words.next().ok_or(RefusedLine::RpzRecord)?.to_ascii_lowercase();
        match (kind.as_slice(), words.next()) {
            (b"soa", _) => {
                self.begin(&owner);
                Ok(())
            }
            (b"cname", Some(target)) => self.policy(list, &owner, &target.to_ascii_lowercase()),
            _ if self.is_apex(&owner) => Ok(()),
            (b"ns" | b"a" | b"aaaa" | b"txt" | b"mx" | b"srv" | b"ptr" | b"dname", _) => {
                Err(RefusedLine::RpzAction)
            }
            _ => Err(RefusedLine::RpzRecord),
        }
    }

    /// Ends a record that goes on, or the zone: brackets that are open by now are never closed.
    pub(super) fn end(&mut self, list: &mut Collector) {
        if self.open > 0 && self.opened != self.refused {
            list.report.refuse(self.opened, RefusedLine::RpzOpen);
        }
        self.open = 0;
    }

    /// `$ORIGIN`, `$TTL`.
    fn directive(&mut self, line: &[u8]) -> Result<(), RefusedLine> {
        let mut words = words(line);
        let word = words.next().unwrap_or_default().to_ascii_lowercase();
        match (word.as_slice(), words.next()) {
            (b"ttl", Some(_)) => Ok(()),
            (b"origin", Some(name)) => {
                let name = name.to_ascii_lowercase();
                let name = match (name.strip_suffix(b"."), &self.origin) {
                    (Some(absolute), _) => absolute.to_vec(),
                    (None, Some(origin)) => [&name, b".".as_slice(), origin].concat(),
                    (None, None) => return Err(RefusedLine::RpzOutside),
                };
                self.apex.get_or_insert_with(|| name.clone());
                self.origin = Some(name);
                Ok(())
            }
            _ => Err(RefusedLine::RpzRecord),
        }
    }

    /// The zone begins with its SOA.
    fn begin(&mut self, owner: &[u8]) {
        if let Some(absolute) = owner.strip_suffix(b".") {
            self.apex = Some(absolute.to_vec());
            self.origin.get_or_insert_with(|| absolute.to_vec());
        }
    }

    fn is_apex(&self, owner: &[u8]) -> bool {
        owner == b"@"
            || owner.strip_suffix(b".").is_some_and(|owner| self.apex.as_deref() == Some(owner))
    }

    /// What a CNAME says of its owner.
    fn policy(&self, list: &mut Collector, owner: &[u8], target: &[u8]) -> Result<(), RefusedLine> {
        if self.is_apex(owner) {
            return Ok(());
        }
        let name = self.trigger(owner)?;
        let is_other = |end: &[u8]| {
            let front = name.strip_suffix(end);
            front.is_some_and(|front| front.is_empty() || front.ends_with(b"."))
        };
        if OTHER_TRIGGERS.iter().any(|end| is_other(end)) {
            return Err(RefusedLine::RpzTrigger);
        }
        match target {
            b"." | b"*." | b"rpz-drop" | b"rpz-drop." => {}
            b"rpz-passthru" | b"rpz-passthru." => {
                list.report.exception();
                return Ok(());
            }
            // The old way to write a passthru.
            _ if target.strip_suffix(b".") == Some(&name) => {
                list.report.exception();
                return Ok(());
            }
            _ => return Err(RefusedLine::RpzAction),
        }
        match name.strip_prefix(b"*.") {
            Some(below) => list.tree(below),
            None if name == b"*" => Err(RefusedLine::Everything),
            None => list.host(&name),
        }
    }

    /// The name that an owner means: what stands in front of the zone's own.
    fn trigger(&self, owner: &[u8]) -> Result<Vec<u8>, RefusedLine> {
        let whole = match (owner.strip_suffix(b"."), &self.origin) {
            (Some(absolute), _) => absolute.to_vec(),
            (None, Some(origin)) => [owner, b".", origin].concat(),
            (None, None) => return Ok(owner.to_vec()),
        };
        let apex = self.apex.as_deref().ok_or(RefusedLine::RpzOutside)?;
        let front = whole.strip_suffix(apex).and_then(|front| front.strip_suffix(b"."));
        front.map(<[u8]>::to_vec).ok_or(RefusedLine::RpzOutside)
    }

    fn count_brackets(&mut self, line: &[u8], here: u64) {
        let mut is_quoted = false;
        for byte in line {
            match byte {
                b'"' => is_quoted = !is_quoted,
                b'(' if !is_quoted => {
                    if self.open == 0 {
                        self.opened = here;
                    }
                    self.open = self.open.saturating_add(1);
                }
                b')' if !is_quoted => self.open = self.open.saturating_sub(1),
                _ => {}
            }
        }
    }
}

/// Whether a line has the shape of a record that a policy zone has.
pub(super) fn has_shape(raw: &[u8]) -> bool {
    let Content::Entry(line) = without_comment(raw) else { return false };
    let mut words = words(line).skip_while(|word| {
        !word.eq_ignore_ascii_case(b"cname") && !word.eq_ignore_ascii_case(b"soa")
    });
    match words.next() {
        Some(kind) if kind.eq_ignore_ascii_case(b"soa") => words.next().is_some(),
        Some(_) => words.next().is_some_and(|target| {
            [b".".as_slice(), b"*.", b"rpz-drop.", b"rpz-drop"].contains(&target)
        }),
        None => false,
    }
}

fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
}

/// A class, or a time to live such as `300` or `1h30m`.
fn is_class_or_ttl(word: &[u8]) -> bool {
    word.eq_ignore_ascii_case(b"in")
        || (word.first().is_some_and(u8::is_ascii_digit)
            && word.iter().all(|byte| byte.is_ascii_digit() || b"smhdwSMHDW".contains(byte)))
}

/// The line up to a `;` outside of quotes, with the white space in front, which says something here.
fn without_comment(raw: &[u8]) -> Content<'_> {
    let mut is_quoted = false;
    let end = raw.iter().position(|byte| {
        is_quoted ^= *byte == b'"';
        *byte == b';' && !is_quoted
    });
    let line = raw.get(..end.unwrap_or(raw.len())).unwrap_or_default().trim_ascii_end();
    match line.len() {
        0 => Content::Nothing,
        1..=LINE_BYTES_MAX => Content::Entry(line),
        _ => Content::TooLong,
    }
}
