//! Accounts, their keys and second factors.

use std::io;

use eg_proto::control::Secret;
use eg_proto::control::user::{
    ApiKeyMade, ApiKeyRow, ApiKeys, Told, TotpAnswer, UserAdded, UserRow, Users,
};

use super::super::screen::Screen;

pub(super) fn users(screen: &mut Screen<'_>, found: &Users) -> io::Result<()> {
    let row = |user: &UserRow| {
        let UserRow { name, level, number, created, comment, totp, logins, keys, last_login } =
            user;
        let totp = if *totp { "on" } else { "off" };
        let last = last_login.clone().unwrap_or_else(|| "-".to_owned());
        vec![
            name.clone(),
            format!("{} ({number})", level.name()),
            totp.to_owned(),
            logins.to_string(),
            keys.to_string(),
            last,
            created.clone(),
            comment.clone(),
        ]
    };
    let header = ["User", "Level", "TOTP", "Logins", "Keys", "Last login", "Made", "Comment"];
    screen.table(&header, found.users.iter().map(row).collect(), "no accounts")
}

pub(super) fn keys(screen: &mut Screen<'_>, found: &ApiKeys) -> io::Result<()> {
    let row = |key: &ApiKeyRow| {
        let ApiKeyRow { prefix, created, expires, sources, last_used } = key;
        let sources = if sources.is_empty() { "all".to_owned() } else { sources.join(", ") };
        let used = last_used.clone().unwrap_or_else(|| "-".to_owned());
        vec![prefix.clone(), created.clone(), expires.clone(), used, sources]
    };
    let header = ["Key", "Made", "Ends", "Last used", "May come from"];
    screen.table(&header, found.keys.iter().map(row).collect(), "no keys")
}

pub(super) fn key(screen: &mut Screen<'_>, found: &ApiKeyMade) -> io::Result<()> {
    let ApiKeyMade { key, row } = found;
    screen
        .fields(&[("Key", Some(key.expose().to_owned())), ("Ends", Some(row.expires.clone()))])?;
    screen.line("It is shown this once; keep it in a file of mode 0600.")
}

pub(super) fn added(screen: &mut Screen<'_>, found: &UserAdded) -> io::Result<()> {
    let UserAdded { user, key: first } = found;
    screen.line(&format!("made {}, {}", user.name, user.level.name()))?;
    match first {
        Some(first) => key(screen, first),
        None => Ok(()),
    }
}

pub(super) fn told(screen: &mut Screen<'_>, found: &Told) -> io::Result<()> {
    screen.line(&found.detail)
}

/// Prints a step of setting up a second factor.
pub(super) fn totp(screen: &mut Screen<'_>, found: &TotpAnswer) -> io::Result<()> {
    let TotpAnswer { on, secret, url, recovery_codes } = found;
    let shown = |secret: &Option<Secret>| secret.as_ref().map(|text| text.expose().to_owned());
    screen.fields(&[("Secret", shown(secret)), ("URL", shown(url))])?;
    if secret.is_some() {
        screen.line("Give it to an authenticator now; it is shown this once.")?;
    }
    if *on {
        screen.line("The second factor is on.")?;
    }
    if !recovery_codes.is_empty() {
        screen.line("Recovery codes, each good once; they are shown this once:")?;
    }
    recovery_codes.iter().try_for_each(|code| screen.line(&format!("  {}", code.expose())))
}
