//! Accounts as doors and handlers use them.

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use eg_policy::moment::Moment;
use eg_proto::control::auth::{Duty, LoginKind, LoginRequest, Tokens};
use eg_proto::control::user::{
    ApiKeyRequest, PasswordRequest, TotpRequest, UserAddRequest, UserRow,
};
use eg_proto::control::{Level, Problem, ProblemKind, Row, Secret, Verb};
use eg_settings::Switch;
use tempfile::TempDir;

use super::accounts::{Accounts, At};
use super::passwd::{Account, AccountName, Cost, Passwd};
use super::password::make_now;
use crate::audit::AuditThread;
use crate::audit::tests::{Memory, audit_to_memory};
use crate::config::Aaa;
use crate::control::operator::{Identity, Operator};

mod changes;
mod disk;
mod logins;
mod routes;

/// As little as argon2 takes.
const CHEAP: Cost = Cost { memory: 8, passes: 1, lanes: 1 };

/// A password that fits everybody.
const PASSWORD: &str = "correct horse battery";

/// 2026-11-27T12:00:00Z, on a step of TOTP.
const NOON: i64 = 1_795_780_800;

/// An engine's accounts in a folder of their own.
struct Site {
    folder: TempDir,
    aaa: Aaa,
    accounts: Arc<Accounts>,
    trail: Memory,
    thread: Option<AuditThread>,
    begin: Instant,
}

impl Site {
    /// With accounts by these names and levels, all of the same password.
    fn with(people: &[(&str, Level)]) -> Self {
        Self::with_settings(people, |_| {})
    }

    fn with_settings(people: &[(&str, Level)], set: impl FnOnce(&mut Aaa)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let mut aaa = Aaa {
            passwd: path("passwd"),
            auto_bootstrap: Switch::Off,
            bootstrap_credential_file: path("credential.json"),
            bootstrap_credential_ttl: Duration::from_secs(3600),
            master_key_file: path("master.key"),
            totp_required: Switch::Off,
        };
        set(&mut aaa);
        if !people.is_empty() {
            fs::write(&aaa.passwd, text_of(people)).unwrap();
            fs::set_permissions(&aaa.passwd, fs::Permissions::from_mode(0o600)).unwrap();
        }
        let (audit, thread, trail) = audit_to_memory();
        let begin = Instant::now();
        let at = at(begin, 0);
        let accounts = Accounts::open_with(&aaa, audit, CHEAP, at);
        Self { folder, aaa, accounts, trail, thread: Some(thread), begin }
    }

    /// The same files in another run.
    fn again(mut self, seconds: i64) -> Self {
        let (audit, thread, trail) = audit_to_memory();
        let at = self.at(seconds);
        self.accounts = Accounts::open_with(&self.aaa, audit, CHEAP, at);
        (self.trail, self.thread) = (trail, Some(thread));
        self
    }

    fn at(&self, seconds: i64) -> At {
        at(self.begin, seconds)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.aaa.passwd).unwrap()
    }

    async fn login_with(
        &self,
        user: &str,
        password: &str,
        code: Option<&str>,
        from: &str,
        seconds: i64,
    ) -> Result<Tokens, Problem> {
        let request = LoginRequest {
            user: user.to_owned(),
            password: secret(password),
            totp: code.map(secret),
        };
        self.accounts.login(request, Some(address(from)), self.at(seconds)).await
    }

    async fn login(&self, user: &str) -> Tokens {
        self.login_with(user, PASSWORD, None, "10.0.0.1", 0).await.unwrap()
    }

    /// What a login is refused with.
    async fn refused(&self, user: &str, password: &str, seconds: i64) -> ProblemKind {
        self.login_with(user, password, None, "10.0.0.1", seconds).await.unwrap_err().kind
    }

    fn identify(&self, token: &Secret, seconds: i64) -> Result<Identity, Problem> {
        self.identify_from(token, "10.0.0.1", seconds)
    }

    fn identify_from(&self, token: &Secret, from: &str, seconds: i64) -> Result<Identity, Problem> {
        let header = format!("Bearer {}", token.expose());
        self.accounts.identify(&header, address(from), self.at(seconds))
    }

    async fn refresh(&self, token: &Secret, seconds: i64) -> Result<Tokens, Problem> {
        let from = Some(address("10.0.0.1"));
        self.accounts.refresh(token.clone(), from, self.at(seconds)).await
    }

    async fn users(&self) -> Vec<UserRow> {
        self.accounts.users(self.at(0)).await.unwrap().users
    }

    async fn logins(&self, user: &str) -> u64 {
        self.users().await.iter().find(|row| row.name == user).unwrap().logins
    }

    fn hashes(&self) -> u64 {
        self.accounts.hasher.as_ref().unwrap().done()
    }

    /// The operator behind the token.
    fn operator(&self, tokens: &Tokens) -> Operator {
        granted(self.identify(&tokens.access_token, 0).unwrap())
    }

    /// The trail so far: `kind account how|what outcome`.
    fn trail(&mut self) -> Vec<String> {
        self.thread.take().unwrap().finish();
        let word = |line: &serde_json::Value, field: &str| {
            line.get(field).and_then(|it| it.as_str()).unwrap_or("-").to_owned()
        };
        let lines = self.trail.lines();
        lines
            .iter()
            .map(|line| {
                let what = if line.get("how").is_some() { "how" } else { "what" };
                ["kind", "account", what, "outcome"].map(|field| word(line, field)).join(" ")
            })
            .collect()
    }
}

/// Accounts of which there are none, for whoever needs a desk.
pub(in crate::control) fn nobody(audit: crate::audit::Audit) -> Arc<Accounts> {
    let aaa = Aaa {
        passwd: "/nonexistent/passwd".into(),
        auto_bootstrap: Switch::Off,
        bootstrap_credential_file: "/nonexistent/credential.json".into(),
        bootstrap_credential_ttl: Duration::ZERO,
        master_key_file: "/nonexistent/master.key".into(),
        totp_required: Switch::Off,
    };
    Accounts::open_with(&aaa, audit, CHEAP, At::now())
}

fn at(begin: Instant, seconds: i64) -> At {
    At {
        moment: Moment::from_unix_micros((NOON + seconds) * 1_000_000),
        instant: begin + Duration::from_secs(u64::try_from(seconds).unwrap()),
    }
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

fn granted(identity: Identity) -> Operator {
    Operator::granted(identity, Row::of(Verb::Who).unwrap(), None).unwrap()
}

/// Somebody of the machine itself.
fn local() -> Operator {
    granted(Identity::local(0).unwrap())
}

/// `passwd` with these people.
fn text_of(people: &[(&str, Level)]) -> String {
    let mut passwd = Passwd::default();
    for (name, level) in people {
        let password = make_now(&secret(PASSWORD), CHEAP).unwrap();
        passwd.add(Account {
            name: AccountName::parse(name).unwrap(),
            level: *level,
            was: None,
            password: (*level != Level::ServiceAccount).then_some(password),
            created: NOON - 1000,
            comment: String::new(),
        });
    }
    passwd.render()
}

fn new_user(name: &str, level: Level, password: Option<&str>) -> UserAddRequest {
    UserAddRequest {
        name: name.to_owned(),
        level,
        password: password.map(secret),
        comment: "of a test".to_owned(),
    }
}

/// The levels, as the table of verbs says what they may.
fn levels() -> String {
    let may = |row: &Row, level: Level, own: bool| {
        let asker = eg_proto::control::verbs::Asker { name: "a", level };
        let target = eg_proto::control::verbs::Target { name: "a", level: Some(level) };
        row.access(Some(asker), own.then_some(target)).is_ok()
    };
    let said = |row: &Row, level: Level| match (may(row, level, false), may(row, level, true)) {
        (false, false) => None,
        (false, true) => Some(format!("`{}` (the own account)", row.words.join(" "))),
        (true, _) => Some(format!("`{}`", row.words.join(" "))),
    };
    let shown = eg_proto::control::TABLE
        .iter()
        .filter(|row| row.front != eg_proto::control::verbs::Front::Api)
        .collect::<Vec<_>>();
    let mut table = "| level | number | may |\n|---|---|---|\n".to_owned();
    let mut below = Level::Disabled;
    for level in Level::ALL {
        let before = |row: &Row| match level {
            Level::ServiceAccount => None,
            _ => said(row, below),
        };
        let verbs: Vec<String> = shown
            .iter()
            .filter_map(|row| said(row, level).filter(|_| before(row) != said(row, level)))
            .collect();
        let what = match level {
            Level::Disabled => "nothing; cannot log in".to_owned(),
            Level::SuperAdministrator => "and act on Administrators".to_owned(),
            Level::ServiceAccount => format!("only {}", verbs.join(", ")),
            Level::Monitoring => verbs.join(", "),
            Level::Standard | Level::Administrator => format!("and {}", verbs.join(", ")),
        };
        table += &format!("| {level} | {} | {what} |\n", level.number());
        if level != Level::ServiceAccount {
            below = level;
        }
    }
    table
}

#[test]
fn the_manual_has_the_levels() {
    eg_settings::hold_page("docs/manual/accounts.md", |page| {
        eg_settings::with_table(page, "levels", &levels())
    })
    .unwrap();
}
