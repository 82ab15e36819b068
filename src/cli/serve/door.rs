//! What is answered to whom.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, FromRequest, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next as Handler};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use prometheus_client::registry::Registry;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use super::batch::{self, Decoded};
use super::judge::Judge;
use super::metrics::{self, Metrics};
use super::next::Next;

/// What all requests share.
pub struct Door {
    pub judge: Judge,
    pub next: Option<Next>,
    /// The hash of the token: to compare hashes tells nobody how much of a guess is right.
    pub token: Option<[u8; 32]>,
    pub free: Semaphore,
    pub longest: usize,
    pub timeout: Duration,
    pub metrics: Metrics,
    pub registry: Registry,
}

pub fn hash(token: &[u8]) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// The paths: batches may come by any but two.
pub fn router(door: Door) -> Router {
    let limit = DefaultBodyLimit::max(door.longest);
    let door = Arc::new(door);
    Router::new()
        .route("/metrics", get(page))
        .fallback(post(take))
        .layer(limit)
        .layer(middleware::from_fn_with_state(Arc::clone(&door), admit))
        .route("/healthz", get(async || "ok\n"))
        .with_state(door)
}

/// Refuses whoever does not have the token.
async fn admit(State(door): State<Arc<Door>>, request: Request, handler: Handler) -> Response {
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.as_bytes().split_at_checked(7));
    let is_right = |token: &[u8; 32]| {
        given.is_some_and(|(scheme, given)| scheme.eq_ignore_ascii_case(b"bearer ") && hash(given) == *token)
    };
    if door.token.as_ref().is_none_or(is_right) {
        return handler.run(request).await;
    }
    (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")], "the token is missing or wrong\n")
        .into_response()
}

async fn page(State(door): State<Arc<Door>>) -> Response {
    const FORMAT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    match metrics::page(&door.registry) {
        Ok(page) => ([(header::CONTENT_TYPE, FORMAT)], page).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn take(State(door): State<Arc<Door>>, request: Request) -> Response {
    let began = Instant::now();
    let answer = door.take(request).await.unwrap_or_else(|refusal| refusal);
    door.metrics.request_seconds.observe(began.elapsed().as_secs_f64());
    door.metrics.count_answer(answer.status().as_u16());
    answer
}

impl Door {
    /// Takes a batch, and answers when it is where it should be. An error is an answer as well: the batch was not taken.
    async fn take(&self, request: Request) -> Result<Response, Response> {
        let busy = || refusal(StatusCode::TOO_MANY_REQUESTS, "busy\n");
        let _place = self.free.try_acquire().map_err(|_| busy())?;
        let mut headers = request.headers().clone();
        let body = timeout(self.timeout, Bytes::from_request(request, &())).await;
        let body = body.map_err(|_| refusal(StatusCode::REQUEST_TIMEOUT, "the body is too slow\n"))?;
        let body = body.map_err(IntoResponse::into_response)?;

        let Some(text) = self.unpack(&headers, &body).await? else {
            // Nobody but the next hop can say what it is. It goes there as it came, and nothing is lost.
            self.metrics.unreadable.inc();
            return Ok(self.deliver(&headers, body).await);
        };
        headers.remove(header::CONTENT_ENCODING);
        let judged = self.judge.judge(text).await;
        let judged = judged.ok_or_else(|| refusal(StatusCode::SERVICE_UNAVAILABLE, "shutting down\n"))?;
        let answer = self.deliver(&headers, judged.body).await;
        if !comes_again(answer.status()) {
            self.judge.settle(judged.id);
        }
        Ok(answer)
    }

    /// The text of a body; none when it cannot be read.
    async fn unpack(&self, headers: &HeaderMap, body: &Bytes) -> Result<Option<Vec<u8>>, Response> {
        let encoding = headers.get(header::CONTENT_ENCODING).map_or(&b""[..], HeaderValue::as_bytes);
        let encoding = String::from_utf8_lossy(encoding).trim().to_lowercase();
        if encoding.is_empty() || encoding == "identity" {
            return Ok(Some(body.to_vec()));
        }
        let (body, longest) = (body.clone(), self.longest);
        match tokio::task::spawn_blocking(move || batch::decode(&encoding, &body, longest)).await {
            Ok(Decoded::Text(text)) => Ok(Some(text)),
            Ok(Decoded::TooLong) => Err(refusal(StatusCode::PAYLOAD_TOO_LARGE, "too long when unpacked\n")),
            Ok(Decoded::Unreadable) | Err(_) => Ok(None),
        }
    }

    /// Sends a batch on, or back where there is no next hop.
    async fn deliver(&self, headers: &HeaderMap, body: Bytes) -> Response {
        match &self.next {
            Some(next) => next.send(headers, body).await,
            None => {
                let mut response = Response::new(Body::from(body));
                for name in [header::CONTENT_TYPE, header::CONTENT_ENCODING] {
                    if let Some(value) = headers.get(&name) {
                        response.headers_mut().insert(name, value.clone());
                    }
                }
                response
            }
        }
    }
}

fn refusal(status: StatusCode, why: &'static str) -> Response {
    let mut response = (status, why).into_response();
    if comes_again(status) {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// Whether a batch that got this answer is sent again by whoever wants to lose nothing.
fn comes_again(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
}
