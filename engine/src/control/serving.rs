//! One way of serving for every door: connections are accepted, each has its place, its deadlines and its
//! end, and what goes wrong below the routes is a problem document too.
//!
//! INVARIANT: nothing here waits without a deadline, but for the next connection.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use eg_proto::control::{Problem, ProblemKind, RELOAD_WAIT_S};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::sync::{mpsc, watch};
use tokio::time::{Sleep, sleep, timeout};

use super::operator::{Identity, Source};
use super::places::Place;
use super::policy::stopped;

/// How long the headers of a request may take, from the first moment that one may come: so it is also how
/// long a connection may be idle. They are a few hundred bytes from a program.
pub(super) const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// Request line and headers together, in bytes: the longest token and name fit ten times.
pub(super) const HEADER_BYTES_MAX: usize = 16 * 1024;

/// Headers of a request; browsers and proxies send about twenty.
pub(super) const HEADERS_MAX: usize = 64;

/// How long somebody may read nothing of an answer that waits for him.
pub(super) const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection takes new requests; then it is closed behind the one that it has.
pub(super) const REUSE_MAX: Duration = Duration::from_secs(60);

/// How long a connection may be open: as long as it takes requests, the longest wait for a receipt, and
/// some for reading and writing.
pub(super) const CONNECTION_MAX: Duration =
    Duration::from_secs(REUSE_MAX.as_secs() + RELOAD_WAIT_S + 30);

/// How long it is waited for the other side's end, so that it can read the last answer before its own
/// unread bytes break the connection.
const LINGER: Duration = Duration::from_secs(1);

/// Bytes that are read and dropped meanwhile: somebody was in the middle of a body that is too large.
const LINGER_BYTES_MAX: u64 = 1 << 20;

/// The pause after an accept that failed, as for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What is spoken over.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for S {}

/// A connection that was let in.
#[derive(Debug)]
pub(super) struct Guest<S> {
    pub(super) socket: S,
    pub(super) place: Place,
}

/// Who speaks, and what is there for him.
#[derive(Debug)]
pub(super) struct Visit<S> {
    pub(super) stream: S,
    pub(super) routes: Router,
    /// Who it is, where the door knows it by the connection alone.
    pub(super) identity: Option<Identity>,
    pub(super) source: Source,
}

/// Whether a connection has more than one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reuse {
    Never,
    Allowed,
}

/// Where connections come from.
pub(super) trait Door: Send + Sync + 'static {
    /// What is accepted.
    type Socket: Send + 'static;
    /// What is spoken over.
    type Stream: Stream;
    /// Whether its connections are used again.
    const REUSE: Reuse;
    /// For the log.
    const NAME: &'static str;

    /// The next connection that has a place.
    fn accept(&self) -> impl Future<Output = io::Result<Guest<Self::Socket>>> + Send;

    /// What comes before the first request, on the connection's own time; within a bound.
    fn greet(
        &self,
        socket: Self::Socket,
    ) -> impl Future<Output = Option<Visit<Self::Stream>>> + Send;
}

/// Takes connections until the engine ends. `alive` is held by each until its end.
pub(super) async fn serve<D: Door>(
    door: D,
    mut stopping: watch::Receiver<bool>,
    alive: mpsc::Sender<()>,
) {
    let door = Arc::new(door);
    loop {
        tokio::select! {
            () = stopped(&mut stopping) => break,
            accepted = door.accept() => match accepted {
                Ok(guest) => {
                    let (door, stopping) = (Arc::clone(&door), stopping.clone());
                    drop(tokio::spawn(attend(door, guest, stopping, alive.clone())));
                }
                Err(fault) => {
                    tracing::warn!(%fault, door = D::NAME, "a connection to the Control API failed");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
}

async fn attend<D: Door>(
    door: Arc<D>,
    guest: Guest<D::Socket>,
    stopping: watch::Receiver<bool>,
    alive: mpsc::Sender<()>,
) {
    let Guest { socket, place } = guest;
    let visit = door.greet(socket).await;
    // Whoever waits for the door's end does not wait for those who are inside.
    drop(door);
    if let Some(visit) = visit {
        speak(visit, D::REUSE, stopping).await;
    }
    drop((place, alive));
}

/// HTTP/1.1 over one connection, to its end.
pub(super) async fn speak<S: Stream>(
    visit: Visit<S>,
    reuse: Reuse,
    mut stopping: watch::Receiver<bool>,
) {
    let Visit { stream, routes, identity, source } = visit;
    let service = TowerToHyperService::new(routes);
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        if let Some(identity) = &identity {
            request.extensions_mut().insert(identity.clone());
        }
        request.extensions_mut().insert(source);
        Box::pin(service.call(request))
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HEADER_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .keep_alive(reuse == Reuse::Allowed)
        .serve_connection(TokioIo::new(Paced::new(stream)), service);
    let (mut retires, mut over) = (pin!(sleep(REUSE_MAX)), pin!(sleep(CONNECTION_MAX)));
    let mut last = false;
    let ended = loop {
        tokio::select! {
            ended = poll_fn(|context| connection.poll_without_shutdown(context)) => break ended,
            () = &mut retires, if !last => {
                last = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
            () = stopped(&mut stopping), if !last => {
                last = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
            () = &mut over => {
                tracing::debug!("a connection to the Control API was open for too long");
                return;
            }
        }
    };
    let parts = connection.into_parts();
    let mut paced = parts.io.into_inner();
    if let Err(fault) = ended {
        tracing::debug!(%fault, "a connection to the Control API ended early");
        let began = !parts.read_buf.is_empty();
        let owed = paced.owed.take().or_else(|| (fault.is_timeout() && began).then(too_slow));
        if let Some(problem) = owed {
            let words = last_words(&problem);
            // Somebody who does not even read this is gone.
            let _ = timeout(LINGER, paced.inner.write_all(&words)).await;
        }
    }
    let _ = timeout(LINGER, part(paced.inner)).await;
}

/// Says that nothing more comes, and waits until the other side has read it.
async fn part<S: Stream>(mut stream: S) -> io::Result<()> {
    stream.shutdown().await?;
    let mut rest = stream.take(LINGER_BYTES_MAX);
    tokio::io::copy(&mut rest, &mut tokio::io::sink()).await?;
    Ok(())
}

/// A problem of a request that never came to the routes.
fn last_words(problem: &Problem) -> Vec<u8> {
    // Structs of texts and numbers always have a JSON text.
    let body = serde_json::to_vec(problem).unwrap_or_default();
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::BAD_REQUEST);
    let mut bytes = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/problem+json\r\ncache-control: no-store\r\n\
         {NOSNIFF}: nosniff\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend(body);
    bytes
}

fn too_slow() -> Problem {
    let detail = format!("the headers took longer than {} s", HEADER_TIMEOUT.as_secs());
    Problem::new(ProblemKind::TooSlow, detail)
}

/// A header that every answer of the routes has, and none that hyper makes of its own.
pub(super) const NOSNIFF: &str = "x-content-type-options";

/// What hyper answers of its own where it cannot read a request: a status and no document.
fn refused_by_hyper(bytes: &[u8]) -> Option<Problem> {
    let (_, rest) = std::str::from_utf8(bytes).ok()?.split_once("HTTP/1.1 4")?;
    if !bytes.starts_with(b"HTTP/1.1 4") || rest.contains(NOSNIFF) {
        return None;
    }
    let code = rest.split_once(' ').and_then(|(code, _)| code.parse::<u16>().ok())?;
    Some(match 400 + code {
        431 => {
            let detail = format!(
                "request line and headers have {HEADER_BYTES_MAX} bytes and {HEADERS_MAX} headers at most"
            );
            Problem { status: 431, ..Problem::new(ProblemKind::TooLarge, detail) }
        }
        414 => Problem {
            status: 414,
            ..Problem::new(ProblemKind::TooLarge, "the path is too long".to_owned())
        },
        _ => Problem::new(ProblemKind::BadRequest, "this is no request of HTTP/1.1".to_owned()),
    })
}

/// A stream that gives up on somebody who reads nothing, and keeps hyper's own refusals back.
struct Paced<S> {
    inner: S,
    stuck: Option<Pin<Box<Sleep>>>,
    /// What is to be said in the place of hyper's refusal.
    owed: Option<Problem>,
}

impl<S: Stream> Paced<S> {
    const fn new(inner: S) -> Self {
        Self { inner, stuck: None, owed: None }
    }

    /// What came of a write: where it moves, the patience begins anew.
    fn moved<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stuck = None;
            return written;
        }
        let stuck = self.stuck.get_or_insert_with(|| Box::pin(sleep(WRITE_TIMEOUT)));
        ready!(stuck.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: Stream> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl<S: Stream> AsyncWrite for Paced<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Some(problem) = refused_by_hyper(bytes) {
            self.owed = Some(problem);
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.moved(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(context);
        self.moved(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.inner).poll_shutdown(context);
        self.moved(context, shut)
    }
}
