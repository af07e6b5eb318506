//! The one description of what operators can ask for: words, path, privilege, arguments, help. Routes,
//! the `OpenAPI` document, `egctl`, its completions, man pages and the manual are made from it.
//!
//! INVARIANT: whether somebody may is answered by [`Row::access`] and nowhere else. What depends on the
//! level that an account is to get (`POST users`, `PUT users/NAME/level`) is [`Level::outranks`] too.

use std::fmt;

use super::level::Level;
pub use super::verb_table::TABLE;

/// Everything that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    /// `POST login`
    Login,
    /// `POST refresh`
    Refresh,
    /// `POST logout`
    Logout,
    /// `GET session`
    Who,
    /// `GET status`
    ShowStatus,
    /// `GET version`
    ShowVersion,
    /// `GET clock`
    ShowClock,
    /// `GET log`
    ShowLog,
    /// `GET users`
    ShowUsers,
    /// `GET neighbors`
    ShowNeighborSummary,
    /// `GET neighbors/NAME`
    ShowNeighborDetail,
    /// `GET database`
    ShowDatabaseStatus,
    /// `GET system/threads`
    ShowSystemThreads,
    /// `GET system/uri-engine`
    ShowSystemUriEngine,
    /// `GET policy`
    ShowPolicySummary,
    /// `GET policy/rules`
    ShowPolicyList,
    /// `GET policy/rules/RULE`
    ShowPolicyRule,
    /// `POST policy/match`
    ShowPolicyMatch,
    /// `GET policy/backups`
    ShowPolicyBackups,
    /// `GET policy/log`
    ShowPolicyLog,
    /// `GET policy/blame/RULE`
    ShowPolicyBlame,
    /// `GET policy/diff/FROM`
    ShowPolicyDiff,
    /// `GET policy/files`
    PolicyFiles,
    /// `GET policy/file`
    PolicyFile,
    /// `POST policy/commit`
    PolicyCommit,
    /// `POST policy/confirm`
    RequestPolicyConfirm,
    /// `POST policy/reload`
    RequestPolicyReload,
    /// `GET policy/reload/NUMBER`
    ReloadReceipt,
    /// `POST policy/rollback`
    RequestPolicyRollback,
    /// `POST policy/git-init`
    RequestPolicyGitInit,
    /// `POST policy/tag`
    RequestPolicyTag,
    /// `POST neighbors/NAME/teardown`
    RequestNeighborTeardown,
    /// `POST engine/restart`
    RequestEngineRestart,
    /// `POST users`
    RequestUserAdd,
    /// `PUT users/NAME/password`
    RequestUserPasswd,
    /// `PUT users/NAME/level`
    RequestUserLevel,
    /// `POST users/NAME/disable`
    RequestUserDisable,
    /// `POST users/NAME/enable`
    RequestUserEnable,
    /// `DELETE users/NAME`
    RequestUserRemove,
    /// `POST users/NAME/totp`
    RequestUserTotp,
    /// `DELETE users/NAME/totp`
    RequestUserTotpRemove,
    /// `GET users/NAME/keys`
    ShowUserKeys,
    /// `POST users/NAME/keys`
    RequestUserKeyAdd,
    /// `DELETE users/NAME/keys/PREFIX`
    RequestUserKeyRemove,
}

/// The HTTP method of a verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpMethod {
    /// Looks, and changes nothing.
    Get,
    /// Asks for something to be done.
    Post,
    /// Puts a value in the place of another.
    Put,
    /// Removes.
    Delete,
}

impl HttpMethod {
    /// `GET`
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// Who may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum May {
    /// Everybody, without a login.
    Everybody,
    /// Whoever is logged in, service accounts too.
    LoggedIn,
    /// From this level on, and no service account.
    From(Level),
    /// From this level on, and service accounts.
    FromAndService(Level),
    /// From this level on, on the own account alone; no service account.
    OnOwn(Level),
    /// From this level on, on accounts that the own one outranks; `own` says what is with the own one.
    On {
        /// On others, from this level on.
        others: Level,
        /// On the own account.
        own: Own,
    },
}

impl fmt::Display for May {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let from = |level: Level| format!("{} ({})", level.number(), level.name());
        match *self {
            Self::Everybody => f.write_str("everybody"),
            Self::LoggedIn => f.write_str("whoever is logged in"),
            Self::From(level) => f.write_str(&from(level)),
            Self::FromAndService(level) => write!(f, "{}, and service accounts (3)", from(level)),
            Self::OnOwn(level) => write!(f, "{}, on the own account alone", from(level)),
            Self::On { others, own: Own::Never } => {
                write!(f, "{}, on accounts below; nobody on the own one", from(others))
            }
            Self::On { others, own: Own::From(own) } if own == others => {
                write!(f, "{}, on accounts below and on the own one", from(others))
            }
            Self::On { others, own: Own::From(own) } => {
                write!(f, "{}, on accounts below; on the own one {}", from(others), from(own))
            }
        }
    }
}

/// What is with the own account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Own {
    /// From this level on.
    From(Level),
    /// Nobody.
    Never,
}

/// Where a verb can be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Front {
    /// In the mode that shows, and as a command.
    Show,
    /// In the mode that requests, and as a command.
    Request,
    /// Only by programs: what the shell and the tools ask for on the way.
    Api,
}

/// Where an argument goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Into the path, at `{name}`.
    Path,
    /// Behind the path, `?name=value`.
    Query,
    /// A field of the JSON body by the same name, `-` written as `_`.
    Body,
}

/// Whether an argument has to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// It has to, and is said by its place.
    Required,
    /// It may be left away, and is said behind its name: `source 10.0.0.1`, `--source 10.0.0.1`.
    Optional,
    /// As [`Need::Optional`], several times.
    Repeated,
    /// It is asked for at the terminal or read from a file, never from the command line.
    Prompted,
}

/// What an argument is. The shell completes what the engine knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArgKind {
    /// Any text.
    Text,
    /// A whole number.
    Number,
    /// `true` or `false`.
    Switch,
    /// A URL, or `host:port`.
    Url,
    /// An address.
    Address,
    /// An address or a network.
    Network,
    /// A moment, in RFC 3339 or as local time.
    Moment,
    /// A live rule's name or number.
    Rule,
    /// An account.
    User,
    /// A connector's name.
    Neighbor,
    /// A session's number.
    Session,
    /// A snapshot's generation.
    Generation,
    /// A generation, a tag or a commit.
    Revision,
    /// The word of a level.
    Level,
    /// The beginning of an API key.
    KeyPrefix,
    /// A policy file's name.
    File,
    /// A secret.
    Secret,
}

/// One argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arg {
    /// Its name, as it is written.
    pub name: &'static str,
    /// Where it goes.
    pub place: Place,
    /// What it is.
    pub kind: ArgKind,
    /// Whether it has to be there.
    pub need: Need,
    /// The level that it needs beyond the verb's own; a service account never has it.
    pub least: Option<Level>,
    /// What it does, in a phrase.
    pub help: &'static str,
}

/// One verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Which.
    pub verb: Verb,
    /// Its words, `show policy match`; joined by `-` they are its name on a command line.
    pub words: &'static [&'static str],
    /// Its method.
    pub method: HttpMethod,
    /// Its path below [`super::BASE`], with `{name}` for arguments.
    pub path: &'static str,
    /// Who may.
    pub may: May,
    /// Where it can be said.
    pub front: Front,
    /// Its arguments, in order.
    pub args: &'static [Arg],
    /// What it does, in a sentence.
    pub help: &'static str,
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asker<'a> {
    /// The account.
    pub name: &'a str,
    /// Its level.
    pub level: Level,
}

/// On whom somebody acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target<'a> {
    /// The account.
    pub name: &'a str,
    /// Its level; `None` where there is no such account.
    pub level: Option<Level>,
}

/// Why somebody may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Barred {
    /// Nobody is logged in.
    #[error("log in first")]
    NoLogin,
    /// The account is disabled.
    #[error("the account is disabled")]
    Disabled,
    /// The level is too low.
    #[error("it needs the level {} ({}) or above", .0.number(), .0.name())]
    Level(Level),
    /// A service account is for something else.
    #[error("a service account may reload the policy and see the state, nothing else")]
    Scope,
    /// The other account is not outranked.
    #[error("it needs a higher level than that of the account")]
    Outranked,
    /// It is for the own account alone.
    #[error("everybody does this to the own account alone")]
    NotOwn,
    /// Nobody may do this to the own account.
    #[error("nobody may do this to the own account; another Administrator can")]
    Oneself,
}

impl Row {
    /// The name on a command line: `show-policy-match`.
    #[must_use]
    pub fn name(&self) -> String {
        self.words.join("-")
    }

    /// The row of a verb; a test holds the table to have each once.
    #[must_use]
    pub fn of(verb: Verb) -> Option<&'static Self> {
        TABLE.iter().find(|row| row.verb == verb)
    }

    /// Whether `asker` may, on `target` where the verb acts on an account.
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn access(
        &self,
        asker: Option<Asker<'_>>,
        target: Option<Target<'_>>,
    ) -> Result<(), Barred> {
        let Some(asker) = asker else {
            return match self.may {
                May::Everybody => Ok(()),
                May::LoggedIn
                | May::From(_)
                | May::FromAndService(_)
                | May::OnOwn(_)
                | May::On { .. } => Err(Barred::NoLogin),
            };
        };
        match (self.may, asker.level) {
            (May::Everybody, _) => Ok(()),
            (_, Level::Disabled) => Err(Barred::Disabled),
            (May::LoggedIn, _) | (May::FromAndService(_), Level::ServiceAccount) => Ok(()),
            (May::From(_) | May::OnOwn(_) | May::On { .. }, Level::ServiceAccount) => {
                Err(Barred::Scope)
            }
            (May::From(least) | May::FromAndService(least), level) => reaches(level, least),
            (May::OnOwn(least), level) => match target {
                Some(target) if target.name != asker.name => Err(Barred::NotOwn),
                Some(_) | None => reaches(level, least),
            },
            (May::On { others, own }, level) => on_account(asker, (others, own), level, target),
        }
    }

    /// Whether `level` may give the argument `name`.
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn access_to(&self, name: &str, level: Level) -> Result<(), Barred> {
        let arg = self.args.iter().find(|arg| arg.name == name);
        match (arg.and_then(|arg| arg.least), level) {
            (None, _) => Ok(()),
            (Some(_), Level::ServiceAccount) => Err(Barred::Scope),
            (Some(least), level) => reaches(level, least),
        }
    }
}

/// Whether a level that is no service account's is high enough.
const fn reaches(level: Level, least: Level) -> Result<(), Barred> {
    if level.number() >= least.number() { Ok(()) } else { Err(Barred::Level(least)) }
}

fn on_account(
    asker: Asker<'_>,
    (others, own): (Level, Own),
    level: Level,
    target: Option<Target<'_>>,
) -> Result<(), Barred> {
    let Some(target) = target else { return reaches(level, others) };
    if target.name == asker.name {
        return match own {
            Own::From(least) => reaches(level, least),
            Own::Never => reaches(level, others).and(Err(Barred::Oneself)),
        };
    }
    reaches(level, others)?;
    match target.level {
        // Whoever is high enough to act on accounts may hear that there is none.
        None => Ok(()),
        Some(target) if level.outranks(target) => Ok(()),
        Some(_) => Err(Barred::Outranked),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_verb_and_each_path_stands_once() {
        let mut verbs = HashSet::new();
        let mut names = HashSet::new();
        let mut paths = HashSet::new();
        for row in TABLE {
            assert!(verbs.insert(row.verb), "{row:?}");
            assert!(names.insert(row.name()), "{row:?}");
            assert!(paths.insert((row.method.word(), row.path)), "{row:?}");
            assert_eq!(Row::of(row.verb), Some(row));
            assert!(!row.help.ends_with('.') && !row.help.is_empty(), "{row:?}");
        }
    }

    #[test]
    fn arguments_fit_their_paths() {
        for row in TABLE {
            let mut names = HashSet::new();
            for arg in row.args {
                assert!(names.insert(arg.name), "{}: {}", row.name(), arg.name);
                let in_path = row.path.contains(&format!("{{{}}}", arg.name));
                assert_eq!(in_path, arg.place == Place::Path, "{}: {}", row.name(), arg.name);
                if arg.place == Place::Path {
                    assert_eq!(arg.need, Need::Required, "{}", row.name());
                }
                if arg.kind == ArgKind::Secret {
                    assert_eq!(
                        (arg.need, arg.place),
                        (Need::Prompted, Place::Body),
                        "{}",
                        row.name()
                    );
                }
            }
            let places = row.path.matches('{').count();
            let path_args = row.args.iter().filter(|arg| arg.place == Place::Path).count();
            assert_eq!(places, path_args, "{}", row.name());
            if matches!(row.method, HttpMethod::Get | HttpMethod::Delete) {
                assert!(row.args.iter().all(|arg| arg.place != Place::Body), "{}", row.name());
            }
            if matches!(row.may, May::On { .. } | May::OnOwn(_)) {
                assert!(row.args.iter().any(|arg| arg.name == "user" && arg.place == Place::Path));
            }
        }
    }

    #[test]
    fn what_shows_is_said_to_show() {
        for row in TABLE {
            match row.front {
                Front::Show => assert_eq!(row.words.first(), Some(&"show"), "{row:?}"),
                Front::Request => assert_eq!(row.words.first(), Some(&"request"), "{row:?}"),
                Front::Api => {
                    assert!(!["show", "request"].contains(row.words.first().unwrap()), "{row:?}");
                }
            }
        }
    }

    /// The thresholds of the specification, by hand.
    #[test]
    fn thresholds_are_those_of_the_specification() {
        let lowest = |name: &str| -> Vec<u8> {
            let row = TABLE.iter().find(|row| row.name() == name).unwrap();
            let asks =
                |level: &Level| row.access(Some(Asker { name: "a", level: *level }), None).is_ok();
            Level::ALL.iter().filter(|level| asks(level)).map(|level| level.number()).collect()
        };
        for (name, expected) in [
            ("show-status", vec![1, 2, 3, 10, 11]),
            ("show-version", vec![1, 2, 3, 10, 11]),
            ("show-clock", vec![1, 2, 3, 10, 11]),
            ("show-database-status", vec![1, 2, 3, 10, 11]),
            ("show-neighbor-summary", vec![1, 2, 10, 11]),
            ("show-neighbor-detail", vec![1, 2, 10, 11]),
            ("show-users", vec![1, 2, 10, 11]),
            ("show-policy-backups", vec![1, 2, 10, 11]),
            ("show-policy-match", vec![1, 2, 10, 11]),
            ("request-neighbor-teardown", vec![2, 10, 11]),
            ("request-policy-reload", vec![3, 10, 11]),
            ("request-policy-rollback", vec![10, 11]),
            ("request-engine-restart", vec![10, 11]),
            ("request-user-add", vec![10, 11]),
            ("request-user-passwd", vec![10, 11]),
            ("request-user-remove", vec![10, 11]),
            ("show-log", vec![10, 11]),
            ("show-policy-log", vec![10, 11]),
        ] {
            assert_eq!(lowest(name), expected, "{name}");
        }
    }

    #[test]
    fn accounts_are_acted_on_from_above() {
        use Level::{Administrator, Monitoring, ServiceAccount, Standard, SuperAdministrator};
        let passwd = Row::of(Verb::RequestUserPasswd).unwrap();
        let remove = Row::of(Verb::RequestUserRemove).unwrap();
        let asks = |row: &Row, level, target: &str, other| {
            let asker = Some(Asker { name: "me", level });
            row.access(asker, Some(Target { name: target, level: other }))
        };
        assert_eq!(asks(passwd, Monitoring, "me", Some(Monitoring)), Ok(()));
        assert_eq!(
            asks(passwd, Standard, "you", Some(Monitoring)),
            Err(Barred::Level(Administrator))
        );
        assert_eq!(asks(passwd, ServiceAccount, "me", Some(ServiceAccount)), Err(Barred::Scope));
        assert_eq!(asks(passwd, Administrator, "you", Some(Standard)), Ok(()));
        assert_eq!(asks(passwd, Administrator, "you", Some(Administrator)), Err(Barred::Outranked));
        assert_eq!(asks(passwd, SuperAdministrator, "you", Some(SuperAdministrator)), Ok(()));
        assert_eq!(asks(passwd, Administrator, "none", None), Ok(()));
        assert_eq!(asks(remove, Administrator, "me", Some(Administrator)), Err(Barred::Oneself));
        assert_eq!(
            asks(remove, Monitoring, "me", Some(Monitoring)),
            Err(Barred::Level(Administrator))
        );
        assert_eq!(passwd.access(None, None), Err(Barred::NoLogin));
    }

    #[test]
    fn a_service_account_never_forces() {
        let reload = Row::of(Verb::RequestPolicyReload).unwrap();
        assert_eq!(reload.access_to("force", Level::ServiceAccount), Err(Barred::Scope));
        assert_eq!(reload.access_to("force", Level::Administrator), Ok(()));
        assert_eq!(reload.access_to("reason", Level::ServiceAccount), Ok(()));
    }
}
