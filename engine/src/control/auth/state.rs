//! What `passwd` has no column for: second factors, API keys and logins, in `<passwd>.state` (ADR 0029).
//!
//! Of every secret it holds a hash, but for those of TOTP, which are sealed (`master`). What is kept of an
//! account counts for that account alone: one that is removed and made anew by hand is another, by its
//! moment of making.
//!
//! INVARIANT: a state that cannot be read is never written over, and nobody logs in by it: it says who
//! has a second factor.

use std::collections::BTreeMap;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::digest::SecretDigest;
use super::passwd::Account;

/// The form of the file; a change that an older engine must not write over changes this.
const FORM: u32 = 1;

/// The file at most: 1000 accounts with all that they may have, and all logins, take half of it.
pub(super) const STATE_BYTES_MAX: u64 = 16 << 20;

/// Logins of an account that are alive: one more ends the oldest.
pub(super) const LOGINS_PER_ACCOUNT: usize = 8;

/// Logins of all accounts: one more ends the one that is quiet for longest.
pub(super) const LOGINS_MAX: usize = 2048;

/// The file as a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    form: u32,
    accounts: BTreeMap<String, Kept>,
    /// Logins that can be refreshed.
    pub(super) logins: Vec<Login>,
    /// The first account's credential, while its file is there.
    pub(super) bootstrap: Option<Bootstrap>,
}

/// What is kept of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kept {
    /// When the account was made.
    created: i64,
    /// Its second factor.
    pub(super) totp: Option<Totp>,
    /// Codes in its place.
    pub(super) recovery: Vec<SecretDigest>,
    /// Its API keys, oldest first.
    pub(super) keys: Vec<Key>,
}

/// A second factor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Totp {
    /// The sealed secret.
    pub(super) sealed: String,
    /// The newest step that was used; none up to it is taken again.
    pub(super) step: u64,
}

/// An API key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Key {
    /// Its beginning.
    pub(super) prefix: String,
    /// All of it.
    pub(super) sha256: SecretDigest,
    /// When it was made, in seconds of Unix time.
    pub(super) created: i64,
    /// When it ends.
    pub(super) expires: i64,
    /// Who may use it; empty for all.
    pub(super) sources: Vec<IpNet>,
    /// The minute in which it was last used.
    pub(super) last_used: Option<i64>,
}

/// A login: one refresh token after the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Login {
    /// Its number, as in access tokens.
    pub(super) number: u64,
    /// Whose it is.
    pub(super) account: String,
    /// What all its refresh tokens begin with.
    pub(super) handle: SecretDigest,
    /// How the newest one goes on.
    pub(super) secret: SecretDigest,
    /// When it began, in seconds of Unix time.
    pub(super) created: i64,
    /// When it was last refreshed.
    pub(super) used: i64,
}

/// The credential of the first account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Bootstrap {
    /// The account.
    pub(super) account: String,
    /// When its file is removed in any case, in seconds of Unix time.
    pub(super) expires: i64,
}

/// Why the text is no state.
#[derive(Debug, thiserror::Error)]
pub(super) enum StateFault {
    /// It is no JSON of this kind.
    #[error("it is not what an engine wrote")]
    Json(#[from] serde_json::Error),
    /// A later one.
    #[error("it has form {0}, and this engine knows {FORM}: it is of a later version")]
    Form(u32),
}

impl Default for State {
    fn default() -> Self {
        Self { form: FORM, accounts: BTreeMap::new(), logins: Vec::new(), bootstrap: None }
    }
}

impl State {
    pub(super) fn parse(text: &str) -> Result<Self, StateFault> {
        #[derive(Deserialize)]
        struct Front {
            form: u32,
        }
        let Front { form } = serde_json::from_str(text)?;
        if form != FORM {
            return Err(StateFault::Form(form));
        }
        Ok(serde_json::from_str(text)?)
    }

    pub(super) fn render(&self) -> String {
        // Structs of texts and numbers always have a JSON text.
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }

    /// What is kept of `account`.
    pub(super) fn of(&self, account: &Account) -> Option<&Kept> {
        let kept = self.accounts.get(account.name.as_str())?;
        (kept.created == account.created).then_some(kept)
    }

    /// What is kept of `account`, to be changed; what an earlier account of that name had is gone.
    pub(super) fn of_mut(&mut self, account: &Account) -> &mut Kept {
        let created = account.created;
        let fresh = || Kept { created, totp: None, recovery: Vec::new(), keys: Vec::new() };
        let name = account.name.as_str();
        if self.accounts.get(name).is_some_and(|kept| kept.created != created) {
            self.accounts.remove(name);
        }
        self.accounts.entry(name.to_owned()).or_insert_with(fresh)
    }

    /// Forgets an account with its logins.
    pub(super) fn forget(&mut self, name: &str) {
        self.accounts.remove(name);
        self.end_logins(name, None);
    }

    /// Ends the logins of an account, but for one.
    pub(super) fn end_logins(&mut self, name: &str, but: Option<u64>) {
        self.logins.retain(|login| login.account != name || Some(login.number) == but);
    }

    /// Adds a login, and ends others where there are too many.
    pub(super) fn add_login(&mut self, login: Login) {
        let own = self.logins.iter().filter(|other| other.account == login.account);
        if own.count() >= LOGINS_PER_ACCOUNT {
            let name = login.account.clone();
            self.end_oldest(|other| other.account == name);
        }
        if self.logins.len() >= LOGINS_MAX {
            self.end_oldest(|_| true);
        }
        self.logins.push(login);
    }

    fn end_oldest(&mut self, among: impl Fn(&Login) -> bool) {
        let found = self.logins.iter().enumerate().filter(|(_, login)| among(login));
        if let Some((at, _)) = found.min_by_key(|(_, login)| login.used) {
            self.logins.remove(at);
        }
    }

    /// The keys of all accounts, with the names of those and when they were made.
    pub(super) fn keys(&self) -> impl Iterator<Item = (&str, i64, &Key)> {
        self.accounts.iter().flat_map(|(name, kept)| {
            kept.keys.iter().map(move |key| (name.as_str(), kept.created, key))
        })
    }

    /// Notes when keys were used. Whether anything is new.
    pub(super) fn note_used(&mut self, used: &std::collections::HashMap<String, i64>) -> bool {
        let mut news = false;
        for key in self.accounts.values_mut().flat_map(|kept| kept.keys.iter_mut()) {
            if let Some(minute) = used.get(&key.prefix)
                && key.last_used < Some(*minute)
            {
                key.last_used = Some(*minute);
                news = true;
            }
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(number: u64, account: &str, used: i64) -> Login {
        Login {
            number,
            account: account.to_owned(),
            handle: SecretDigest::of(&number.to_le_bytes()),
            secret: SecretDigest::of(b"s"),
            created: 0,
            used,
        }
    }

    #[test]
    fn a_state_reads_as_it_was_written() {
        let mut state = State::default();
        state.add_login(login(1, "a", 5));
        state.bootstrap = Some(Bootstrap { account: "admin".to_owned(), expires: 9 });
        assert_eq!(State::parse(&state.render()).unwrap(), state);
    }

    #[test]
    fn what_is_not_ours_is_refused() {
        let text = State::default().render();
        assert!(State::parse("").is_err());
        assert!(State::parse("{}").is_err());
        assert!(State::parse(&text.replace("\"logins\"", "\"others\"")).is_err());
        assert!(State::parse(&text.replace("\"form\":1", "\"form\":1,\"x\":2")).is_err());
        let later = text.replace("\"form\":1", "\"form\":2,\"x\":2");
        assert!(matches!(State::parse(&later), Err(StateFault::Form(2))));
    }

    #[test]
    fn logins_are_bounded() {
        let mut state = State::default();
        for number in 0..20 {
            state.add_login(login(number, "a", i64::try_from(number).unwrap()));
        }
        assert_eq!(state.logins.len(), LOGINS_PER_ACCOUNT);
        assert_eq!(state.logins.first().unwrap().number, 12);
        for number in 0..3000 {
            state.add_login(login(number, &format!("b{number}"), 100));
        }
        assert_eq!(state.logins.len(), LOGINS_MAX);
        state.end_logins("b2999", Some(7));
        assert_eq!(state.logins.len(), LOGINS_MAX - 1);
    }
}
