//! Words to a call: the one parser of the shell and of the command line.
//!
//! Required arguments are said by their place, the others by their name: `source 10.0.0.1`, `--source
//! 10.0.0.1`, `--source=10.0.0.1`. A switch needs no value. A secret is never taken from words.

use eg_proto::control::Level;
use eg_proto::control::verbs::{Arg, ArgKind, Need};

use super::entries::Entry;
use super::words::{Form, Word};

/// Whether words may be shortened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Short {
    /// As long as they stay unambiguous: in the shell.
    Allowed,
    /// Never: scripts outlive tables.
    Never,
}

/// The value of an argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given {
    /// A text.
    Text(String),
    /// A number.
    Number(u64),
    /// On or off.
    Switch(bool),
    /// A level.
    Level(Level),
    /// Several texts.
    Many(Vec<String>),
}

/// Something that was said.
#[derive(Debug, Clone)]
pub struct Call<'e> {
    /// What.
    pub entry: &'e Entry,
    /// With which arguments.
    pub given: Vec<(Arg, Given)>,
    /// The required ones that were not said.
    pub missing: Vec<Arg>,
}

/// Why words are no call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrammarFault {
    /// There is no such word here.
    #[error("`{word}` is no word here{}", did_you_mean(.nearest.as_deref(), .known))]
    Unknown {
        /// The word.
        word: String,
        /// The one that was probably meant.
        nearest: Option<String>,
        /// Those that there are.
        known: Vec<String>,
    },
    /// More than one word begins so.
    #[error("`{word}` may be {}", .candidates.join(", "))]
    Ambiguous {
        /// The beginning.
        word: String,
        /// The words that begin so.
        candidates: Vec<String>,
    },
    /// Something has to follow.
    #[error("something has to follow: {}", .known.join(", "))]
    Incomplete {
        /// What can.
        known: Vec<String>,
    },
    /// A required argument is not there.
    #[error("{} is missing: {usage}", .names.join(", "))]
    Missing {
        /// Which.
        names: Vec<String>,
        /// How it is written.
        usage: String,
    },
    /// An argument was said twice.
    #[error("`{0}` is said twice; once is enough")]
    Twice(String),
    /// An argument has no value.
    #[error("`{name}` needs a value: {help}")]
    NoValue {
        /// Which.
        name: String,
        /// What it is.
        help: &'static str,
    },
    /// A value is none of its kind.
    #[error("`{value}` is no value of `{name}`: {wants}")]
    Value {
        /// Of which argument.
        name: String,
        /// The value.
        value: String,
        /// What it takes.
        wants: String,
    },
    /// A secret was said.
    #[error(
        "`{0}` is a secret and never taken from words, which others can see; it is asked for, or read \
         from standard input"
    )]
    Secret(String),
    /// A quote is not closed.
    #[error("the quote {0} is not closed")]
    OpenQuote(char),
}

fn did_you_mean(nearest: Option<&str>, known: &[String]) -> String {
    match (nearest, known) {
        (Some(nearest), _) => format!("; did you mean `{nearest}`?"),
        (None, []) => String::new(),
        (None, known) => format!("; there are {}", known.join(", ")),
    }
}

/// Where words have led.
#[derive(Debug)]
pub enum Step<'e> {
    /// To these, of which more words decide; so many words were said.
    Open(Vec<&'e Entry>, usize),
    /// To this one; the words behind it are its arguments.
    At(&'e Entry, usize),
}

/// Follows words to an entry of those that there are.
///
/// # Errors
///
/// [`GrammarFault`]
pub fn walk<'e>(
    entries: &[&'e Entry],
    words: &[Word],
    short: Short,
) -> Result<Step<'e>, GrammarFault> {
    if let Some(word) = words.first()
        && let Some(entry) =
            entries.iter().find(|entry| entry.words.len() > 1 && entry.name() == word.text)
    {
        return Ok(Step::At(entry, 1));
    }
    let mut open: Vec<&Entry> = entries.to_vec();
    for (at, word) in words.iter().enumerate() {
        let next = pick(&nexts(&open, at), word, short)?;
        open.retain(|entry| entry.words.get(at) == Some(&next));
        let said = at.saturating_add(1);
        let whole = open.iter().find(|entry| entry.words.len() == said);
        // `commit` is one, and begins `commit check`, where that is what follows.
        let goes_on = words.get(said).is_some_and(|word| {
            !matches!(pick(&nexts(&open, said), word, short), Err(GrammarFault::Unknown { .. }))
        });
        match whole {
            Some(entry) if !goes_on => return Ok(Step::At(entry, said)),
            Some(_) | None => {}
        }
    }
    Ok(Step::Open(open, words.len()))
}

/// The words that can stand at this place, each once, in order.
#[must_use]
pub fn nexts(open: &[&Entry], at: usize) -> Vec<&'static str> {
    let mut nexts = Vec::new();
    for word in open.iter().filter_map(|entry| entry.words.get(at)) {
        if !nexts.contains(word) {
            nexts.push(*word);
        }
    }
    nexts
}

/// The one of `known` that a word means.
///
/// # Errors
///
/// None, or more than one.
pub fn pick<'k>(known: &[&'k str], word: &Word, short: Short) -> Result<&'k str, GrammarFault> {
    let text = word.text.as_str();
    if let Some(same) = known.iter().find(|known| **known == text) {
        return Ok(same);
    }
    let begin: Vec<&'k str> = match (short, word.form) {
        (Short::Allowed, Form::Plain) if !text.is_empty() => {
            known.iter().copied().filter(|known| known.starts_with(text)).collect()
        }
        (Short::Allowed | Short::Never, _) => Vec::new(),
    };
    match begin.as_slice() {
        [one] => Ok(one),
        [] => Err(unknown(text, known)),
        [_, _, ..] => Err(GrammarFault::Ambiguous {
            word: text.to_owned(),
            candidates: begin.iter().map(|word| (*word).to_owned()).collect(),
        }),
    }
}

fn unknown(word: &str, known: &[&str]) -> GrammarFault {
    let nearest = eg_policy::diagnostic::nearest(word, known.iter().copied());
    GrammarFault::Unknown {
        word: word.to_owned(),
        nearest: nearest.map(str::to_owned),
        known: known.iter().map(|word| (*word).to_owned()).collect(),
    }
}

/// The arguments of a call, word by word.
#[derive(Debug)]
pub struct Arguments<'e> {
    entry: &'e Entry,
    short: Short,
    given: Vec<(Arg, Given)>,
    /// The argument whose value comes next.
    pending: Option<Arg>,
    /// Whether `--` was said: no names any more.
    only_places: bool,
}

impl<'e> Arguments<'e> {
    /// None yet.
    #[must_use]
    pub const fn of(entry: &'e Entry, short: Short) -> Self {
        Self { entry, short, given: Vec::new(), pending: None, only_places: false }
    }

    /// The argument whose value comes next, by its name or by its place.
    #[must_use]
    pub fn wants(&self) -> Option<Arg> {
        self.pending.or_else(|| self.next_place())
    }

    /// Whether a name was said whose value is still to come.
    #[must_use]
    pub const fn is_pending(&self) -> bool {
        self.pending.is_some()
    }

    /// The arguments that can still be said by their name.
    #[must_use]
    pub fn names(&self) -> Vec<Arg> {
        let free = |arg: &&Arg| arg.need == Need::Repeated || !self.has(arg);
        self.entry.optional().filter(free).copied().collect()
    }

    /// What was given so far for an argument.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&Given> {
        self.given.iter().find(|(arg, _)| arg.name == name).map(|(_, given)| given)
    }

    fn has(&self, arg: &Arg) -> bool {
        self.value(arg.name).is_some()
    }

    fn next_place(&self) -> Option<Arg> {
        self.entry.required().find(|arg| !self.has(arg)).copied()
    }

    /// Takes one word more.
    ///
    /// # Errors
    ///
    /// [`GrammarFault`]
    pub fn take(&mut self, word: &Word) -> Result<(), GrammarFault> {
        let text = word.text.as_str();
        if let Some(arg) = self.pending.take() {
            if arg.kind != ArgKind::Switch {
                return self.put(arg, text);
            }
            // A switch may stand alone; its value may follow.
            if let Some(is_on) = switch(text) {
                return self.set(arg, Given::Switch(is_on));
            }
            self.set(arg, Given::Switch(true))?;
        }
        let is_plain = word.form == Form::Plain && !self.only_places;
        if is_plain && text == "--" {
            self.only_places = true;
            return Ok(());
        }
        // What begins with a dash is a name, in quotes too: a shell has taken those of `--a="b c"` away.
        if !self.only_places
            && let Some(option) = text.strip_prefix("--")
        {
            return self.option(option);
        }
        if let Some(arg) = self.next_place() {
            // A number can be left to its default where a name follows: `commit confirmed comment x`.
            let is_name = arg.kind == ArgKind::Number && self.known().contains(&text);
            if !is_name {
                return self.put(arg, text);
            }
        }
        if !is_plain {
            return Err(unknown(text, &self.known()));
        }
        match pick(&self.known(), word, self.short) {
            Ok(name) => self.begin(name),
            Err(fault) => self.go_on(text).then_some(()).ok_or(fault),
        }
    }

    /// Whether a word more of a sentence was taken: in the shell a reason needs no quotes.
    fn go_on(&mut self, text: &str) -> bool {
        match (self.short, self.given.last_mut()) {
            (Short::Allowed, Some((arg, Given::Text(sentence)))) if is_sentence(arg) => {
                sentence.push_str(&format!(" {text}"));
                true
            }
            (Short::Allowed | Short::Never, _) => false,
        }
    }

    fn known(&self) -> Vec<&'static str> {
        self.entry.optional().map(|arg| arg.name).collect()
    }

    fn option(&mut self, option: &str) -> Result<(), GrammarFault> {
        let (name, value) = match option.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (option, None),
        };
        let known: Vec<&str> = self.entry.args.iter().map(|arg| arg.name).collect();
        let name = pick(&known, &Word::plain(name), self.short)?;
        self.begin(name)?;
        match (value, self.pending) {
            (Some(value), Some(arg)) => {
                self.pending = None;
                self.put(arg, value)
            }
            (None, _) | (Some(_), None) => Ok(()),
        }
    }

    fn begin(&mut self, name: &str) -> Result<(), GrammarFault> {
        let Some(arg) = self.entry.args.iter().find(|arg| arg.name == name).copied() else {
            return Err(unknown(name, &self.known()));
        };
        if arg.need == Need::Prompted {
            return Err(GrammarFault::Secret(name.to_owned()));
        }
        if arg.need != Need::Repeated && self.has(&arg) {
            return Err(GrammarFault::Twice(name.to_owned()));
        }
        self.pending = Some(arg);
        Ok(())
    }

    fn put(&mut self, arg: Arg, text: &str) -> Result<(), GrammarFault> {
        let given = value_of(&arg, text)?;
        self.set(arg, given)
    }

    fn set(&mut self, arg: Arg, given: Given) -> Result<(), GrammarFault> {
        let before = self.given.iter_mut().find(|(known, _)| known.name == arg.name);
        match (before, given) {
            (None, given) => self.given.push((arg, given)),
            (Some((_, Given::Many(all))), Given::Many(more)) => all.extend(more),
            (Some(_), _) => return Err(GrammarFault::Twice(arg.name.to_owned())),
        }
        Ok(())
    }

    /// What was said, with what is missing.
    ///
    /// # Errors
    ///
    /// A value is still to come.
    pub fn done(mut self) -> Result<Call<'e>, GrammarFault> {
        if let Some(arg) = self.pending.take() {
            if arg.kind != ArgKind::Switch {
                return Err(GrammarFault::NoValue { name: arg.name.to_owned(), help: arg.help });
            }
            self.set(arg, Given::Switch(true))?;
        }
        let missing = self.entry.required().filter(|arg| !self.has(arg)).copied().collect();
        Ok(Call { entry: self.entry, given: self.given, missing })
    }
}

impl Call<'_> {
    /// The value of an argument.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&Given> {
        self.given.iter().find(|(arg, _)| arg.name == name).map(|(_, given)| given)
    }

    /// The value of an argument that is a text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.value(name)? {
            Given::Text(text) => Some(text),
            Given::Number(_) | Given::Switch(_) | Given::Level(_) | Given::Many(_) => None,
        }
    }

    /// Whether a switch is on.
    #[must_use]
    pub fn is_on(&self, name: &str) -> bool {
        self.value(name) == Some(&Given::Switch(true))
    }

    /// The same, whole.
    ///
    /// # Errors
    ///
    /// A required argument is missing.
    pub fn whole(self) -> Result<Self, GrammarFault> {
        if self.missing.is_empty() {
            return Ok(self);
        }
        let names = self.missing.iter().map(|arg| format!("`{}`", arg.name)).collect();
        Err(GrammarFault::Missing { names, usage: self.entry.usage() })
    }
}

/// What words say.
///
/// # Errors
///
/// [`GrammarFault`]
pub fn parse<'e>(
    entries: &[&'e Entry],
    words: &[Word],
    short: Short,
) -> Result<Call<'e>, GrammarFault> {
    match walk(entries, words, short)? {
        Step::Open(open, said) => {
            let known = nexts(&open, said).iter().map(|word| (*word).to_owned()).collect();
            Err(GrammarFault::Incomplete { known })
        }
        Step::At(entry, said) => {
            let mut arguments = Arguments::of(entry, short);
            words.iter().skip(said).try_for_each(|word| arguments.take(word))?;
            arguments.done()
        }
    }
}

fn switch(text: &str) -> Option<bool> {
    match text {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// Whether a person writes a sentence there.
fn is_sentence(arg: &Arg) -> bool {
    arg.kind == ArgKind::Text && matches!(arg.name, "comment" | "reason")
}

/// A level by its word or its number.
#[must_use]
pub(crate) fn level(text: &str) -> Option<Level> {
    let by_number = text.parse().ok().and_then(Level::from_number);
    by_number.or_else(|| Level::ALL.into_iter().find(|level| level.word() == text))
}

fn value_of(arg: &Arg, text: &str) -> Result<Given, GrammarFault> {
    let fault = |wants: String| GrammarFault::Value {
        name: arg.name.to_owned(),
        value: text.to_owned(),
        wants,
    };
    if arg.need == Need::Repeated {
        return Ok(Given::Many(vec![text.to_owned()]));
    }
    match arg.kind {
        ArgKind::Number | ArgKind::Session | ArgKind::Generation => {
            let number = text.parse().map_err(|_| fault("it takes a whole number".to_owned()))?;
            Ok(Given::Number(number))
        }
        ArgKind::Switch => {
            let is_on = switch(text).ok_or_else(|| fault("it takes true or false".to_owned()))?;
            Ok(Given::Switch(is_on))
        }
        ArgKind::Level => level(text).map(Given::Level).ok_or_else(|| {
            let words: Vec<&str> = Level::ALL.iter().map(|level| level.word()).collect();
            fault(format!("it takes {}", words.join(", ")))
        }),
        ArgKind::Address => {
            let address: Result<std::net::IpAddr, _> = text.parse();
            address.map_err(|_| fault("it takes an address, such as 10.0.0.1".to_owned()))?;
            Ok(Given::Text(text.to_owned()))
        }
        ArgKind::Text
        | ArgKind::Url
        | ArgKind::Network
        | ArgKind::Moment
        | ArgKind::Rule
        | ArgKind::User
        | ArgKind::Neighbor
        | ArgKind::Revision
        | ArgKind::KeyPrefix
        | ArgKind::File
        | ArgKind::Secret => {
            if text.is_empty() {
                return Err(fault(format!("it must not be empty; {}", arg.help)));
            }
            Ok(Given::Text(text.to_owned()))
        }
    }
}
