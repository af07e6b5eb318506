//! What stands around every route: a panic of a handler becomes a problem, and every answer has the
//! headers that keep it out of caches and guesses.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::http::header::{CACHE_CONTROL, STRICT_TRANSPORT_SECURITY};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use eg_proto::control::{Problem, ProblemKind};

use super::answer::Refused;
use super::serving::NOSNIFF;

/// How long a browser that has been here shall come with TLS alone: a year, as is usual.
const HSTS: &str = "max-age=31536000";

/// Around every route of every door.
pub(super) async fn guard(request: Request, next: Next) -> Response {
    let mut response = match Caught(Box::pin(next.run(request))).await {
        Ok(response) => response,
        Err(panic) => {
            let cause = words_of(panic.as_ref());
            eg_settings::critical!(cause, "a request to the Control API met a fault; report it");
            let detail = "the engine met a fault of its own; its log has more; report it";
            Refused(Problem::new(ProblemKind::Failed, detail)).into_response()
        }
    };
    let headers = response.headers_mut();
    headers.insert(HeaderName::from_static(NOSNIFF), HeaderValue::from_static("nosniff"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Around every route of the door with TLS.
pub(super) async fn insist_on_tls(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(HSTS));
    response
}

/// A future whose panic is a value.
struct Caught<F>(Pin<Box<F>>);

impl<F: Future> Future for Caught<F> {
    type Output = Result<F::Output, Box<dyn Any + Send>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // Nothing of a handler is looked at once it has panicked.
        let polled = catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(context)));
        match polled {
            Ok(polled) => polled.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}

/// What a panic says.
fn words_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let owned = || panic.downcast_ref::<String>().cloned();
    text.or_else(owned).unwrap_or_else(|| "a panic without words".to_owned())
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::{Body, to_bytes};
    use axum::middleware::from_fn;
    use axum::routing::get;
    use hyper::service::Service as _;
    use hyper_util::service::TowerToHyperService;

    use super::*;

    async fn breaks() -> &'static str {
        panic!("on purpose")
    }

    #[tokio::test]
    async fn a_handler_that_panics_answers_with_a_problem() {
        let routes = Router::new()
            .route("/broken", get(breaks))
            .route("/whole", get(|| async { "fine" }))
            .layer(from_fn(guard))
            .layer(from_fn(insist_on_tls));
        let service = TowerToHyperService::new(routes);
        for (path, status) in [("/broken", 500), ("/whole", 200), ("/broken", 500)] {
            let request = Request::builder().uri(path).body(Body::empty()).unwrap();
            let response = service.call(request).await.unwrap();
            assert_eq!(response.status(), status);
            let headers = response.headers();
            assert_eq!(headers[NOSNIFF], "nosniff");
            assert_eq!(headers[CACHE_CONTROL], "no-store");
            assert_eq!(headers[STRICT_TRANSPORT_SECURITY], HSTS);
            let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
            if status == 500 {
                let problem: Problem = serde_json::from_slice(&bytes).unwrap();
                assert_eq!(problem.kind, ProblemKind::Failed);
                assert!(!problem.detail.contains("purpose"), "{problem:?}");
            }
        }
    }
}
