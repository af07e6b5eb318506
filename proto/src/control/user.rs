//! Accounts of operators (SPEC 9).

use serde::{Deserialize, Serialize};

use super::level::Level;
use super::secret::Secret;

/// `GET users`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Users {
    /// By name.
    pub users: Vec<UserRow>,
}

/// An account, without anything secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UserRow {
    /// Its name.
    pub name: String,
    /// Its level.
    pub level: Level,
    /// The number of the level, as in `passwd`.
    pub number: u8,
    /// When it was made, in RFC 3339.
    pub created: String,
    /// What is said of it.
    pub comment: String,
    /// Whether a second factor is asked of it.
    pub totp: bool,
    /// How many logins of it are alive.
    pub logins: u64,
    /// How many API keys it has.
    pub keys: u64,
    /// When it last logged in since the engine's start, in RFC 3339.
    pub last_login: Option<String>,
}

/// `POST users`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UserAddRequest {
    /// 1 to 32 of `a` to `z`, digits, `-`, `_` and `.`, a letter first.
    pub name: String,
    /// Its level; lower than that of whoever asks, unless that is 11.
    pub level: Level,
    /// Its password; required but for a service account, which has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// What is said of it; no `:` and no line end.
    #[serde(default)]
    pub comment: String,
}

/// What `POST users` did.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UserAdded {
    /// The new account.
    pub user: UserRow,
    /// Its first API key, of a service account only. It is shown this once.
    pub key: Option<ApiKeyMade>,
}

/// `PUT users/NAME/password`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PasswordRequest {
    /// The new one.
    pub password: Secret,
    /// The one before; required of whoever changes the own one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<Secret>,
}

/// `PUT users/NAME/level`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct LevelRequest {
    /// The new one.
    pub level: Level,
}

/// `POST users/NAME/totp`: begins to enrol. Without `code` a secret is made and shown this once; with
/// the code that the authenticator shows for it, the second factor is on.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TotpRequest {
    /// The six digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Secret>,
    /// The password, which enrolling asks for once more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
}

/// What `POST users/NAME/totp` did.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TotpAnswer {
    /// Whether the second factor is on now.
    pub on: bool,
    /// The secret in base32, for typing; only of the first step.
    pub secret: Option<Secret>,
    /// The same as an `otpauth://` URL, for a QR code; only of the first step.
    pub url: Option<Secret>,
    /// Codes that work once each in place of the six digits; only of the second step.
    pub recovery_codes: Vec<Secret>,
}

/// `POST users/NAME/keys`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ApiKeyRequest {
    /// How long it is good; 365 where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<u32>,
    /// The addresses and networks that may use it; empty for all.
    #[serde(default)]
    pub sources: Vec<String>,
}

/// A new API key.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ApiKeyMade {
    /// The whole key, shown this once.
    pub key: Secret,
    /// What is known of it from now on.
    pub row: ApiKeyRow,
}

/// `GET users/NAME/keys`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ApiKeys {
    /// Oldest first; two at most.
    pub keys: Vec<ApiKeyRow>,
}

/// An API key, without its secret part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ApiKeyRow {
    /// Its beginning, by which it is named.
    pub prefix: String,
    /// When it was made, in RFC 3339.
    pub created: String,
    /// When it ends, in RFC 3339.
    pub expires: String,
    /// Who may use it; empty for all.
    pub sources: Vec<String>,
    /// When it was last used, in RFC 3339, to the minute.
    pub last_used: Option<String>,
}

/// What a change did, in a sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Told {
    /// The sentence.
    pub detail: String,
}
