//! What stands in the blocks `src` and `dest`.

use super::conf::{Dest, Dialect, Search, Source, Word};
use super::lex::Token;
use super::parse::{Lost, Parser};

/// What ends the words of `ip`, `user` and `domain`.
const SOURCE_KEYS: &[&str] = &[
    "ip",
    "ipv4",
    "ipv6",
    "user",
    "domain",
    "iplist",
    "ipv4list",
    "ipv6list",
    "userlist",
    "within",
    "outside",
    "continue",
    "userquota",
    "ipquota",
    "log",
    "logfile",
    "execuserlist",
    "userquery",
    "ldapusersearch",
    "group",
    "unix",
    "ldap",
    "ldapipsearch",
    "option",
    "evaluate-and",
    "evaluate-or",
    "deny",
    "allow",
];

impl Parser<'_> {
    pub(super) fn source(&mut self) -> Result<(), Lost> {
        let name = self.name("src")?;
        self.open()?;
        let mut source = Source {
            name,
            addresses: Vec::new(),
            address_files: Vec::new(),
            users: Vec::new(),
            user_files: Vec::new(),
            foreign_users: Vec::new(),
            foreign_addresses: Vec::new(),
            domains: Vec::new(),
            during: None,
            quota: None,
            logs: Vec::new(),
            search: Search::Ends,
            options: Vec::new(),
        };
        loop {
            match self.lexer.next() {
                Some(Token::Close) => break,
                Some(Token::Word(word)) => self.source_line(&mut source, &word)?,
                Some(_) => return self.lost("a word such as `ip` or `user` stands here"),
                None => return self.unclosed(),
            }
        }
        self.conf.sources.push(source);
        Ok(())
    }

    fn source_line(&mut self, source: &mut Source, word: &Word) -> Result<(), Lost> {
        let ufdb = self.dialect == Dialect::UfdbGuard;
        match word.text.as_str() {
            "ip" => self.words(&mut source.addresses),
            "ipv4" | "ipv6" if ufdb => self.words(&mut source.addresses),
            "user" => self.words(&mut source.users),
            "domain" => self.words(&mut source.domains),
            "iplist" => source.address_files.push(self.value(word)?),
            "ipv4list" | "ipv6list" if ufdb => source.address_files.push(self.value(word)?),
            "userlist" => source.user_files.push(self.value(word)?),
            "within" | "outside" => source.during = Some(self.during(word)?),
            "continue" => source.search = Search::GoesOn,
            "userquota" | "ipquota" => source.quota = Some(self.line(word)),
            "log" | "logfile" => source.logs.push(self.line(word)),
            "execuserlist" | "userquery" | "ldapusersearch" | "group" => {
                source.foreign_users.push(self.line(word));
            }
            "unix" | "ldap" if ufdb => source.foreign_users.push(self.line(word)),
            "ldapipsearch" => source.foreign_addresses.push(self.line(word)),
            "option" | "evaluate-and" | "evaluate-or" | "deny" | "allow" if ufdb => {
                source.options.push(self.line(word));
            }
            other => return self.lost_at(word.line, format!("`{other}` has no place in a source")),
        }
        Ok(())
    }

    pub(super) fn dest(&mut self) -> Result<(), Lost> {
        let name = self.name("dest")?;
        self.open()?;
        let mut dest = Dest {
            name,
            domains: Vec::new(),
            urls: Vec::new(),
            expressions: Vec::new(),
            redirect: None,
            rewrite: None,
            during: None,
            logs: Vec::new(),
            foreign: Vec::new(),
            options: Vec::new(),
        };
        loop {
            match self.lexer.next() {
                Some(Token::Close) => break,
                Some(Token::Word(word)) => self.dest_line(&mut dest, &word)?,
                Some(_) => return self.lost("a word such as `domainlist` stands here"),
                None => return self.unclosed(),
            }
        }
        self.conf.dests.push(dest);
        Ok(())
    }

    fn dest_line(&mut self, dest: &mut Dest, word: &Word) -> Result<(), Lost> {
        let ufdb = self.dialect == Dialect::UfdbGuard;
        match word.text.as_str() {
            "domainlist" => {
                let value = self.value(word)?;
                dest.domains.push(beside(value, &dest.name.text, "domainlist"));
            }
            "urllist" => {
                let value = self.value(word)?;
                dest.urls.push(beside(value, &dest.name.text, "urllist"));
            }
            "expressionlist" => {
                let mut value = self.value(word)?;
                // `i` and `c` before the path; squidGuard ignores case with and without them.
                if matches!(value.text.as_str(), "i" | "c") && self.lexer.line_goes_on() {
                    value = self.value(word)?;
                }
                dest.expressions.push(beside(value, &dest.name.text, "expressionlist"));
            }
            "redirect" => dest.redirect = Some(self.value(word)?),
            "rewrite" => dest.rewrite = Some(self.value(word)?),
            "within" | "outside" => dest.during = Some(self.during(word)?),
            "log" | "logfile" => dest.logs.push(self.line(word)),
            "execdomainlist" if ufdb => dest.foreign.push(self.line(word)),
            "option" | "cacerts" | "cacerts-dir" if ufdb => dest.options.push(self.line(word)),
            other => return self.lost_at(word.line, format!("`{other}` has no place in a dest")),
        }
        Ok(())
    }

    /// The words up to the next key, over lines.
    fn words(&mut self, into: &mut Vec<Word>) {
        loop {
            match self.lexer.peek() {
                Some(Token::Word(word)) if SOURCE_KEYS.contains(&word.text.as_str()) => return,
                Some(Token::Word(word) | Token::Quoted(word)) => into.push(word),
                Some(Token::Mark) => {}
                Some(Token::Open | Token::Close | Token::Bang) | None => return,
            }
            self.lexer.next();
        }
    }

    /// A key and what stands behind it, as it is.
    fn line(&mut self, word: &Word) -> Word {
        let rest = match word.text.as_str() {
            // Squid's admin wrote a command; a brace may be part of it.
            "execuserlist" | "execdomainlist" => self.lexer.rest_of_line(),
            _ => self.lexer.rest_of_part(),
        };
        Word { text: format!("{} {}", word.text, rest.text).trim_end().to_owned(), line: word.line }
    }
}

/// `-` is a path made of the block's name.
fn beside(value: Word, name: &str, list: &str) -> Word {
    match value.text.as_str() {
        "-" => Word { text: format!("dest/{name}/{list}"), line: value.line },
        _ => value,
    }
}
