//! The accounts' part of the Control API: requests to values and back. What happens is `auth`'s, and each
//! change has its entry in the trail, refused ones too.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use eg_proto::control::auth::{LoginRequest, RefreshRequest};
use eg_proto::control::user::{
    ApiKeyRequest, LevelRequest, PasswordRequest, Told, TotpRequest, UserAddRequest,
};
use eg_proto::control::{Problem, Row, Verb};
use serde::Serialize;

use super::answer::{Refused, json, value_of};
use super::auth::At;
use super::operator::{Operator, Source};
use super::policy::Desk;

/// `POST login`
pub(super) async fn login(
    State(desk): State<Arc<Desk>>,
    Source(source): Source,
    request: Request,
) -> Result<Response, Refused> {
    let asked: LoginRequest = value_of(request).await?;
    let tokens = desk.accounts.login(asked, source, At::now()).await?;
    Ok(json(StatusCode::OK, &tokens))
}

/// `POST refresh`
pub(super) async fn refresh(
    State(desk): State<Arc<Desk>>,
    Source(source): Source,
    request: Request,
) -> Result<Response, Refused> {
    let RefreshRequest { refresh_token } = value_of(request).await?;
    let tokens = desk.accounts.refresh(refresh_token, source, At::now()).await?;
    Ok(json(StatusCode::OK, &tokens))
}

/// `POST logout`
pub(super) async fn logout(
    State(desk): State<Arc<Desk>>,
    operator: Operator,
) -> Result<Response, Refused> {
    desk.accounts.logout(&operator, At::now()).await?;
    let detail = format!("the login of `{}` has ended", operator.name());
    Ok(json(StatusCode::OK, &Told { detail }))
}

/// `GET session`
pub(super) async fn who(operator: Operator) -> Response {
    json(StatusCode::OK, &operator.who())
}

/// `GET users`
pub(super) async fn users(State(desk): State<Arc<Desk>>, _: Operator) -> Result<Response, Refused> {
    Ok(json(StatusCode::OK, &desk.accounts.users(At::now()).await?))
}

/// `POST users`
pub(super) async fn add(
    State(desk): State<Arc<Desk>>,
    operator: Operator,
    request: Request,
) -> Result<Response, Refused> {
    let asked: UserAddRequest = value_of(request).await?;
    let (at, name) = (At::now(), asked.name.clone());
    let done = desk.accounts.add(&operator, asked, at).await;
    desk.changed((&operator, Verb::RequestUserAdd, &name), done, at)
}

/// `PUT users/NAME/password`
pub(super) async fn passwd(
    State(desk): State<Arc<Desk>>,
    operator: Operator,
    Source(source): Source,
    Path(user): Path<String>,
    request: Request,
) -> Result<Response, Refused> {
    let asked: PasswordRequest = value_of(request).await?;
    let at = At::now();
    let done = desk.accounts.set_password(&operator, &user, asked, source, at).await;
    desk.changed((&operator, Verb::RequestUserPasswd, &user), done, at)
}

/// `PUT users/NAME/level`
pub(super) async fn level(
    State(desk): State<Arc<Desk>>,
    operator: Operator,
    Path(user): Path<String>,
    request: Request,
) -> Result<Response, Refused> {
    let LevelRequest { level } = value_of(request).await?;
    let at = At::now();
    let done = desk.accounts.set_level(&operator, &user, level, at).await;
    desk.changed((&operator, Verb::RequestUserLevel, &user), done, at)
}

/// `POST users/NAME/disable`
pub(super) async fn disable(
    State(desk): State<Arc<Desk>>,
    operator: Operator,
    Path(user): Path<String>,
) -> Result<Response, Refused> {
    let at = At::now();
    let done = desk.accounts.disable(&operator, &user, at).await;
    desk.changed((&operator, Verb::RequestUserDisable, &user), done, at)
}

/// `POST users/NAME/enable`
pub(super) async fn enable(
    State(desk): State<Arc<Desk>>,
    operator: Operator,
    Path(user): Path<String>,
) -> Result<Response, Refused> {
    let at = At::now();
    let done = desk.accounts.enable(&operator, &user, at).await;
    desk.changed((&operator, Verb::RequestUserEnable, &user), done, at)
}

/// `DELETE users/NAME`
pub(super) async fn remove(
    State(desk): State<Arc<Desk>>,
    operator: Operator,
    Path(user): Path<String>,
) -> Result<Response, Refused> {
    let at = At::now();
    let done = desk.accounts.remove(&operator, &user, at).await;
    desk.changed((&operator, Verb::RequestUserRemove, &user), done, at)
}

/// `POST users/NAME/totp`
pub(super) async fn totp(
    State(desk): State<Arc<Desk>>,
    operator: Operator,
    Source(source): Source,
    Path(user): Path<String>,
    request: Request,
) -> Result<Response, Refused> {
    let asked: TotpRequest = value_of(request).await?;
    let at = At::now();
    let done = desk.accounts.enrol(&operator, &user, asked, source, at).await;
    // A secret that is shown has changed nothing yet.
    if let Ok(begun) = &done
        && !begun.on
    {
        return Ok(json(StatusCode::OK, begun));
    }
    desk.changed((&operator, Verb::RequestUserTotp, &user), done, at)
}

/// `DELETE users/NAME/totp`
pub(super) async fn totp_remove(
    State(desk): State<Arc<Desk>>,
    operator: Operator,
    Path(user): Path<String>,
) -> Result<Response, Refused> {
    let at = At::now();
    let done = desk.accounts.disenrol(&operator, &user, at).await;
    desk.changed((&operator, Verb::RequestUserTotpRemove, &user), done, at)
}

/// `GET users/NAME/keys`
pub(super) async fn keys(
    State(desk): State<Arc<Desk>>,
    _: Operator,
    Path(user): Path<String>,
) -> Result<Response, Refused> {
    Ok(json(StatusCode::OK, &desk.accounts.keys(&user)?))
}

/// `POST users/NAME/keys`
pub(super) async fn key_add(
    State(desk): State<Arc<Desk>>,
    operator: Operator,
    Path(user): Path<String>,
    request: Request,
) -> Result<Response, Refused> {
    let asked: ApiKeyRequest = value_of(request).await?;
    let at = At::now();
    let done = desk.accounts.add_key(&operator, &user, &asked, at).await;
    desk.changed((&operator, Verb::RequestUserKeyAdd, &user), done, at)
}

/// `DELETE users/NAME/keys/PREFIX`
pub(super) async fn key_remove(
    State(desk): State<Arc<Desk>>,
    operator: Operator,
    Path((user, prefix)): Path<(String, String)>,
) -> Result<Response, Refused> {
    let at = At::now();
    let done = desk.accounts.remove_key(&operator, &user, &prefix, at).await;
    desk.changed((&operator, Verb::RequestUserKeyRemove, &user), done, at)
}

impl Desk {
    /// The answer of a change, and its entry in the trail.
    fn changed<T: Serialize>(
        &self,
        (operator, verb, on): (&Operator, Verb, &str),
        done: Result<T, Problem>,
        at: At,
    ) -> Result<Response, Refused> {
        let what = Row::of(verb).map(Row::name).unwrap_or_default();
        self.accounts.say_change(operator, &what, on, &done, at);
        Ok(json(StatusCode::OK, &done?))
    }
}
