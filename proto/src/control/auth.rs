//! Logging in and out.
//!
//! Secrets come in and go out here and nowhere else; no type here shows one by `Debug`.

use serde::{Deserialize, Serialize};

use super::level::Level;
use super::secret::Secret;

/// A password at most, in bytes; longer ones are refused before they are hashed.
pub const PASSWORD_BYTES_MAX: usize = 256;

/// A new password at least, in characters.
pub const PASSWORD_CHARS_MIN: usize = 12;

/// An account's name at most, in bytes.
pub const USER_BYTES_MAX: usize = 32;

/// `POST login`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct LoginRequest {
    /// The account's name.
    pub user: String,
    /// Its password.
    pub password: Secret,
    /// The six digits of the moment, or a recovery code, where the account has TOTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub totp: Option<Secret>,
}

/// `POST refresh`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RefreshRequest {
    /// The newest refresh token. An older one revokes the whole login.
    pub refresh_token: Secret,
}

/// What a login or a refresh gives.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Tokens {
    /// Goes into `Authorization: Bearer`.
    pub access_token: Secret,
    /// How long it is good, in seconds.
    pub expires_in_s: u64,
    /// Gives the next pair, once.
    pub refresh_token: Secret,
    /// How long that is good, in seconds.
    pub refresh_expires_in_s: u64,
    /// Who has logged in.
    pub who: Who,
}

/// `GET session`: who asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Who {
    /// The account, or `local:root` at the socket of the engine's machine.
    pub user: String,
    /// Its level.
    pub level: Level,
    /// How it showed who it is.
    pub by: LoginKind,
    /// What it has to do before anything else.
    pub must: Option<Duty>,
}

/// How somebody showed who he is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum LoginKind {
    /// By the token of a login.
    Token,
    /// By an API key.
    ApiKey,
    /// By the system's word at the control socket.
    Local,
}

/// What an account has to do before anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Duty {
    /// TOTP is demanded of it and it has none yet.
    EnrolTotp,
}
