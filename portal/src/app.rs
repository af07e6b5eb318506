//! The routes in one table, and what every answer carries.

use std::sync::Arc;
use std::time::SystemTime;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use eg_proto::{Opener, Payload, RULE_ENGINE_UNAVAILABLE, Route};

use crate::page;
use crate::payload::{Arrival, REFUSED, RedirectQuery, way_back};

const STYLE: &str = include_str!("../assets/style.css");

/// What every answer says to the browser: nothing from elsewhere, nothing kept, nothing framed.
const HEADERS: [(HeaderName, &str); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'",
    ),
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
];

/// The query of a redirect, or that it cannot be read.
type Redirect = Result<Query<RedirectQuery>, QueryRejection>;

/// The portal as a service.
pub fn routes(opener: Opener) -> Router {
    Router::new()
        .route(Route::Blocked.path(), get(blocked))
        .route(Route::Warned.path(), get(warned))
        .route(Route::Aup.path(), get(aup))
        .route("/style.css", get(style))
        .route("/healthz", get(healthz))
        .with_state(Arc::new(opener))
        .layer(axum::middleware::map_response(with_headers))
}

async fn blocked(State(opener): State<Arc<Opener>>, query: Redirect) -> Response {
    arrive(Route::Blocked, &opener, query)
}

async fn warned(State(opener): State<Arc<Opener>>, query: Redirect) -> Response {
    arrive(Route::Warned, &opener, query)
}

async fn aup(State(opener): State<Arc<Opener>>, query: Redirect) -> Response {
    arrive(Route::Aup, &opener, query)
}

async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE).into_response()
}

async fn healthz() -> &'static str {
    "ok\n"
}

fn arrive(route: Route, opener: &Opener, query: Redirect) -> Response {
    let Ok(Query(query)) = query else { return refused() };
    match Arrival::of(&query, route, opener, SystemTime::now()) {
        Arrival::Page(payload) if is_filter_failure(&payload) => unavailable(),
        Arrival::Page(payload) => html(StatusCode::OK, page::stopped(route, &payload)),
        Arrival::Stale(payload) => match way_back(&payload) {
            Some(url) => (StatusCode::FOUND, [(header::LOCATION, url)]).into_response(),
            None => refused(),
        },
        Arrival::FilterUnavailable => unavailable(),
        Arrival::Refused => refused(),
    }
}

/// Whether the payload was sealed for the case that no engine could be asked.
fn is_filter_failure(payload: &Payload) -> bool {
    payload.rule == RULE_ENGINE_UNAVAILABLE
}

fn unavailable() -> Response {
    html(StatusCode::SERVICE_UNAVAILABLE, page::filter_unavailable())
}

fn refused() -> Response {
    (REFUSED, "bad request\n").into_response()
}

fn html(status: StatusCode, page: Result<String, askama::Error>) -> Response {
    match page {
        Ok(text) => (status, Html(text)).into_response(),
        Err(fault) => {
            tracing::error!(%fault, "a page could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn with_headers(mut response: Response) -> Response {
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
pub(crate) mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use eg_proto::{Action, PortalSecret, Sealer};
    use tower::ServiceExt as _;

    use super::*;

    const SECRET: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    pub(crate) fn payload() -> Payload {
        Payload {
            decision: "00000001-1".to_owned(),
            rule: "no-gambling".to_owned(),
            rule_id: Some(7),
            action: Action::Deny,
            code: 300,
            reason: "gambling is not allowed here".to_owned(),
            category: Some("gambling".to_owned()),
            url: "http://casino.example/a".to_owned(),
            canonical: "http://casino.example/a".to_owned(),
            client: Some([192, 0, 2, 7].into()),
            user: None,
            at: 1_000,
            expires: i64::MAX,
            ack_token: None,
        }
    }

    fn token(route: Route, payload: &Payload) -> String {
        let sealer = Sealer::new(&PortalSecret::parse(SECRET).unwrap(), [1; 16]);
        let mut out = Vec::new();
        sealer.seal(route, &payload.borrowed(), [2; 12], &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn answer(uri: &str) -> (StatusCode, String, String) {
        let opener = Opener::new(PortalSecret::parse(SECRET).unwrap(), None);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let request = Request::get(uri).body(Body::empty()).unwrap();
            let response = routes(opener).oneshot(request).await.unwrap();
            assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
            let location = response.headers().get(header::LOCATION);
            let location = location.map_or_else(String::new, |to| to.to_str().unwrap().to_owned());
            let status = response.status();
            let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
            (status, location, String::from_utf8(body.to_vec()).unwrap())
        })
    }

    #[test]
    fn each_route_opens_its_own_payload_and_names_the_rule() {
        for (route, action) in [
            (Route::Blocked, Action::Deny),
            (Route::Warned, Action::Warn),
            (Route::Aup, Action::Aup),
        ] {
            let stopped = Payload { action, code: action.code(), ..payload() };
            let uri = format!("{}?v=1&p={}", route.path(), token(route, &stopped));
            let (status, _, body) = answer(&uri);
            assert_eq!(status, StatusCode::OK);
            for fact in
                ["no-gambling", "gambling is not allowed here", "casino.example", "00000001-1"]
            {
                assert!(body.contains(fact), "{fact} in {body}");
            }
            assert!(!body.contains("roceed"), "a page must not promise what it cannot do: {body}");
        }
    }

    #[test]
    fn a_bad_payload_gets_400_without_detail() {
        let other = token(Route::Warned, &payload());
        let mut altered = token(Route::Blocked, &payload());
        altered.pop();
        for query in [
            format!("v=1&p={other}"),
            format!("v=1&p={altered}"),
            "v=1&p=%00".to_owned(),
            format!("v=2&p={}", token(Route::Blocked, &payload())),
            format!("p={}", token(Route::Blocked, &payload())),
            "v=1&p=a&p=b".to_owned(),
        ] {
            let (status, _, body) = answer(&format!("/blocked?{query}"));
            assert_eq!(
                (status, body.as_str()),
                (StatusCode::BAD_REQUEST, "bad request\n"),
                "{query}"
            );
        }
    }

    #[test]
    fn no_payload_means_that_the_filter_failed() {
        for uri in ["/blocked", "/blocked?v=1&p=-", "/warned?v=1&p=", "/aup?v=1"] {
            let (status, _, body) = answer(uri);
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{uri}");
            assert!(body.contains("filter is unavailable"), "{body}");
        }
    }

    #[test]
    fn a_token_of_the_connectors_own_failures_says_the_same() {
        let failure = Payload { rule: RULE_ENGINE_UNAVAILABLE.to_owned(), ..payload() };
        let (status, _, _) = answer(&format!("/blocked?v=1&p={}", token(Route::Blocked, &failure)));
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    }

    #[test]
    fn an_old_payload_leads_back_to_its_url_and_to_no_other() {
        let uri = |old: &Payload| format!("/blocked?v=1&p={}", token(Route::Blocked, old));
        let old = Payload { expires: 1, ..payload() };
        let (status, location, _) = answer(&uri(&old));
        assert_eq!((status, location.as_str()), (StatusCode::FOUND, "http://casino.example/a"));
        let connect = Payload {
            url: "casino.example:443".to_owned(),
            canonical: "https://casino.example/".to_owned(),
            ..old.clone()
        };
        assert_eq!(answer(&uri(&connect)).1, "https://casino.example/");
        let hostile = Payload {
            url: "javascript:alert(1)".to_owned(),
            canonical: "x:\r\ny".to_owned(),
            ..old
        };
        assert_eq!(answer(&uri(&hostile)).0, StatusCode::BAD_REQUEST);
    }
}
