//! The blocks of a squidGuard.conf. Reads to the end whatever stands there and says every fault with its
//! line; after a fault it goes on behind the block's `}`.

use super::super::report::{Fault, Place, fault};
use super::clock::Clocks;
use super::conf::{Acl, Branch, Conf, Dialect, During, Pass, SettingKind, Side, Sign, Word};
use super::lex::{Lexer, Token};

/// Bytes of a configuration file. People write it; what is larger is a list that was taken for it.
pub const CONF_BYTES_MAX: usize = 4 << 20;

/// Blocks of a file, so that names can be looked up one by one.
const BLOCKS_MAX: usize = 10_000;

/// Words of all `pass` lines of a file; each becomes rules.
const PASS_WORDS_MAX: usize = 100_000;

/// Settings of squidGuard that have no part in a policy.
const SETTINGS: &[&str] = &[
    "logdir",
    "syslog",
    "ldapcachetime",
    "ldapprotover",
    "ldapbinddn",
    "ldapbindpass",
    "mysqlusername",
    "mysqlpassword",
    "mysqldb",
    "groupttl",
];

/// Settings of ufdbGuard about connections.
const SECURITY: &[&str] = &[
    "check-proxy-tunnels",
    "block-bumped-connect",
    "safe-search",
    "youtube-edufilter",
    "youtube-edufilter-id",
    "allow-google-https-using-ip",
    "deny-mode",
    "firewall-mode",
    "strip-domain-from-username",
    "url-lookup-result-during-database-reload",
    "url-lookup-result-when-fatal-error",
    "evaluate-and",
    "evaluate-or",
];

/// Other settings of ufdbGuard, besides `ufdb-...`, `redirect-...`, `log...`, `https-...`, `allow-...`.
const UFDB_SETTINGS: &[&str] = &[
    "pidfile",
    "port",
    "interface",
    "cpus",
    "mail-server",
    "admin-email",
    "sender-email",
    "my-hostname",
    "external-status-command",
    "analyse-uncategorised-urls",
    "analyze-uncategorised-urls",
    "upload-stats",
    "administrator",
    "max-logfile-size",
    "reuse-acl-names",
    "url-lookup-delay-during-database-reload",
    "squid-version",
    "num-worker-threads",
    "upload-crash-reports",
    "lookup-reverse-ip",
    "use-ipv6-on-wan",
    "squid-uses-ssl-bump",
    "squid-uses-active-bumping",
    "refreshuserlist",
    "refreshdomainlist",
    "logdir",
    "http-server",
];

/// Reads a configuration.
pub(crate) fn parse(file: &str, text: &str, dialect: Dialect, year: i16) -> (Conf, Vec<Fault>) {
    let mut parser = Parser {
        file,
        dialect,
        lexer: Lexer::new(text),
        conf: Conf::default(),
        faults: Vec::new(),
        pass_words: 0,
        clocks: Clocks::default(),
        year,
    };
    if text.len() > CONF_BYTES_MAX {
        let what = format!("larger than {CONF_BYTES_MAX} bytes: not a configuration file");
        parser.fault(0, what);
        return (parser.conf, parser.faults);
    }
    parser.file();
    if let Some(line) = parser.lexer.unclosed_quote() {
        parser.fault(line, "a `\"` that is not closed on its line");
    }
    (parser.conf, parser.faults)
}

pub(super) struct Parser<'a> {
    pub(super) file: &'a str,
    pub(super) dialect: Dialect,
    pub(super) lexer: Lexer<'a>,
    pub(super) conf: Conf,
    pub(super) faults: Vec<Fault>,
    pass_words: usize,
    pub(super) clocks: Clocks,
    /// This year, from which on dates that come back are written out.
    pub(super) year: i16,
}

/// A fault was noted; the block is left.
pub(super) struct Lost;

impl Parser<'_> {
    pub(super) fn fault(&mut self, line: u64, what: impl Into<String>) {
        fault(&mut self.faults, &Place::new(self.file, line), what);
    }

    fn file(&mut self) {
        while let Some(token) = self.lexer.next() {
            match token {
                Token::Word(word) if self.blocks() >= BLOCKS_MAX => {
                    self.fault(word.line, format!("more than {BLOCKS_MAX} blocks"));
                    return;
                }
                Token::Word(word) => {
                    if self.statement(&word).is_err() {
                        self.leave();
                    }
                }
                Token::Close => {
                    let line = self.lexer.line();
                    self.fault(line, "a `}` that nothing opens");
                }
                Token::Open | Token::Bang | Token::Mark | Token::Quoted(_) => {
                    let line = self.lexer.line();
                    self.fault(line, "no block begins like this");
                    self.leave();
                }
            }
        }
    }

    const fn blocks(&self) -> usize {
        let Conf { times, sources, dests, acls, .. } = &self.conf;
        times.len() + sources.len() + dests.len() + acls.len()
    }

    fn statement(&mut self, word: &Word) -> Result<(), Lost> {
        match word.text.as_str() {
            "dbhome" => {
                self.conf.dbhome = Some(self.value(word)?.text);
                Ok(())
            }
            "time" => self.time(),
            "src" | "source" => self.source(),
            "dest" | "destination" => self.dest(),
            "cat" | "category" if self.dialect == Dialect::UfdbGuard => self.dest(),
            "rew" | "rewrite" => self.rewrite(),
            "acl" => self.acls(),
            other => match self.setting(other) {
                Some(kind) => {
                    let rest = self.lexer.rest_of_line();
                    let shown = if other.contains("pass") { String::new() } else { rest.text };
                    let text = format!("{other} {shown}").trim_end().to_owned();
                    self.conf.settings.push((Word { text, line: word.line }, kind));
                    Ok(())
                }
                None => {
                    self.fault(word.line, format!("unknown directive `{other}`"));
                    self.lexer.rest_of_line();
                    Ok(())
                }
            },
        }
    }

    fn setting(&self, word: &str) -> Option<SettingKind> {
        if SETTINGS.contains(&word) {
            return Some(SettingKind::Plain);
        }
        if self.dialect == Dialect::SquidGuard {
            return None;
        }
        if SECURITY.contains(&word)
            || ["https-", "enforce-", "allow-"].iter().any(|begin| word.starts_with(begin))
        {
            return Some(SettingKind::Security);
        }
        let plain = UFDB_SETTINGS.contains(&word)
            || ["ufdb-", "redirect-", "log"].iter().any(|begin| word.starts_with(begin));
        plain.then_some(SettingKind::Plain)
    }

    fn rewrite(&mut self) -> Result<(), Lost> {
        let name = self.name("rewrite")?;
        self.conf.rewrites.push(name);
        self.open()?;
        // What a rewrite does is lost as a whole, where it is used.
        loop {
            match self.lexer.next() {
                Some(Token::Close) => return Ok(()),
                Some(_) => {}
                None => return self.unclosed(),
            }
        }
    }

    fn acls(&mut self) -> Result<(), Lost> {
        self.open()?;
        loop {
            match self.lexer.next() {
                Some(Token::Close) => return Ok(()),
                Some(Token::Word(name) | Token::Quoted(name)) => self.acl(name)?,
                Some(_) => return self.lost("the name of a source, or `default`, stands here"),
                None => return self.unclosed(),
            }
        }
    }

    fn acl(&mut self, source: Word) -> Result<(), Lost> {
        let branch = match self.lexer.peek() {
            Some(Token::Word(side)) if matches!(side.text.as_str(), "within" | "outside") => {
                self.lexer.next();
                Branch::During(self.during(&side)?)
            }
            _ => Branch::Always,
        };
        self.branch(source.clone(), branch)?;
        if matches!(self.lexer.peek(), Some(Token::Word(word)) if word.text == "else") {
            self.lexer.next();
            self.branch(source, Branch::Else)?;
        }
        Ok(())
    }

    fn branch(&mut self, source: Word, branch: Branch) -> Result<(), Lost> {
        self.open()?;
        let (pass, logs) = (Vec::new(), Vec::new());
        let mut acl = Acl { source, branch, pass, redirect: None, rewrite: None, logs };
        loop {
            let word = match self.lexer.next() {
                Some(Token::Close) => break,
                Some(Token::Word(word)) => word,
                Some(_) => return self.lost("`pass`, `redirect`, `rewrite` or `log` stands here"),
                None => return self.unclosed(),
            };
            match word.text.as_str() {
                "pass" => self.pass(&mut acl.pass)?,
                "redirect" => acl.redirect = Some(self.value(&word)?),
                "rewrite" => acl.rewrite = Some(self.value(&word)?),
                "log" | "logfile" => acl.logs.push(self.lexer.rest_of_line()),
                other => {
                    return self.lost_at(word.line, format!("`{other}` has no place in an acl"));
                }
            }
        }
        self.conf.acls.push(acl);
        Ok(())
    }

    /// The words up to the next one that cannot be a destination.
    fn pass(&mut self, words: &mut Vec<Pass>) -> Result<(), Lost> {
        let mut sign = Sign::Pass;
        loop {
            match self.lexer.peek() {
                Some(Token::Word(word) | Token::Quoted(word)) => {
                    let other = ["pass", "redirect", "rewrite", "log", "logfile"];
                    if sign == Sign::Pass && other.contains(&word.text.as_str()) {
                        return Ok(());
                    }
                    self.pass_words += 1;
                    if self.pass_words > PASS_WORDS_MAX {
                        return self.lost(format!("more than {PASS_WORDS_MAX} words to pass"));
                    }
                    words.push(Pass { word, sign });
                    sign = Sign::Pass;
                }
                Some(Token::Bang) => sign = Sign::Stop,
                Some(Token::Mark) => {}
                Some(Token::Open | Token::Close) | None => {
                    return match sign {
                        Sign::Pass => Ok(()),
                        Sign::Stop => self.lost("nothing stands behind the `!`"),
                    };
                }
            }
            self.lexer.next();
        }
    }

    pub(super) fn during(&mut self, side: &Word) -> Result<During, Lost> {
        let time = self.value(side)?;
        let side = if side.text == "within" { Side::Within } else { Side::Outside };
        Ok(During { time, side })
    }

    /// The value behind a key, on the same line.
    pub(super) fn value(&mut self, key: &Word) -> Result<Word, Lost> {
        if !self.lexer.line_goes_on() {
            return self.lost_at(key.line, format!("`{}` needs a value", key.text));
        }
        match self.lexer.run() {
            Some(word) => Ok(word),
            None => self.lost_at(key.line, format!("`{}` needs a value", key.text)),
        }
    }

    pub(super) fn name(&mut self, block: &str) -> Result<Word, Lost> {
        match self.lexer.next() {
            Some(Token::Word(word) | Token::Quoted(word)) => Ok(word),
            _ => self.lost(format!("a `{block}` block needs a name")),
        }
    }

    pub(super) fn open(&mut self) -> Result<(), Lost> {
        match self.lexer.peek() {
            Some(Token::Open) => {
                self.lexer.next();
                Ok(())
            }
            _ => self.lost("a `{` is missing"),
        }
    }

    pub(super) fn lost<T>(&mut self, what: impl Into<String>) -> Result<T, Lost> {
        let line = self.lexer.line();
        self.lost_at(line, what)
    }

    pub(super) fn lost_at<T>(&mut self, line: u64, what: impl Into<String>) -> Result<T, Lost> {
        self.fault(line, what);
        Err(Lost)
    }

    pub(super) fn unclosed<T>(&mut self) -> Result<T, Lost> {
        self.lost("the file ends inside a block: a `}` is missing")
    }

    /// Goes on behind the next `}`.
    fn leave(&mut self) {
        while let Some(token) = self.lexer.next() {
            if token == Token::Close {
                return;
            }
        }
    }
}
