//! Logging in, and staying so: a password or a saved login gives tokens, which renew themselves once.

use eg_proto::control::auth::{Duty, LoginRequest, RefreshRequest, Tokens};
use eg_proto::control::{ProblemKind, Secret};

use super::fault::SessionFault;
use super::private::read_secret;
use super::surroundings::Surroundings;
use super::talk::Talk;
use super::tokens::TokenFile;
use crate::client::{Client, ClientFault};

/// A login of an account at an engine.
#[derive(Debug)]
pub(super) struct Login {
    user: String,
    file: Option<TokenFile>,
    password_file: Option<std::path::PathBuf>,
    tokens: Option<Tokens>,
}

/// Whether a password may be read from standard input where there is no terminal: a command that was
/// asked to log in may, one that would rather do something else may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// `egctl login`
    LogIn,
    /// Anything else.
    DoSomething,
}

impl Login {
    pub(super) fn of(user: String, place: &str, around: &Surroundings) -> Self {
        let file = around.cache.as_ref().map(|cache| TokenFile::of(cache, place, &user));
        let tokens = file.as_ref().and_then(TokenFile::read);
        Self { user, file, password_file: around.password_file.clone(), tokens }
    }

    pub(super) fn user(&self) -> &str {
        &self.user
    }

    pub(super) fn access(&self) -> Option<Secret> {
        self.tokens.as_ref().map(|tokens| tokens.access_token.clone())
    }

    /// New tokens for the saved ones, where these are still good for that.
    pub(super) fn renew(&mut self, client: &Client) -> Result<bool, SessionFault> {
        let Some(old) = self.tokens.take() else { return Ok(false) };
        let _renewing = self.file.as_ref().map(TokenFile::lock).transpose()?;
        // Another run may have renewed them meanwhile, and ours are used up then.
        if let Some(newer) = self.file.as_ref().and_then(TokenFile::read)
            && newer.refresh_token != old.refresh_token
        {
            self.tokens = Some(newer);
            return Ok(true);
        }
        let request = RefreshRequest { refresh_token: old.refresh_token.clone() };
        match client.clone().bearing(None).post("refresh", &request) {
            Ok(answer) => {
                let tokens: Tokens = answer.value(client)?;
                self.keep(tokens)?;
                Ok(true)
            }
            Err(fault) if fault.is_unauthorized() => {
                if let Some(file) = &self.file {
                    file.remove();
                }
                Ok(false)
            }
            Err(fault) => {
                self.tokens = Some(old);
                Err(fault.into())
            }
        }
    }

    /// Logs in by a password.
    pub(super) fn log_in(
        &mut self,
        client: &Client,
        talk: &mut dyn Talk,
        wish: Wish,
    ) -> Result<(), SessionFault> {
        let place = client.door().place();
        let password = match &self.password_file {
            Some(path) => read_secret(path)
                .map_err(|source| SessionFault::SecretFile { path: path.clone(), source })?,
            None if talk.is_terminal() || wish == Wish::LogIn => {
                let asked = talk.secret(&format!("password of {} at {place}: ", self.user))?;
                asked.ok_or(SessionFault::Unanswered)?
            }
            None => return Err(SessionFault::NoPassword { user: self.user.clone(), place }),
        };
        let mut request = LoginRequest { user: self.user.clone(), password, totp: None };
        let client = client.clone().bearing(None);
        let answer = match client.post("login", &request) {
            Err(fault) if wants_code(&fault) && (talk.is_terminal() || wish == Wish::LogIn) => {
                let code = talk.secret("six digits of the authenticator, or a recovery code: ")?;
                request.totp = Some(code.ok_or(SessionFault::Unanswered)?);
                client.post("login", &request)?
            }
            Ok(answer) => answer,
            Err(fault) => return Err(fault.into()),
        };
        let tokens: Tokens = answer.value(&client)?;
        let duty = tokens.who.must;
        self.keep(tokens)?;
        match duty {
            Some(Duty::EnrolTotp) => talk.say(&format!(
                "a second factor is demanded of this account; set it up: request user totp {}",
                self.user
            ))?,
            None => {}
        }
        Ok(())
    }

    /// Ends the login here; at the engine its own path does.
    pub(super) fn forget(&mut self) {
        self.tokens = None;
        if let Some(file) = &self.file {
            file.remove();
        }
    }

    fn keep(&mut self, tokens: Tokens) -> Result<(), SessionFault> {
        let written = self.file.as_ref().map(|file| file.write(&tokens)).transpose();
        self.tokens = Some(tokens);
        written.map(|_| ())
    }
}

/// Whether the engine wants a code beside the password, which was right.
fn wants_code(fault: &ClientFault) -> bool {
    fault.problem().is_some_and(|problem| problem.kind == ProblemKind::SecondFactor)
}
