//! The next hop.

use std::time::Duration;

use anyhow::{Context, Result};
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use reqwest::{Client, Url, redirect};

/// What goes with a batch, and what comes with an answer.
const WITH_BATCH: [HeaderName; 2] = [header::CONTENT_TYPE, header::CONTENT_ENCODING];
const WITH_ANSWER: [HeaderName; 2] = [header::CONTENT_TYPE, header::RETRY_AFTER];

/// The longest body of an answer that is passed on.
const LONGEST_ANSWER: usize = 64 * 1024;

/// Where batches go.
pub struct Next {
    client: Client,
    url: Url,
}

impl Next {
    pub fn new(url: Url, timeout: Duration) -> Result<Self> {
        let client = Client::builder().no_proxy().redirect(redirect::Policy::none()).timeout(timeout).build();
        Ok(Self { client: client.context("cannot make an HTTP client")?, url })
    }

    /// Sends a batch, and gives the next hop's own answer. Without one: 503, or 504 when it was too slow.
    pub async fn send(&self, headers: &HeaderMap, body: Bytes) -> Response {
        let mut request = self.client.post(self.url.clone()).body(body);
        for name in WITH_BATCH {
            if let Some(value) = headers.get(&name) {
                request = request.header(name, value);
            }
        }
        let mut answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => return no_answer(&error),
        };
        let mut text = Vec::new();
        // The status is what counts: a body that breaks off is passed on as far as it came.
        while let Ok(Some(chunk)) = answer.chunk().await {
            if text.len() + chunk.len() > LONGEST_ANSWER {
                break;
            }
            text.extend_from_slice(&chunk);
        }
        let mut response = Response::new(Body::from(text));
        *response.status_mut() = answer.status();
        for name in WITH_ANSWER {
            if let Some(value) = answer.headers().get(&name) {
                response.headers_mut().insert(name, value.clone());
            }
        }
        response
    }
}

fn no_answer(error: &reqwest::Error) -> Response {
    let status = if error.is_timeout() { StatusCode::GATEWAY_TIMEOUT } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(header::RETRY_AFTER, "1")], "the next hop does not answer\n").into_response()
}
