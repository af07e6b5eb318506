//! `--add-admin`: an account of level 11 made on the machine itself, whether or not the engine runs. A
//! running one sees the new account when somebody logs in.

use eg_proto::control::{Level, Secret};
use eg_settings::log::chain;

use super::accounts::At;
use super::file::{self, FileFault};
use super::passwd::{ACCOUNTS_MAX, Account, AccountName, Cost, PASSWD_BYTES_MAX, Passwd};
use super::password::{check_new, make_now};
use crate::config::Aaa;

/// Why there is no new account.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FirstFault {
    /// Not a name.
    #[error(
        "a name is 1 to 32 of `a` to `z`, digits, `-`, `_` and `.`, a letter first; `{0}` is none"
    )]
    Name(String),
    /// There is one.
    #[error("there is an account `{0}` already")]
    Taken(String),
    /// There are too many.
    #[error("there are {ACCOUNTS_MAX} accounts already")]
    TooMany,
    /// The password is not taken.
    #[error("{0}")]
    Password(String),
    /// `passwd` has faults.
    #[error("accounts cannot be changed while the file has faults, so that none is lost: {0}")]
    Faulty(String),
    /// A file.
    #[error("{0}")]
    File(String),
}

/// Makes the account `name` in the file of `[aaa] passwd`.
///
/// # Errors
/// Why not; nothing was changed then.
pub(crate) fn add_first(
    aaa: &Aaa,
    name: &str,
    password: impl FnOnce() -> std::io::Result<Secret>,
) -> Result<(), FirstFault> {
    let account = AccountName::parse(name);
    let name = account.ok_or_else(|| FirstFault::Name(name.escape_debug().to_string()))?;
    // Before somebody types a password twice.
    check(&read(aaa)?, &name)?;
    let password = password().map_err(|fault| FirstFault::File(fault.to_string()))?;
    check_new(&name, password.expose()).map_err(|it| FirstFault::Password(it.to_string()))?;
    let hashed =
        make_now(&password, Cost::NEW).map_err(|it| FirstFault::Password(it.to_string()))?;
    let file = |fault: FileFault| FirstFault::File(chain(&fault));
    let _held = file::lock(&file::beside(&aaa.passwd, ".lock")).map_err(file)?;
    let mut passwd = read(aaa)?;
    check(&passwd, &name)?;
    passwd.add(Account {
        name,
        level: Level::SuperAdministrator,
        was: None,
        password: Some(hashed),
        created: At::now().seconds(),
        comment: "made with --add-admin".to_owned(),
    });
    file::write(&aaa.passwd, &passwd.render()).map_err(file)
}

fn read(aaa: &Aaa) -> Result<Passwd, FirstFault> {
    let text = file::read(&aaa.passwd, PASSWD_BYTES_MAX);
    let text = text.map_err(|fault| FirstFault::File(chain(&fault)))?;
    Ok(text.map_or_else(Passwd::default, |text| Passwd::parse(&text.text)))
}

fn check(passwd: &Passwd, name: &AccountName) -> Result<(), FirstFault> {
    if let Some(fault) = passwd.faults().first() {
        return Err(FirstFault::Faulty(fault.to_string()));
    }
    if passwd.find(name.as_str()).is_some() {
        return Err(FirstFault::Taken(name.as_str().to_owned()));
    }
    if passwd.len() >= ACCOUNTS_MAX {
        return Err(FirstFault::TooMany);
    }
    Ok(())
}
