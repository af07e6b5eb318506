//! `passwd`: one line an account, `name:level:algorithm:salt:hash:created:comment` (SPEC 9).
//!
//! What a comment or a blank line is stays where it is. A disabled account keeps the level that it had
//! at the front of its comment, `[was 10]`, so that nothing but this file is needed to give it back.
//!
//! INVARIANT: a text with a faulty line is never written again: [`Passwd::faults`] says so, and whoever
//! changes accounts asks for it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use eg_proto::control::Level;
use eg_proto::control::auth::USER_BYTES_MAX;

/// Accounts at most: an engine has some dozens of operators, and each change writes the whole file.
pub(super) const ACCOUNTS_MAX: usize = 1000;

/// The whole file at most: every account with the longest line, and as much again in comments.
pub(super) const PASSWD_BYTES_MAX: u64 = 1 << 20;

/// What is said of an account, in bytes.
pub(super) const COMMENT_BYTES_MAX: usize = 128;

/// Faulty lines that are told one by one.
const FAULTS_MAX: usize = 100;

/// How `created` is written: RFC 3339 without what separates columns.
const CREATED: &str = "%Y%m%dT%H%M%SZ";

/// What stands for an account without a password.
const NO_PASSWORD: &str = "none";

/// The front of a disabled account's comment.
const WAS: &str = "[was ";

/// The name of an account: 1 to 32 of `a` to `z`, digits, `-`, `_` and `.`, a letter first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct AccountName(String);

impl AccountName {
    /// `text` as a name, where it is one.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let letter = text.starts_with(|first: char| first.is_ascii_lowercase());
        let allowed =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
        (letter && text.len() <= USER_BYTES_MAX && text.bytes().all(allowed))
            .then(|| Self(text.to_owned()))
    }

    /// As it is written.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a hash costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cost {
    /// KiB of memory.
    pub(super) memory: u32,
    /// Passes over it.
    pub(super) passes: u32,
    /// Lanes.
    pub(super) lanes: u32,
}

impl Cost {
    /// What new passwords cost: OWASP's first choice for argon2id, some 30 ms of one core.
    pub(super) const NEW: Self = Self { memory: 19 * 1024, passes: 2, lanes: 1 };

    /// Whether a file may ask for it: a line must not take the machine's memory or a minute of its time.
    const fn is_bounded(self) -> bool {
        matches!(self.memory, 8..=262_144)
            && matches!(self.passes, 1..=16)
            && matches!(self.lanes, 1..=4)
            && self.memory >= 8 * self.lanes
    }

    fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("argon2id$m=")?;
        let (memory, rest) = rest.split_once(",t=")?;
        let (passes, lanes) = rest.split_once(",p=")?;
        let number = |text: &str| text.parse::<u32>().ok().filter(|it| it.to_string() == text);
        let cost = Self { memory: number(memory)?, passes: number(passes)?, lanes: number(lanes)? };
        cost.is_bounded().then_some(cost)
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "argon2id$m={},t={},p={}", self.memory, self.passes, self.lanes)
    }
}

/// A password as it is kept.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Hashed {
    /// What it cost.
    pub(super) cost: Cost,
    /// The salt, 8 to 64 bytes.
    pub(super) salt: Vec<u8>,
    /// The hash.
    pub(super) hash: [u8; HASH_BYTES],
}

/// A hash, in bytes.
pub(super) const HASH_BYTES: usize = 32;

impl fmt::Debug for Hashed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hashed").field("cost", &self.cost).finish_non_exhaustive()
    }
}

/// One account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    /// Its name.
    pub(super) name: AccountName,
    /// Its level.
    pub(super) level: Level,
    /// The level that it had before it was disabled.
    pub(super) was: Option<Level>,
    /// Its password; a service account has none.
    pub(super) password: Option<Hashed>,
    /// When it was made, in seconds of Unix time.
    pub(super) created: i64,
    /// What is said of it.
    pub(super) comment: String,
}

impl Account {
    /// The level that counts where somebody acts on it: one that is disabled keeps what it had, or an
    /// Administrator could give himself the account of a Super Administrator.
    pub(super) fn rank(&self) -> Level {
        match self.level {
            Level::Disabled => self.was.unwrap_or(Level::Disabled),
            level => level,
        }
    }

    /// Whether it is for programs.
    pub(super) fn is_service(&self) -> bool {
        self.rank() == Level::ServiceAccount
    }
}

/// What is wrong with a line, or with the whole file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LineFault {
    /// From 1; 0 for the whole file.
    pub(super) line: usize,
    /// What is wrong. It holds nothing of the line but a name.
    pub(super) what: String,
}

impl fmt::Display for LineFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.what),
            line => write!(f, "line {line}: {}", self.what),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Line {
    Account(AccountName),
    Kept(String),
}

/// The file as a value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Passwd {
    lines: Vec<Line>,
    accounts: BTreeMap<AccountName, Account>,
    faults: Vec<LineFault>,
}

impl Passwd {
    /// A file that cannot even be read.
    pub(super) fn unreadable(what: String) -> Self {
        Self { faults: vec![LineFault { line: 0, what }], ..Self::default() }
    }

    /// Reads a text; every faulty line is told, and none of them is an account.
    pub(super) fn parse(text: &str) -> Self {
        let mut passwd = Self::default();
        let mut twice = BTreeSet::new();
        for (line, number) in text.lines().zip(1..) {
            if line.trim().is_empty() || line.starts_with('#') {
                passwd.lines.push(Line::Kept(line.to_owned()));
                continue;
            }
            match account(line) {
                Ok(found) if passwd.accounts.contains_key(&found.name) => {
                    passwd.fault(number, format!("`{}` stands in it twice", found.name));
                    twice.insert(found.name);
                }
                Ok(_) if passwd.accounts.len() >= ACCOUNTS_MAX => {
                    passwd.fault(number, format!("there are more than {ACCOUNTS_MAX} accounts"));
                }
                Ok(found) => {
                    passwd.lines.push(Line::Account(found.name.clone()));
                    passwd.accounts.insert(found.name.clone(), found);
                }
                Err(what) => passwd.fault(number, what.to_owned()),
            }
        }
        // Nobody can say which of the two is meant.
        passwd.accounts.retain(|name, _| !twice.contains(name));
        passwd
    }

    fn fault(&mut self, line: usize, what: String) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(LineFault { line, what });
        }
    }

    /// The text, which reads as the same.
    pub(super) fn render(&self) -> String {
        let mut text = String::new();
        for line in &self.lines {
            match line {
                Line::Kept(line) => text.push_str(line),
                Line::Account(name) => match self.accounts.get(name) {
                    Some(account) => render(&mut text, account),
                    None => continue,
                },
            }
            text.push('\n');
        }
        text
    }

    /// What is wrong with it.
    pub(super) fn faults(&self) -> &[LineFault] {
        &self.faults
    }

    /// Whether it has neither accounts nor faults.
    pub(super) fn is_empty(&self) -> bool {
        self.accounts.is_empty() && self.faults.is_empty()
    }

    /// The accounts, by name.
    pub(super) fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.accounts.values()
    }

    /// An account.
    pub(super) fn find(&self, name: &str) -> Option<&Account> {
        self.accounts.get(&AccountName::parse(name)?)
    }

    /// An account, to be changed.
    pub(super) fn find_mut(&mut self, name: &AccountName) -> Option<&mut Account> {
        self.accounts.get_mut(name)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.accounts.len()
    }

    /// Adds an account at the end. The caller has looked that there is none by that name.
    pub(super) fn add(&mut self, account: Account) {
        self.lines.push(Line::Account(account.name.clone()));
        self.accounts.insert(account.name.clone(), account);
    }

    /// Takes an account out.
    pub(super) fn remove(&mut self, name: &AccountName) {
        self.lines.retain(|line| !matches!(line, Line::Account(other) if other == name));
        self.accounts.remove(name);
    }

    /// Whether `name` is the only account of level 11 that can log in.
    pub(super) fn is_last_super(&self, name: &AccountName) -> bool {
        let is_super = |account: &&Account| account.level == Level::SuperAdministrator;
        let mut supers = self.accounts().filter(is_super);
        supers.next().is_some_and(|first| first.name == *name) && supers.next().is_none()
    }
}

/// Whether `text` may be what is said of an account.
pub(super) fn is_comment(text: &str) -> bool {
    text.len() <= COMMENT_BYTES_MAX
        && !text.contains(':')
        && !text.chars().any(char::is_control)
        && !text.starts_with(WAS)
}

fn render(text: &mut String, account: &Account) {
    let Account { name, level, was, password, created, comment } = account;
    let (algorithm, salt, hash) = match password {
        Some(Hashed { cost, salt, hash }) => {
            (cost.to_string(), BASE64.encode(salt), BASE64.encode(hash))
        }
        None => (NO_PASSWORD.to_owned(), String::new(), String::new()),
    };
    let created = stamp(*created);
    // A text takes all of it.
    let _ = write!(text, "{name}:{}:{algorithm}:{salt}:{hash}:{created}:", level.number());
    if let Some(was) = was {
        let _ = write!(text, "{WAS}{}] ", was.number());
    }
    text.push_str(comment);
}

fn stamp(seconds: i64) -> String {
    let moment = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    moment.strftime(CREATED).to_string()
}

fn seconds(text: &str) -> Option<i64> {
    let civil = jiff::civil::DateTime::strptime(CREATED, text).ok()?;
    let zoned = civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    let seconds = zoned.timestamp().as_second();
    // One spelling only, so that a file reads as it is written.
    (stamp(seconds) == text).then_some(seconds)
}

/// The account of a line. What is said of a fault holds nothing of a hash.
fn account(line: &str) -> Result<Account, &'static str> {
    let columns: Vec<&str> = line.split(':').collect();
    let [name, level, algorithm, salt, hash, created, comment] = *columns.as_slice() else {
        return Err("it must have seven columns, \
                    `name:level:algorithm:salt:hash:created:comment`");
    };
    let name = AccountName::parse(name)
        .ok_or("a name is 1 to 32 of `a` to `z`, digits, `-`, `_` and `.`, a letter first")?;
    let number = level.parse::<u8>().ok().filter(|number| number.to_string() == level);
    let level = number.and_then(Level::from_number).ok_or("a level is 0, 1, 2, 3, 10 or 11")?;
    let password = password(algorithm, salt, hash)?;
    let created = seconds(created).ok_or("`created` is like `20261127T221940Z`")?;
    let (was, comment) = match level {
        Level::Disabled => was(comment)?,
        Level::Monitoring
        | Level::Standard
        | Level::ServiceAccount
        | Level::Administrator
        | Level::SuperAdministrator => (None, comment),
    };
    if !is_comment(comment) {
        return Err("a comment is one line of 128 bytes at most, and only a disabled account's \
                    begins with `[was `");
    }
    let account = Account { name, level, was, password, created, comment: comment.to_owned() };
    match (account.rank(), &account.password) {
        (Level::ServiceAccount, Some(_)) => Err("a service account has no password"),
        (Level::ServiceAccount | Level::Disabled, None) => Ok(account),
        (_, Some(_)) => Ok(account),
        (_, None) => Err("only a service account is without a password"),
    }
}

fn password(algorithm: &str, salt: &str, hash: &str) -> Result<Option<Hashed>, &'static str> {
    if algorithm == NO_PASSWORD {
        return match (salt, hash) {
            ("", "") => Ok(None),
            _ => Err("without a password there is neither salt nor hash"),
        };
    }
    let cost = Cost::parse(algorithm).ok_or(
        "the algorithm must be `argon2id$m=19456,t=2,p=1`, with `m` 8 to 262144, `t` 1 to 16 and \
         `p` 1 to 4",
    )?;
    let salt = BASE64.decode(salt).ok().filter(|salt| (8..=64).contains(&salt.len()));
    let salt = salt.ok_or("a salt is 8 to 64 bytes in base64 without `=`")?;
    let hash = BASE64.decode(hash).ok().and_then(|hash| hash.try_into().ok());
    let hash = hash.ok_or("a hash is 32 bytes in base64 without `=`")?;
    Ok(Some(Hashed { cost, salt, hash }))
}

/// The level that a disabled account had, and the rest of its comment.
fn was(comment: &str) -> Result<(Option<Level>, &str), &'static str> {
    let Some(rest) = comment.strip_prefix(WAS) else { return Ok((None, comment)) };
    let found = rest.split_once("] ").and_then(|(number, rest)| {
        let level = Level::from_number(number.parse().ok()?)?;
        let plain = level.number().to_string() == number && level != Level::Disabled;
        plain.then_some((Some(level), rest))
    });
    found.ok_or("the front of the comment is not like `[was 10] `")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SALT: &str = "AAECAwQFBgcICQoLDA0ODw";
    const HASH: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    fn line(name: &str, level: &str, comment: &str) -> String {
        format!("{name}:{level}:argon2id$m=19456,t=2,p=1:{SALT}:{HASH}:20261127T221940Z:{comment}")
    }

    #[test]
    fn a_file_reads_as_it_was_written() {
        let text = format!(
            "# operators\n{}\n\n{}\n{}\nci:3:none:::20261127T221940Z:pipeline\n\
             old-ci:0:none:::20261127T221940Z:[was 3] \n",
            line("admin", "11", "first, by hand"),
            line("a.b-c_9", "0", "[was 10] left"),
            line("nobody", "0", ""),
        );
        let passwd = Passwd::parse(&text);
        assert_eq!(passwd.faults(), []);
        assert_eq!(passwd.len(), 5);
        assert_eq!(passwd.render(), text);
        let left = passwd.find("a.b-c_9").unwrap();
        assert_eq!((left.level, left.rank()), (Level::Disabled, Level::Administrator));
        assert_eq!((left.created, left.comment.as_str()), (1_795_817_980, "left"));
        assert!(passwd.find("old-ci").unwrap().is_service());
        assert!(passwd.is_last_super(&AccountName::parse("admin").unwrap()));
    }

    #[test]
    fn every_faulty_line_is_told_with_its_number() {
        let good = line("good", "1", "");
        for (bad, expected) in [
            ("x".to_owned(), "seven columns"),
            (format!("{good}:"), "seven columns"),
            (line("", "1", ""), "a name is"),
            (line("Admin", "1", ""), "a name is"),
            (line("1st", "1", ""), "a name is"),
            (line("a b", "1", ""), "a name is"),
            (line(&"a".repeat(33), "1", ""), "a name is"),
            (line("a", "", ""), "a level is"),
            (line("a", "4", ""), "a level is"),
            (line("a", "011", ""), "a level is"),
            (line("a", "+1", ""), "a level is"),
            (line("a", "3", ""), "a service account has no password"),
            (line("a", "0", "[was 3] "), "a service account has no password"),
            (line("a", "0", "[was 0] "), "[was 10]"),
            (line("a", "0", "[was 99] "), "[was 10]"),
            (line("a", "0", "[was 10]x"), "[was 10]"),
            (line("a", "1", "[was 10] "), "a comment is"),
            (line("a", "1", "tab\there"), "a comment is"),
            (line("a", "1", &"x".repeat(129)), "a comment is"),
            ("a:1:none:::20261127T221940Z:".to_owned(), "only a service account"),
            ("a:3:none:x::20261127T221940Z:".to_owned(), "neither salt nor hash"),
            (line("a", "1", "").replace("argon2id", "argon2i"), "the algorithm"),
            (line("a", "1", "").replace("19456", "999999"), "the algorithm"),
            (line("a", "1", "").replace("19456", "019456"), "the algorithm"),
            (line("a", "1", "").replace("t=2", "t=17"), "the algorithm"),
            (line("a", "1", "").replace("p=1", "p=0"), "the algorithm"),
            (line("a", "1", "").replace(SALT, "AAAA"), "a salt is"),
            (line("a", "1", "").replace(HASH, SALT), "a hash is"),
            (line("a", "1", "").replace("T22", "T25"), "`created`"),
            (line("a", "1", "").replace("20261127", "2026-11-27"), "`created`"),
            (line("good", "1", ""), "twice"),
        ] {
            let passwd = Passwd::parse(&format!("{good}\n# note\n{bad}\n"));
            let faults = passwd.faults();
            assert_eq!(faults.len(), 1, "{bad}: {faults:?}");
            assert_eq!(faults[0].line, 3, "{bad}");
            assert!(faults[0].what.contains(expected), "{bad}: {}", faults[0].what);
            assert!(!faults[0].to_string().contains(HASH));
            // One that stands twice is nobody's.
            assert_eq!(passwd.find("good").is_some(), expected != "twice", "{bad}");
            assert!(!passwd.is_empty());
        }
    }

    #[test]
    fn there_is_a_bound() {
        let lines: Vec<String> =
            (0..=ACCOUNTS_MAX).map(|number| line(&format!("a{number}"), "1", "")).collect();
        let text = lines.join("\n");
        assert!((text.len() as u64) < PASSWD_BYTES_MAX);
        let passwd = Passwd::parse(&text);
        assert_eq!((passwd.len(), passwd.faults().len()), (ACCOUNTS_MAX, 1));
        let many = Passwd::parse(&"x\n".repeat(5000));
        assert_eq!(many.faults().len(), FAULTS_MAX);
    }

    #[test]
    fn accounts_come_and_go_in_their_places() {
        let mut passwd = Passwd::parse(&format!("{}\n# b\n", line("a", "11", "")));
        let mut account = passwd.find("a").unwrap().clone();
        account.name = AccountName::parse("b").unwrap();
        passwd.add(account);
        assert!(!passwd.is_last_super(&AccountName::parse("a").unwrap()));
        passwd.remove(&AccountName::parse("a").unwrap());
        assert_eq!(passwd.render(), format!("# b\n{}\n", line("b", "11", "")));
    }

    fn any_account() -> impl Strategy<Value = Account> {
        let level = prop::sample::select(Level::ALL.to_vec());
        let was = prop::option::of(prop::sample::select(Level::ALL[1..].to_vec()));
        let parts = (any::<[u8; 32]>(), prop::collection::vec(any::<u8>(), 8..=64));
        let cost = (8u32..=262_144, 1u32..=16).prop_map(|(memory, passes)| Cost {
            memory,
            passes,
            lanes: 1,
        });
        (
            "[a-z][a-z0-9._-]{0,31}",
            level,
            was,
            parts,
            cost,
            0i64..4_000_000_000,
            "[^:\\p{Cc}\\[]{0,30}",
        )
            .prop_map(|(name, level, was, (hash, salt), cost, created, comment)| {
                let was = was.filter(|_| level == Level::Disabled);
                let mut account = Account {
                    name: AccountName::parse(&name).unwrap(),
                    level,
                    was,
                    password: None,
                    created,
                    comment,
                };
                if !account.is_service() {
                    account.password = Some(Hashed { cost, salt, hash });
                }
                account
            })
    }

    proptest! {
        #[test]
        fn whatever_is_written_reads_as_the_same(accounts in prop::collection::vec(any_account(), 0..8)) {
            let mut passwd = Passwd::default();
            for account in accounts {
                if passwd.find(account.name.as_str()).is_none() {
                    passwd.add(account);
                }
            }
            let read = Passwd::parse(&passwd.render());
            prop_assert_eq!(read, passwd);
        }

        #[test]
        fn whatever_is_read_is_an_account_a_kept_line_or_a_fault(text in "([a-z:0-9\\[\\] $=,#\n]|\\PC){0,200}") {
            let passwd = Passwd::parse(&text);
            let lines = text.lines().count();
            prop_assert_eq!(passwd.lines.len() + passwd.faults.len(), lines);
            prop_assert!(passwd.faults.iter().all(|fault| (1..=lines).contains(&fault.line)));
            if passwd.faults.is_empty() {
                prop_assert_eq!(Passwd::parse(&passwd.render()), passwd);
            }
        }
    }
}
