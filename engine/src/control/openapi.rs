//! The `OpenAPI` document, made of the table of verbs and the message types; served, and checked in as
//! `docs/openapi.json`.
//!
//! INVARIANT: what a verb takes and answers is said here once, by a match that names every verb.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use eg_proto::control::auth::USER_BYTES_MAX;
use eg_proto::control::verbs::{Arg, ArgKind, May, Need, Place};
use eg_proto::control::{
    BASE, Backups, Diff, GitDone, Level, LivePolicy, PolicyLog, Problem, Receipt, ReloadRequest,
    ReloadTicket, RollbackReceipt, RollbackRequest, Row, RuleBlame, TABLE, TagRequest, Verb,
};
use eg_proto::control::{auth, edit, explain, neighbor, system, user};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;

use super::health::{HEALTHZ, READYZ};
use super::log_tail;

/// Where it is served, below the front of every path.
pub(super) const PATH: &str = "/openapi.json";

/// What no path's part is longer than; the longest name that anything here has is far below.
const PART_CHARS_MAX: u64 = 1024;

/// The largest whole number that every reader of JSON takes for what it is.
const NUMBER_MAX: u64 = (1 << 53) - 1;

/// `GET openapi.json`
pub(super) async fn document() -> Response {
    static TEXT: LazyLock<String> = LazyLock::new(text);
    let mut response = Response::new(Body::from(TEXT.as_str()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The document as it is checked in.
fn text() -> String {
    // A document of maps and texts always has a JSON text.
    let mut text = serde_json::to_string_pretty(&whole()).unwrap_or_default();
    text.push('\n');
    text
}

/// A message type.
struct Shape {
    name: String,
    schema: RefOr<Schema>,
    others: Vec<(String, RefOr<Schema>)>,
}

fn shape<T: ToSchema>() -> Shape {
    let mut others = Vec::new();
    T::schemas(&mut others);
    Shape { name: T::name().into_owned(), schema: T::schema(), others }
}

/// What the body of a verb is; `None` for one that takes none.
fn body_of(verb: Verb) -> Option<Shape> {
    match verb {
        Verb::Login => Some(shape::<auth::LoginRequest>()),
        Verb::Refresh => Some(shape::<auth::RefreshRequest>()),
        Verb::ShowPolicyMatch => Some(shape::<explain::MatchRequest>()),
        Verb::PolicyCommit => Some(shape::<edit::CommitRequest>()),
        Verb::RequestPolicyReload => Some(shape::<ReloadRequest>()),
        Verb::RequestPolicyRollback => Some(shape::<RollbackRequest>()),
        Verb::RequestPolicyTag => Some(shape::<TagRequest>()),
        Verb::RequestNeighborTeardown => Some(shape::<neighbor::TeardownRequest>()),
        Verb::RequestUserAdd => Some(shape::<user::UserAddRequest>()),
        Verb::RequestUserPasswd => Some(shape::<user::PasswordRequest>()),
        Verb::RequestUserLevel => Some(shape::<user::LevelRequest>()),
        Verb::RequestUserTotp => Some(shape::<user::TotpRequest>()),
        Verb::RequestUserKeyAdd => Some(shape::<user::ApiKeyRequest>()),
        Verb::Logout
        | Verb::Who
        | Verb::ShowStatus
        | Verb::ShowVersion
        | Verb::ShowClock
        | Verb::ShowLog
        | Verb::ShowUsers
        | Verb::ShowNeighborSummary
        | Verb::ShowNeighborDetail
        | Verb::ShowDatabaseStatus
        | Verb::ShowSystemThreads
        | Verb::ShowSystemUriEngine
        | Verb::ShowPolicySummary
        | Verb::ShowPolicyList
        | Verb::ShowPolicyRule
        | Verb::ShowPolicyBackups
        | Verb::ShowPolicyLog
        | Verb::ShowPolicyBlame
        | Verb::ShowPolicyDiff
        | Verb::PolicyFiles
        | Verb::PolicyFile
        | Verb::RequestPolicyConfirm
        | Verb::ReloadReceipt
        | Verb::RequestPolicyGitInit
        | Verb::RequestEngineRestart
        | Verb::RequestUserDisable
        | Verb::RequestUserEnable
        | Verb::RequestUserRemove
        | Verb::RequestUserTotpRemove
        | Verb::ShowUserKeys
        | Verb::RequestUserKeyRemove => None,
    }
}

/// What a verb answers where it succeeds, by status; several of a status are one of them.
fn answers_of(verb: Verb) -> Vec<(u16, Shape)> {
    let waits = || (202, shape::<ReloadTicket>());
    match verb {
        Verb::Login | Verb::Refresh => vec![(200, shape::<auth::Tokens>())],
        Verb::Who => vec![(200, shape::<auth::Who>())],
        Verb::ShowStatus => vec![(200, shape::<system::Status>())],
        Verb::ShowVersion => vec![(200, shape::<system::Version>())],
        Verb::ShowClock => vec![(200, shape::<system::Clock>())],
        Verb::ShowLog => vec![(200, shape::<system::LogTail>())],
        Verb::ShowDatabaseStatus => vec![(200, shape::<system::Database>())],
        Verb::ShowSystemThreads => vec![(200, shape::<system::Threads>())],
        Verb::ShowSystemUriEngine => vec![(200, shape::<system::UriEngine>())],
        Verb::RequestEngineRestart => vec![(202, shape::<system::Restarting>())],
        Verb::ShowNeighborSummary => vec![(200, shape::<neighbor::Neighbors>())],
        Verb::ShowNeighborDetail => vec![(200, shape::<neighbor::NeighborDetail>())],
        Verb::RequestNeighborTeardown => vec![(200, shape::<neighbor::Teardown>())],
        Verb::ShowPolicySummary => vec![(200, shape::<LivePolicy>())],
        Verb::ShowPolicyList => vec![(200, shape::<explain::Rules>())],
        Verb::ShowPolicyRule => vec![(200, shape::<explain::RuleDetail>())],
        Verb::ShowPolicyMatch => vec![(200, shape::<explain::MatchAnswer>())],
        Verb::ShowPolicyBackups => vec![(200, shape::<Backups>())],
        Verb::ShowPolicyLog => vec![(200, shape::<PolicyLog>())],
        Verb::ShowPolicyBlame => vec![(200, shape::<RuleBlame>())],
        Verb::ShowPolicyDiff => vec![(200, shape::<Diff>())],
        Verb::PolicyFiles => vec![(200, shape::<edit::PolicyFiles>())],
        Verb::PolicyFile => vec![(200, shape::<edit::PolicyFile>())],
        Verb::PolicyCommit => vec![(200, shape::<edit::CommitReceipt>()), waits()],
        Verb::RequestPolicyReload => vec![(200, shape::<Receipt>()), waits()],
        Verb::ReloadReceipt => vec![
            (200, shape::<Receipt>()),
            (200, shape::<RollbackReceipt>()),
            (200, shape::<GitDone>()),
            (200, shape::<edit::CommitReceipt>()),
            waits(),
        ],
        Verb::RequestPolicyRollback => vec![(200, shape::<RollbackReceipt>()), waits()],
        Verb::RequestPolicyGitInit | Verb::RequestPolicyTag => {
            vec![(200, shape::<GitDone>()), waits()]
        }
        Verb::ShowUsers => vec![(200, shape::<user::Users>())],
        Verb::ShowUserKeys => vec![(200, shape::<user::ApiKeys>())],
        Verb::RequestUserAdd => vec![(200, shape::<user::UserAdded>())],
        Verb::RequestUserTotp => vec![(200, shape::<user::TotpAnswer>())],
        Verb::RequestUserKeyAdd => vec![(200, shape::<user::ApiKeyMade>())],
        Verb::RequestPolicyConfirm => vec![(200, shape::<edit::Confirmed>()), waits()],
        Verb::Logout
        | Verb::RequestUserPasswd
        | Verb::RequestUserLevel
        | Verb::RequestUserDisable
        | Verb::RequestUserEnable
        | Verb::RequestUserRemove
        | Verb::RequestUserTotpRemove
        | Verb::RequestUserKeyRemove => vec![(200, shape::<user::Told>())],
    }
}

/// Problems of a verb beside those that follow from its row.
fn refusals_of(verb: Verb) -> &'static [u16] {
    match verb {
        Verb::Login | Verb::Refresh => &[401, 403, 429],
        Verb::RequestUserPasswd | Verb::RequestUserTotp => &[409, 422, 429],
        Verb::ShowLog | Verb::RequestEngineRestart => &[409],
        Verb::ShowPolicyBackups | Verb::ShowPolicyLog | Verb::PolicyFiles | Verb::PolicyFile => {
            &[404, 409]
        }
        Verb::ShowPolicyRule | Verb::ShowPolicyBlame | Verb::ShowPolicyDiff => &[409],
        Verb::PolicyCommit
        | Verb::RequestPolicyConfirm
        | Verb::RequestPolicyReload
        | Verb::ReloadReceipt
        | Verb::RequestPolicyRollback => &[404, 409, 422],
        Verb::RequestPolicyGitInit | Verb::RequestPolicyTag => &[404, 409],
        Verb::RequestUserAdd
        | Verb::RequestUserLevel
        | Verb::RequestUserDisable
        | Verb::RequestUserEnable
        | Verb::RequestUserRemove
        | Verb::RequestUserTotpRemove
        | Verb::RequestUserKeyAdd
        | Verb::ShowUserKeys
        | Verb::RequestUserKeyRemove => &[409],
        Verb::Logout
        | Verb::Who
        | Verb::ShowStatus
        | Verb::ShowVersion
        | Verb::ShowClock
        | Verb::ShowUsers
        | Verb::ShowNeighborSummary
        | Verb::ShowNeighborDetail
        | Verb::ShowDatabaseStatus
        | Verb::ShowSystemThreads
        | Verb::ShowSystemUriEngine
        | Verb::ShowPolicySummary
        | Verb::ShowPolicyList
        | Verb::ShowPolicyMatch
        | Verb::RequestNeighborTeardown => &[],
    }
}

/// The statuses of problems that a verb can have.
fn statuses_of(row: &Row, takes_body: bool) -> BTreeSet<u16> {
    // What cannot be read, comes too slowly, has too long a path or too many headers; a fault of the
    // engine's own; too much that waits already, or the end.
    let mut statuses = BTreeSet::from([400, 408, 414, 431, 500, 503]);
    match row.may {
        May::Everybody => {}
        May::LoggedIn | May::From(_) | May::FromAndService(_) | May::OnOwn(_) | May::On { .. } => {
            statuses.extend([401, 403]);
        }
    }
    if takes_body {
        statuses.extend([413, 415]);
    }
    if row.args.iter().any(|arg| arg.place == Place::Path) {
        statuses.insert(404);
    }
    statuses.extend(refusals_of(row.verb));
    statuses
}

/// The schemas that the document names.
#[derive(Default)]
struct Schemas(Map<String, Value>);

impl Schemas {
    /// Takes a shape in, and gives the way to it.
    fn take(&mut self, shape: Shape) -> Value {
        let Shape { name, schema, others } = shape;
        let way = json!({ "$ref": format!("#/components/schemas/{name}") });
        for (name, schema) in [(name, schema)].into_iter().chain(others) {
            self.0.entry(name).or_insert_with(|| value_of(&schema));
        }
        way
    }
}

fn value_of(schema: &RefOr<Schema>) -> Value {
    serde_json::to_value(schema).unwrap_or_default()
}

fn whole() -> Value {
    let mut schemas = Schemas::default();
    let problem = schemas.take(shape::<Problem>());
    let mut refusals: BTreeSet<u16> = BTreeSet::new();
    let mut paths: Map<String, Value> = Map::new();
    for row in TABLE {
        let operation = operation(row, &mut schemas, &mut refusals);
        let path = paths.entry(format!("{BASE}/{}", row.path)).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(row.method.word().to_ascii_lowercase(), operation);
        }
    }
    let health = schemas.take(shape::<system::Health>());
    paths.insert(HEALTHZ.to_owned(), watched("healthz", "the process answers", &health, &[]));
    let ready = "a policy is live, the store is open, the audit trail takes entries, and the engine \
                 does not end";
    paths.insert(READYZ.to_owned(), watched("readyz", ready, &health, &[503]));
    let refusals: Map<String, Value> = refusals
        .into_iter()
        .map(|status| {
            let content = json!({ "application/problem+json": { "schema": problem } });
            let answer = json!({ "description": title(status), "content": content });
            (format!("Problem{status}"), answer)
        })
        .collect();
    let own = json!({ "type": "object" });
    let document = watched("openapi", "this document", &own, &[]);
    paths.insert(format!("{BASE}{PATH}"), document);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "EnforceGate Control API",
            "description": "What operators' tools ask of the engine. Errors are problem documents \
                (RFC 9457). A path that is not here answers 404, and another method 405, as \
                problems too.",
            "version": "1",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": schemas.0,
            "responses": refusals,
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "the access token of a login, or an API key",
                },
            },
        },
    })
}

/// A path for whoever watches over the engine.
fn watched(name: &str, help: &str, schema: &Value, others: &[u16]) -> Value {
    let answer = |said: &str| json!({ "description": said, "content": { "application/json": { "schema": schema } } });
    let mut answers = Map::from_iter([("200".to_owned(), answer(help))]);
    answers.extend(others.iter().map(|status| (status.to_string(), answer("what is missing"))));
    json!({
        "get": {
            "operationId": name,
            "tags": ["engine"],
            "summary": help,
            "security": [],
            "responses": answers,
        }
    })
}

fn operation(row: &Row, schemas: &mut Schemas, refusals: &mut BTreeSet<u16>) -> Value {
    let mut operation = Map::new();
    let mut put = |key: &str, value: Value| drop(operation.insert(key.to_owned(), value));
    put("operationId", row.name().into());
    put("tags", json!([row.path.split('/').next().unwrap_or_default()]));
    put("summary", row.help.into());
    put("description", who_may(row).into());
    put(
        "security",
        match row.may {
            May::Everybody => json!([]),
            May::LoggedIn
            | May::From(_)
            | May::FromAndService(_)
            | May::OnOwn(_)
            | May::On { .. } => {
                json!([{ "bearer": [] }])
            }
        },
    );
    let outside = row.args.iter().filter(|arg| arg.place != Place::Body);
    let parameters: Vec<Value> = outside.map(|arg| parameter(row.verb, arg)).collect();
    if !parameters.is_empty() {
        put("parameters", parameters.into());
    }
    let body = body_of(row.verb);
    let takes_body = body.is_some();
    if let Some(body) = body {
        let required =
            row.args.iter().any(|arg| arg.place == Place::Body && arg.need == Need::Required);
        let schema = schemas.take(body);
        let content = json!({ "application/json": { "schema": schema } });
        put("requestBody", json!({ "required": required, "content": content }));
    }
    let mut answers: Map<String, Value> = Map::new();
    let mut succeeds: Vec<(u16, Vec<Value>)> = Vec::new();
    for (status, shape) in answers_of(row.verb) {
        let way = schemas.take(shape);
        match succeeds.iter_mut().find(|(known, _)| *known == status) {
            Some((_, ways)) => ways.push(way),
            None => succeeds.push((status, vec![way])),
        }
    }
    for (status, ways) in succeeds {
        let schema = match ways.as_slice() {
            [one] => one.clone(),
            several => json!({ "anyOf": several }),
        };
        let content = json!({ "application/json": { "schema": schema } });
        let answer = json!({ "description": title(status), "content": content });
        answers.insert(status.to_string(), answer);
    }
    for status in statuses_of(row, takes_body) {
        refusals.insert(status);
        let way = json!({ "$ref": format!("#/components/responses/Problem{status}") });
        answers.insert(status.to_string(), way);
    }
    put("responses", answers.into());
    operation.into()
}

/// What a status is called.
fn title(status: u16) -> String {
    let status = axum::http::StatusCode::from_u16(status).ok();
    status.and_then(|status| status.canonical_reason()).unwrap_or("answer").to_owned()
}

/// Who may, in a sentence.
fn who_may(row: &Row) -> String {
    let from = |level: Level| format!("the level {} ({}) and above", level.number(), level.name());
    let beyond = row.args.iter().filter_map(|arg| arg.least.map(|least| (arg.name, least)));
    let beyond = beyond.map(|(name, least)| format!(" `{name}`: {}.", from(least)));
    format!("May: {}.{}", row.may, beyond.collect::<String>())
}

fn parameter(verb: Verb, arg: &Arg) -> Value {
    let place = match arg.place {
        Place::Path => "path",
        Place::Query | Place::Body => "query",
    };
    let required = match arg.need {
        Need::Required => true,
        Need::Optional | Need::Repeated | Need::Prompted => false,
    };
    json!({
        "name": arg.name,
        "in": place,
        "required": required,
        "description": arg.help,
        "schema": schema_of(verb, arg),
    })
}

/// What an argument of path or query may be.
fn schema_of(verb: Verb, arg: &Arg) -> Value {
    let whole =
        |least: u64, most: u64| json!({ "type": "integer", "minimum": least, "maximum": most });
    let text = |most: u64| json!({ "type": "string", "minLength": 1, "maxLength": most });
    match arg.kind {
        ArgKind::Number | ArgKind::Session | ArgKind::Generation => match (verb, arg.name) {
            (Verb::ShowLog, "lines") => whole(1, log_tail::LINES_MAX as u64),
            (Verb::ShowPolicyList, "limit") => whole(1, 100_000),
            _ => whole(1, NUMBER_MAX),
        },
        ArgKind::Switch => json!({ "type": "boolean" }),
        ArgKind::User => text(USER_BYTES_MAX as u64),
        ArgKind::Text
        | ArgKind::Url
        | ArgKind::Address
        | ArgKind::Network
        | ArgKind::Moment
        | ArgKind::Rule
        | ArgKind::Neighbor
        | ArgKind::Revision
        | ArgKind::Level
        | ArgKind::KeyPrefix
        | ArgKind::File
        | ArgKind::Secret => text(PART_CHARS_MAX),
    }
}

#[cfg(test)]
mod tests {
    use eg_proto::control::verbs::HttpMethod;

    use super::*;

    /// The document in the tree is what the code makes. `EG_WRITE_MANUAL=1` writes it.
    #[test]
    fn the_document_in_the_tree_is_the_one_that_is_served() {
        eg_settings::hold_page("docs/openapi.json", |_| Some(text())).unwrap();
    }

    #[test]
    fn every_verb_is_in_it_once_and_every_way_leads_somewhere() {
        let document = whole();
        let mut operations = 0;
        for row in TABLE {
            let path = format!("{BASE}/{}", row.path);
            let method = row.method.word().to_ascii_lowercase();
            let operation = &document["paths"][&path][&method];
            assert_eq!(operation["operationId"], row.name(), "{path}");
            operations += 1;
            let has_body = row.args.iter().any(|arg| arg.place == Place::Body);
            assert_eq!(operation["requestBody"].is_object(), has_body, "{}", row.name());
            if matches!(row.method, HttpMethod::Get | HttpMethod::Delete) {
                assert!(!has_body, "{}", row.name());
            }
        }
        assert_eq!(operations, TABLE.len());
        let text = document.to_string();
        for way in text.split("\"$ref\":\"#/components/").skip(1) {
            let (kind, name) = way.split('"').next().unwrap().split_once('/').unwrap();
            assert!(document["components"][kind].get(name).is_some(), "{kind}/{name}");
        }
    }

    /// A field of the table and one of the message are the same one.
    #[test]
    fn arguments_are_fields_of_their_messages() {
        for row in TABLE {
            let Some(body) = body_of(row.verb) else { continue };
            let schema = value_of(&body.schema);
            let fields = schema["properties"].as_object().unwrap();
            let mut named: BTreeSet<String> = BTreeSet::new();
            for arg in row.args.iter().filter(|arg| arg.place == Place::Body) {
                let field = arg.name.replace('-', "_");
                assert!(fields.contains_key(&field), "{}: {field}", row.name());
                named.insert(field);
            }
            let known: BTreeSet<String> = fields.keys().cloned().collect();
            assert_eq!(named, known, "{}", row.name());
        }
    }
}
